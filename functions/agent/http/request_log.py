"""The request id in each response, and one log line for each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mangum.types import ASGI, Message, Receive, Scope, Send
from starlette.routing import BaseRoute, Match

from shared.request_ids import current_request_id, valid_request_id

_logger = logging.getLogger(__name__)
HEADER: Final = "X-Request-Id"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def request_id_of(event: object, function_request_id: str) -> str:
    """Return the request's id from API Gateway, or otherwise from Lambda.

    Ids that a client sent are ignored: `X-Request-Id`, and `X-Amzn-Trace-Id`, which a load balancer passes through.
    """
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    gateway_id = context.get("requestId") if isinstance(context, Mapping) else None
    return valid_request_id(gateway_id) or function_request_id


def log_request(method: str, route: str | None, status: int, started: float) -> None:
    """Write the request's log line. It contains no texts, and no ids of threads or users.

    Args:
        method: The HTTP method, or `invoke` for a direct invocation.
        route: The route's template, or the action of a direct invocation; None if it does not exist.
        status: The response's status.
        started: The start time by `time.perf_counter`.
    """
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    _logger.info("request", extra={"method": method, "route": route, "status": status, "milliseconds": milliseconds})


def with_request_log(app: ASGI, routes: Sequence[BaseRoute]) -> ASGI:
    """Return the application with a request id in each response and one log line for each request.

    Args:
        app: The application, which stores the matched route in the scope.
        routes: The routes to match for requests that were refused before the routing.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500
        request_id = current_request_id()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if request_id is not None:
                    message = {
                        **message,
                        "headers": [*message["headers"], (HEADER.lower().encode(), request_id.encode())],
                    }
            await send(message)

        try:
            await app(scope, receive, send_with_id)
        finally:
            method = scope["method"]
            log_request(method if method in METHODS else "other", route_template(scope, routes), status, started)

    return answer


def route_template(scope: Scope, routes: Sequence[BaseRoute]) -> str | None:
    """Return the template of the request's route, e.g. `/threads/{thread_id}`; None if no route matches."""
    route: Any = scope.get("route") or next((each for each in routes if each.matches(scope)[0] is Match.FULL), None)
    return getattr(route, "path_format", None)
