"""CORS headers, which allow pages from other origins to call the API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, cast

from mangum.types import ASGI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from functions.agent.http.api import problem_response
from functions.agent.http.problems import Problem

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS: Final = ("Accept", "Authorization", "Content-Type", "Idempotency-Key", "X-Api-Key")
_EXPOSED_HEADERS: Final = (
    "Allow",
    # A page corrects its clock by this header, because the time in its ids orders a thread.
    "Date",
    "Idempotent-Replayed",
    "Retry-After",
    "Server-Timing",
    "WWW-Authenticate",
    "X-Request-Id",
    "x-amzn-RequestId",
    # A REST API gives this name to the function's WWW-Authenticate header.
    "x-amzn-Remapped-WWW-Authenticate",
)
_PREFLIGHT_SECONDS: Final = 7200  # the maximum that browsers accept
_LOOPBACK_ORIGIN: Final = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


class _Cors(CORSMiddleware):
    """CORS that allows every request header, e.g. `traceparent`. The API ignores unknown headers."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Allow the requested headers that have valid names."""
        answer = super().preflight_response(request_headers)
        requested_headers = ",".join(request_headers.getlist("access-control-request-headers"))
        names = [name for one in requested_headers.split(",") if _TOKEN.fullmatch(name := one.strip())]
        default_names = {name.lower() for name in _REQUEST_HEADERS}
        allowed_headers = [
            *_REQUEST_HEADERS,
            *dict.fromkeys(name for name in names if name.lower() not in default_names),
        ]
        answer.headers["Access-Control-Allow-Headers"] = ", ".join(allowed_headers)
        return answer if answer.status_code < HTTPStatus.BAD_REQUEST else _as_problem(answer)

    @staticmethod
    def allow_explicit_origin(headers: MutableHeaders, origin: str) -> None:
        """Let the page read the response and its timings."""
        CORSMiddleware.allow_explicit_origin(headers, origin)
        headers["Timing-Allow-Origin"] = origin


def _as_problem(refusal: Response) -> Response:
    """Convert the response to a refused preflight request to a problem."""
    reasons = bytes(refusal.body).decode().removeprefix("Disallowed CORS ")
    answer = problem_response(Problem(refusal.status_code, f"CORS does not allow this request: {reasons}."))
    headers = {name: value for name, value in refusal.headers.items() if not name.startswith("content-")}
    answer.headers.update(headers)
    return answer


def with_cors(app: ASGI, origins: Sequence[str], *, is_local: bool = False) -> ASGI:
    """Return the application with CORS for these origins. Without origins, return the unchanged application.

    Tokens are sent in a header that the page sets, never in a cookie, so CORS credentials are not allowed.

    Args:
        app: The application.
        origins: Origins as browsers send them, or `*`.
        is_local: Whether to allow pages from this machine, on any port.
    """
    if not origins and not is_local:
        return app
    cors = _Cors(
        cast(ASGIApp, app),
        allow_origins=origins,
        allow_origin_regex=_LOOPBACK_ORIGIN if is_local else None,
        allow_methods=_METHODS,
        allow_headers=["*"],
        # An allowed public page may call an API in a private network.
        allow_private_network=True,
        expose_headers=_EXPOSED_HEADERS,
        max_age=_PREFLIGHT_SECONDS,
    )
    if cors.allow_all_origins:
        cors.simple_headers["Timing-Allow-Origin"] = "*"
    return cast(ASGI, cors)
