"""Spans of store calls, by OpenTelemetry's semantic conventions for databases and queues.

A span contains no statement, key or body.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer


def trace_redis(tracer: Tracer, call: Callable[..., Any]) -> None:
    """Create a span for each pipeline, which is one round trip."""
    tracer.trace_method(call, "redis {operation}", {"db.system.name": "redis", "db.operation.name": "PIPELINE"})


def trace_postgres(tracer: Tracer, run: Callable[..., Any]) -> None:
    """Create a span for each transaction."""
    tracer.trace_method(run, "postgresql {operation}", {"db.system.name": "postgresql"})


def trace_sends(tracer: Tracer, send: Callable[..., Any], queue_url: str) -> None:
    """Create a span for each sent exchange. The SQS message carries the span's trace context."""
    queue = queue_name(queue_url)
    attributes = {
        **queue_attributes(queue),
        "messaging.operation.type": "send",
        "messaging.operation.name": "SendMessage",
    }
    tracer.trace_method(send, f"send {queue}", attributes, is_message=True)


def trace_queue_calls(tracer: Tracer, queue_url: str | None, *methods: Callable[..., Any]) -> None:
    """Create a span for each queue call that does not send an exchange."""
    for method in methods:
        queue = queue_name(queue_url)
        tracer.trace_method(method, f"{method.__name__} {queue}", queue_attributes(queue))


def queue_attributes(queue: str) -> dict[str, str]:
    """Return the attributes that identify a queue."""
    return {"messaging.system": "aws_sqs", "messaging.destination.name": queue}


def queue_name(url: str | None) -> str:
    """Return the last part of a queue's URL."""
    return (url or "").rpartition("/")[2]
