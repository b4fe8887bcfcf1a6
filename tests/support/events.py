"""Converts a request into an event of a REST API, an HTTP API, a function URL or a load balancer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote

Source = Callable[..., dict[str, Any]]


def rest(
    method: str, path: str, *, headers: dict[str, Any] | None = None, query: str = "", body: Any = None
) -> dict[str, Any]:
    """Return a REST API's event: the path is as sent, and the query is decoded."""
    values = parse_qs(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": None if headers is None else {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: all_values[-1] for name, all_values in values.items()} or None,
        "multiValueQueryStringParameters": values or None,
        "pathParameters": {"proxy": unquote(path[1:])},
        "requestContext": {
            "stage": "prod",
            "path": f"/prod{path}",
            "httpMethod": method,
            "requestId": "r",
            "identity": {"sourceIp": "127.0.0.1"},
            "domainName": "abc.execute-api.eu-west-1.amazonaws.com",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def http_api(
    method: str, path: str, *, headers: dict[str, Any] | None = None, query: str = "", body: Any = None
) -> dict[str, Any]:
    """Return an HTTP API's event (2.0): the path is decoded and has the stage as a prefix, and the query is as sent."""
    return _version_2_event(
        method, f"/prod{unquote(path)}", "abc.execute-api.eu-west-1.amazonaws.com", headers, query, body
    )


def function_url(
    method: str, path: str, *, headers: dict[str, Any] | None = None, query: str = "", body: Any = None
) -> dict[str, Any]:
    """Return a function URL's event. Path and query are as sent."""
    return _version_2_event(method, path, "abc.lambda-url.eu-west-1.on.aws", headers, query, body)


def _version_2_event(
    method: str, path: str, domain: str, headers: dict[str, Any] | None, query: str, body: Any
) -> dict[str, Any]:
    stage = "$default" if "lambda-url" in domain else "prod"
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {"stage": stage, "domainName": domain, "requestId": "r", "http": http},
        "body": body,
        "isBase64Encoded": False,
    }


def balancer(
    method: str, path: str, *, headers: dict[str, Any] | None = None, query: str = "", body: Any = None
) -> dict[str, Any]:
    """Return an event of a load balancer with multi-value headers. Path and query are as sent."""
    pairs = [pair.partition("=")[::2] for pair in query.split("&") if pair]
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": method,
        "path": path,
        "multiValueQueryStringParameters": {name: [value for key, value in pairs if key == name] for name, _ in pairs},
        "multiValueHeaders": {name: [value] for name, value in (headers or {}).items()},
        "body": body,
        "isBase64Encoded": False,
    }


def plain_balancer(
    method: str, path: str, *, headers: dict[str, Any] | None = None, query: str = "", body: Any = None
) -> dict[str, Any]:
    """Return an event of a load balancer with single values, which passes on only the last value of a name."""
    event = balancer(method, path, headers=None, query=query, body=body)
    values = event.pop("multiValueQueryStringParameters")
    del event["multiValueHeaders"]
    return event | {
        "headers": headers,
        "queryStringParameters": {name: all_values[-1] for name, all_values in values.items()},
    }


SOURCES: list[Source] = [rest, http_api, function_url, balancer, plain_balancer]
