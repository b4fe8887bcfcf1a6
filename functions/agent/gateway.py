"""What the event sources of a Lambda function leave to do: paths as they were sent, bodies that are JSON in UTF-8."""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import math
import re
from email.message import Message
from http import HTTPStatus
from typing import Any, Final, Never
from urllib.parse import quote, unquote

from mangum.types import ASGI, Receive, Scope, Send
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request

from functions.agent.api import problem_response, request_id_of
from functions.agent.problems import problem_of

# Two messages of 200,000 characters, each escaped to its longest.
_MOST_BODY_BYTES: Final = 5_000_000
_NO_TEXT: Final = b"\xff"  # never part of UTF-8
_WITH_BODY: Final = {"POST", "PUT", "PATCH"}
_CHARSETS: Final = {"", "utf-8", "utf8", "us-ascii", "ascii"}


def gateway(app: ASGI) -> ASGI:
    """Return the application behind what API Gateway leaves to do: encoded paths, bodies of any declared type."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        sent = Headers(raw=[(bytes(name), bytes(value)) for name, value in scope["headers"]])
        scope = {**scope, "path": sent_path(scope["aws.event"])}
        # JSON in, whatever the client calls it: `curl -d` says it is a form.
        headers = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
        scope["headers"] = [*headers, [b"content-type", b"application/json"]]

        message = await receive()
        if (body := message.get("body")) and scope["method"] in _WITH_BODY:
            try:
                message = {**message, "body": _checked_body(body, sent)}
            except HTTPException as error:
                refused = problem_response(problem_of(error), request_id_of(Request(scope)))
                await refused(scope, receive, send)
                return
        messages = iter([message])

        async def receive_again() -> Any:
            return next(messages, None) or await receive()

        await app(scope, receive_again, send)

    return answer


def with_bytes(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its body as bytes; a body that cannot be bytes becomes one that is no text."""
    body = event.get("body") or b""
    if isinstance(body, str):
        try:
            body = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        except (binascii.Error, ValueError):
            body = _NO_TEXT
    return {**event, "body": body, "isBase64Encoded": False}


def sent_path(event: dict[str, Any]) -> str:
    """Return the path percent-encoded, so that `a%2Fb` stays one segment, without a stage and a domain's base path."""
    context = event["requestContext"]
    if "rawPath" not in event:
        path = str(event.get("path") or "/")
        if event.get("resource") == "/" and context.get("path") == path:
            return "/"  # A domain's base path alone.
        return _below_base(path, str(event.get("resource") or ""), event)
    domain = str(context.get("domainName") or "")
    path = str(event["rawPath"]) or "/"
    if domain and ".lambda-url." not in domain:
        # An HTTP API decodes; a function URL does not.
        path = quote(path, errors="surrogatepass")
    if domain and ".execute-api." not in domain:
        return _below_base(path, str(event.get("routeKey") or "").partition(" ")[2], event)
    stage = "/" + quote(str(context.get("stage") or "$default"), safe="$")
    return (path.removeprefix(stage) or "/") if f"{path}/".startswith(f"{stage}/") else path


def _below_base(path: str, template: str, event: dict[str, Any]) -> str:
    """Return the end of a path that its route's template stands for, e.g. `/threads` of `/memory/threads`."""
    values = event.get("pathParameters") or {}
    if not values or not template:
        return path
    below = re.sub(r"\{(\w+)\+?\}", lambda found: str(values.get(found[1], found[0])).strip("/"), template)
    ends = [path[found.start() :] for found in re.finditer("/", path)]
    # Sources differ in whether they decode the parameters.
    return next((end for end in ends if below.rstrip("/") in {end.rstrip("/"), unquote(end).rstrip("/")}), path)


def _checked_body(body: bytes, headers: Headers) -> bytes:
    if len(body) > _MOST_BODY_BYTES:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {_MOST_BODY_BYTES} bytes.")
    if (headers.get("content-encoding") or "identity").strip().lower() != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: send the body as it is.")
    declared = Message()
    declared["content-type"] = headers.get("content-type") or "application/json"
    if str(declared.get_param("charset") or "").strip().lower() not in _CHARSETS:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type: send the body in UTF-8.")
    body = body.removeprefix(codecs.BOM_UTF8)
    try:
        json.loads(body.decode(), object_pairs_hook=_unlike, parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON in UTF-8.") from error
    except RecursionError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is nested too deeply.") from error
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from error
    return body


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # adds
        shown = twice[:100].encode("utf-8", "replace").decode()
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{shown}: is in the body twice.")
    return found


def _refuse(name: str) -> Never:
    raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {name} is no number.")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body has a number that is too large.")
    return number
