"""Authentication: every request passes through this module before its body is read."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.agent.callers import ANONYMOUS, SERVICE, Caller
from functions.agent.request_errors import Unauthenticated
from functions.agent.schemas import UserPath
from shared.settings import OPERATOR_SCOPE

# All other paths need a token, including routes that are added later.
OPEN_PATHS: Final = frozenset({"/", "/health", "/openapi.json", "/docs"})
OPEN_PREFIXES: Final = ("/docs/", "/assets/")
_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)


class Guard:
    """Authenticates requests.

    Args:
        verify: Returns the caller of a token, or raises `Unauthenticated`; None without authentication.
        operator_scope: The scope of callers that may act for any user. Error messages contain it.
    """

    def __init__(self, verify: Callable[[str], Caller] | None = None, operator_scope: str = OPERATOR_SCOPE) -> None:
        self._verify = verify
        self.operator_scope = operator_scope

    @property
    def requires_tokens(self) -> bool:
        """Whether a request needs a token."""
        return self._verify is not None

    @property
    def direct_caller(self) -> Caller:
        """The caller of a direct invocation. It needs no token, because IAM has authorized it."""
        return ANONYMOUS if self._verify is None else SERVICE

    def caller_of(self, request: Request) -> Caller | None:
        """Return the caller; None on an open route.

        Raises:
            Unauthenticated: The token is missing or invalid.
            SigningKeysUnavailable: The keys for checking the token cannot be fetched.
        """
        if self._verify is None:
            return ANONYMOUS
        # A browser's preflight request cannot contain a token.
        if is_open(request.scope["path"]) or request.method == "OPTIONS":
            return None
        return self._verify(_token(request.headers.getlist("authorization")))


def is_open(path: str) -> bool:
    """Return whether a path needs no token."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def _token(headers: list[str]) -> str:
    if not headers:
        raise Unauthenticated("This needs a bearer token.")
    match = _BEARER.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        raise Unauthenticated("There must be one Authorization header, of the form Bearer <token>.", "invalid_request")
    return match.group(1)


class ProblemsMiddleware:
    """Middleware that stores the caller in the request's state and turns exceptions into problems.

    It is plain ASGI middleware. Starlette's `BaseHTTPMiddleware` would run the application in a separate task and
    stream the response, which costs as much as all other middleware together.

    Args:
        app: The application.
        guard: Returns the caller.
        on_error: Converts an exception of the application into a response.
    """

    def __init__(
        self, app: ASGIApp, guard: Guard, on_error: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._guard = guard
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":  # startup and shutdown of a server
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        has_response_started = False

        async def send_and_record(message: Message) -> None:
            nonlocal has_response_started
            has_response_started = True
            await send(message)

        try:
            # The caller is authenticated before the routing, so that a response to an unauthenticated caller reveals
            # nothing.
            if (caller := self._guard.caller_of(request)) is not None:
                request.state.caller = caller
            await self._app(scope, receive, send_and_record)
        except Exception as error:
            if has_response_started:
                raise
            answer = await self._on_error(request, error)
            await answer(scope, receive, send)


# This function is a coroutine, because FastAPI would run a plain function in a thread.
async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


# The type of a route's parameter for its caller. A route without authentication has no caller and must not use it.
RequestCaller = Annotated[Caller, Depends(_caller)]


def require_user(user_id: str | None, location: str) -> str:
    """Return the user id, which a request without a token must contain.

    Raises:
        RequestValidationError: There is none.
    """
    if user_id is None:
        raise RequestValidationError([{"type": "missing", "loc": (location, "user_id"), "msg": "Field required"}])
    return user_id


# This function is a coroutine, because FastAPI would run a plain function in a thread.
async def _authorized_user(user_id: UserPath, caller: RequestCaller) -> str:
    caller.resolve_user(user_id, "path")
    return user_id


AuthorizedUser = Annotated[str, Depends(_authorized_user)]
"""The user in the path, whom the caller may act for."""
