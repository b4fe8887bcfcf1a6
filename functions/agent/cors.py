"""What a browser has to be told before a page from elsewhere may call the API (CORS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from mangum.types import ASGI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SENT: Final = ("Authorization", "Content-Type", "Idempotency-Key", "X-Api-Key")
# The time of an answer is what a page sets its clock by, whose ids order a thread.
_READ: Final = ("Date", "Idempotent-Replayed", "Retry-After", "WWW-Authenticate")
_PREFLIGHT_SECONDS: Final = 7200  # what browsers remember at most


def with_cors(app: ASGI, origins: Sequence[str]) -> ASGI:
    """Return the application as pages of these origins may call it; without origins, as it is.

    Credentials are a header that the page sets, never a cookie, so none are allowed.
    """
    if not origins:
        return app
    return cast(
        ASGI,
        CORSMiddleware(
            cast(ASGIApp, app),
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_SENT,
            expose_headers=_READ,
            max_age=_PREFLIGHT_SECONDS,
        ),
    )
