"""Converts events of a REST API, an HTTP API, a function URL and a load balancer into ASGI requests, for Mangum.

Mangum itself fails on some valid requests, such as a Host header with an IPv6 address, and decodes paths twice.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

from mangum.handlers import ALB, APIGateway, HTTPGateway
from mangum.types import LambdaConfig, LambdaContext, LambdaEvent, LambdaHandler, Scope

_INVALID_UTF8: Final = b"\xff"  # a byte that never occurs in UTF-8


def is_request(event: Mapping[str, Any]) -> bool:
    """Return whether an event is an HTTP request. Otherwise it is a direct invocation."""
    return isinstance(event.get("requestContext"), dict) and isinstance(_method(event), str)


class _Event:
    """Converts an event to an ASGI request. Mangum's class for the event source converts the response."""

    def __init__(self, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> None:
        self.event, self.context, self.config = event, context, config

    @property
    def body(self) -> bytes:
        """The body. If it cannot be decoded from the event, it is a byte that is invalid in UTF-8."""
        body = self.event.get("body") or ""
        if not isinstance(body, str):
            return _INVALID_UTF8
        try:
            return base64.b64decode(body, validate=True) if self.event.get("isBase64Encoded") else body.encode()
        except (binascii.Error, ValueError):
            return _INVALID_UTF8

    @property
    def scope(self) -> Scope:
        """The request's ASGI scope, with the path still percent-encoded."""
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "http_version": "1.1",
            "method": _method(self.event),
            "scheme": "https",
            "path": request_path(self.event, self.config["api_gateway_base_path"].rstrip("/")),
            "raw_path": _bytes(_full_path(self.event)),
            "query_string": _bytes(_query(self.event)),
            "root_path": "",
            "headers": [[name, value] for name, value in _headers(self.event)],
            "server": None,
            "client": None,
            "aws.event": self.event,
            "aws.context": self.context,
        }


class _BalancerEvent(_Event, ALB):
    pass


class _HttpEvent(_Event, HTTPGateway):
    pass


class _RestEvent(_Event, APIGateway):
    @classmethod
    def infer(cls, event: LambdaEvent, context: LambdaContext, config: LambdaConfig) -> bool:  # noqa: ARG003 - Mangum's
        return True


# Mangum uses the first class whose `infer` is true.
SOURCES: Final[list[type[LambdaHandler]]] = [_BalancerEvent, _HttpEvent, _RestEvent]


def request_path(event: Mapping[str, Any], base_path: str = "") -> str:
    """Return the percent-encoded path without the stage and the domain's base path, so that `a%2Fb` stays one segment.

    Args:
        event: An event of any of the sources.
        base_path: The prefix of the path, such as `/memory`, for events that do not contain it.
    """
    path = _path_without_stage(event)
    return (path.removeprefix(base_path) or "/") if base_path and f"{path}/".startswith(f"{base_path}/") else path


def _path_without_stage(event: Mapping[str, Any]) -> str:
    context = event["requestContext"]
    domain = str(context.get("domainName") or "")
    if not _has_http_api_format(event):
        path = str(event.get("path") or "/")
        if event.get("resource") == "/" and context.get("path") == path:
            return "/"  # only the domain's base path
        return _path_of_template(path, str(event.get("resource") or ""), event)
    path = str(event.get("rawPath") or event.get("path") or "/")
    if domain and ".lambda-url." not in domain:
        # An HTTP API decodes paths; a function URL does not.
        path = quote(path, errors="surrogatepass")
    if domain and ".execute-api." not in domain:
        template = event.get("routeKey") or event.get("resource") or ""
        return _path_of_template(path, str(template).rpartition(" ")[2], event)
    stage = "/" + quote(str(context.get("stage") or "$default"), safe="$")
    return (path.removeprefix(stage) or "/") if f"{path}/".startswith(f"{stage}/") else path


def _has_http_api_format(event: Mapping[str, Any]) -> bool:
    return "rawPath" in event or "version" in event


def _path_of_template(path: str, template: str, event: Mapping[str, Any]) -> str:
    """Return the end of a path that matches the route's template, e.g. `/threads` of `/memory/threads`."""
    values = event.get("pathParameters") or {}
    if not values or not template:
        return path
    below = re.sub(r"\{(\w+)\+?\}", lambda match: str(values.get(match[1], match[0])).strip("/"), template)
    ends = [path[match.start() :] for match in re.finditer("/", path)]
    # Some event sources decode the path's parameters, and others do not.
    return next((end for end in ends if below.rstrip("/") in {end.rstrip("/"), unquote(end).rstrip("/")}), path)


def _full_path(event: Mapping[str, Any]) -> str:
    """Return the URL's path, with its stage and base path."""
    context = event["requestContext"]
    http_context = context.get("http")
    path = (
        context.get("path") or (http_context.get("path") if isinstance(http_context, dict) else "") or event.get("path")
    )
    return str(path or "/")


def _method(event: Mapping[str, Any]) -> Any:
    http_context = event["requestContext"].get("http")
    return event.get("httpMethod") or (http_context.get("method") if isinstance(http_context, dict) else None)


def _headers(event: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    many, single = event.get("multiValueHeaders") or {}, event.get("headers") or {}
    headers = {str(name).lower(): [value] for name, value in single.items()}
    headers |= {str(name).lower(): values if isinstance(values, list) else [values] for name, values in many.items()}
    for name, values in headers.items():
        for value in values:
            if value is not None:
                yield _bytes(name), _bytes(str(value))


def _bytes(text: str) -> bytes:
    # A lone surrogate becomes invalid UTF-8, so that validation rejects it.
    return text.encode("utf-8", "surrogatepass")


def _query(event: Mapping[str, Any]) -> str:
    if "rawQueryString" in event:
        return str(event["rawQueryString"] or "")
    values = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    pairs = [
        (name, "" if value is None else str(value))
        for name, value_or_list in values.items()
        for value in (value_or_list if isinstance(value_or_list, list) else [value_or_list])
    ]
    if "elb" in event["requestContext"]:
        # A load balancer does not decode queries.
        return "&".join(f"{name}={value}" for name, value in pairs)
    return urlencode(pairs, errors="surrogatepass")
