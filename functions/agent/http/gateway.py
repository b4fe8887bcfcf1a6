"""Checks each request's UTF-8, body size and query names, because some event sources do not check them."""

from __future__ import annotations

import functools
from email.message import Message
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_to_bytes

from fastapi.exceptions import RequestValidationError
from mangum.types import ASGI, Receive, Scope, Send
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from functions.agent.http.api import problem_response
from functions.agent.http.problems import problem_of

# Two messages of 200,000 characters in the longest JSON escapes.
_MAX_BODY_BYTES: Final = 5_000_000
# The cache of parsed content types has this size. A client usually sends the same type with every request.
_CONTENT_TYPES_CACHED: Final = 100
_WITH_BODY: Final = {"POST", "PUT", "PATCH"}
_CHARSETS: Final = {"", "utf-8", "utf8", "us-ascii", "ascii"}


def with_request_checks(app: ASGI) -> ASGI:
    """Return the application with these checks. It reads every body as JSON."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        try:
            all_headers = Headers(raw=[(bytes(name), bytes(value)) for name, value in scope["headers"]])
            # Every body is read as JSON. Its declared type may be another one, because `curl -d` declares a form.
            headers = [pair for pair in scope["headers"] if pair[0] != b"content-type"]
            # The scope is changed in place, so that the request log finds the route that the application stores in it.
            scope["headers"] = [*headers, [b"content-type", b"application/json"]]
            _check_query(scope["query_string"])
            if (body := message.get("body")) and scope["method"] in _WITH_BODY:
                _check_body(body, all_headers)
        except Exception as error:  # noqa: BLE001 - errors outside of the routes become problems, too
            await problem_response(problem_of(error))(scope, receive, send)
            return
        messages = iter([message])

        async def receive_again() -> Any:
            return next(messages, None) or await receive()

        await app(scope, receive_again, send)

    return answer


def _check_query(query: bytes) -> None:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError as error:
        # Invalid bytes are not replaced, because the result could be another user's id.
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The query is not UTF-8.") from error
    seen: set[str] = set()
    for name, _ in parse_qsl(query.decode(), keep_blank_values=True) if b"&" in query else ():
        if name in seen:
            # A repeated name is refused, as in a body: some parsers use the first value, and others use the last one.
            repeated = {"type": "repeated", "loc": ("query", name[:100]), "msg": "is in the query twice"}
            raise RequestValidationError([repeated])
        seen.add(name)


def _check_body(body: bytes, headers: Headers) -> None:
    if len(body) > _MAX_BODY_BYTES:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {_MAX_BODY_BYTES} bytes.")
    if (headers.get("content-encoding") or "identity").strip().lower() != "identity":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding: send the body as it is.")
    if _charset(headers.get("content-type") or "application/json") not in _CHARSETS:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type: send the body in UTF-8.")


@functools.lru_cache(_CONTENT_TYPES_CACHED)
def _charset(content_type: str) -> str:
    """Return the charset that a Content-Type declares, '' for none."""
    declared = Message()
    declared["content-type"] = content_type
    return str(declared.get_param("charset") or "").strip().lower()
