"""The outermost part of the application: lets a request in, and answers what goes wrong in it as a problem."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.agent.http.auth import Guard


class ProblemsMiddleware:
    """Middleware that notes the caller in the request's state.

    Plain ASGI: Starlette's `BaseHTTPMiddleware` runs the application as a task of its own and takes the answer through
    a stream, which costs as much as all other middleware together.

    Args:
        app: Answers.
        guard: Says who asks.
        on_error: Returns the answer to what the application raised.
    """

    def __init__(
        self, app: ASGIApp, guard: Guard, on_error: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._guard = guard
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # the start and the stop of a server
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            # Before anything of the request is read, and whatever its path: who is not let in learns nothing.
            if (caller := self._guard.caller_of(request)) is not None:
                request.state.caller = caller
            await self._app(scope, receive, send_on)
        except Exception as error:
            if has_begun:
                raise
            answer = await self._on_error(request, error)
            await answer(scope, receive, send)
