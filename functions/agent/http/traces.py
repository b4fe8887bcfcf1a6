"""The span of an HTTP request or a direct invocation, by OpenTelemetry's semantic conventions.

The conventions' `url.path`, `url.query` and `client.address` are omitted, because they identify threads and users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from mangum.types import ASGI, Message, Receive, Scope, Send
from starlette.routing import BaseRoute

from functions.agent.http.request_log import HEADER, METHODS, route_template
from shared.request_ids import current_request_id

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from shared.tracing.tracer import Tracer

_CONTEXT_HEADERS: Final = frozenset({"traceparent", "tracestate"})
_ID: Final = f"http.response.header.{HEADER.lower()}"


def with_trace(app: ASGI, routes: Sequence[BaseRoute], tracer: Tracer) -> ASGI:
    """Return the application with a span for each request, as a child of the caller's trace.

    Args:
        app: The application, which stores the matched route in the scope.
        routes: The routes to match for requests that were refused before the routing.
        tracer: Creates the spans.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"

        async def send_and_record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        attributes = {
            "http.request.method": method,
            "url.scheme": scope["scheme"],
            **_invocation_attributes(scope["aws.context"]),
        }
        name = "HTTP" if method == "_OTHER" else method
        with tracer.request(name, _trace_headers(scope["headers"]), attributes) as span:
            try:
                await app(scope, receive, send_and_record_status)
            finally:
                if (route := route_template(scope, routes)) is not None:
                    span.update_name(f"{name} {route}")
                    span.set_attribute("http.route", route)
                _set_status(tracer, span, status)

    return answer


@contextmanager
def trace_action(tracer: Tracer, action: str | None, context: Any) -> Iterator[Callable[[int], None]]:
    """Create a span of a direct invocation. Yield a function that sets the response's status.

    An invocation has no headers, so the trace headers of the caller's span are in `custom` of the client context.

    Args:
        tracer: Creates the span.
        action: The action; None if it does not exist.
        context: Lambda's context.
    """
    custom = getattr(getattr(context, "client_context", None), "custom", None)
    client_fields = custom if isinstance(custom, dict) else {}
    carrier = {name: value for name in _CONTEXT_HEADERS if isinstance(value := client_fields.get(name), str)}
    with tracer.request(f"invoke {action}" if action else "invoke", carrier, _invocation_attributes(context)) as span:
        yield lambda status: _set_status(tracer, span, status)


def _trace_headers(headers: Sequence[Sequence[bytes]]) -> Mapping[str, str]:
    """Return the trace headers.

    The values of a repeated header are joined with a comma. No valid trace header contains a comma, so a repeated
    header is ignored.
    """
    trace_headers: dict[str, str] = {}
    for name, value in headers:
        if (key := bytes(name).lower().decode("latin-1")) in _CONTEXT_HEADERS:
            text = bytes(value).decode("latin-1")
            trace_headers[key] = f"{trace_headers[key]},{text}" if key in trace_headers else text
    return trace_headers


def _invocation_attributes(context: Any) -> dict[str, str]:
    invocation_id = getattr(context, "aws_request_id", None)
    return {"faas.invocation_id": invocation_id} if isinstance(invocation_id, str) else {}


def _set_status(tracer: Tracer, span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", int(status))
    if (request_id := current_request_id()) is not None:
        span.set_attribute(_ID, [request_id])
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tracer.fail(span, str(int(status)))
