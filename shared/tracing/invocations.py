"""The span of a batch or a sweep. A batch's span has links to the spans that sent the messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.sqs_record import traceparent_of
from shared.tracing.calls import queue_attributes

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer


@contextmanager
def trace_invocation(tracer: Tracer | None, event: Any, context: Any) -> Iterator[None]:
    """Create the span of an invocation, and send it at the end; do nothing without a tracer."""
    if tracer is None:
        yield
        return
    try:
        with _invocation_span(tracer, event, context):
            yield
    finally:
        tracer.flush()


@contextmanager
def _invocation_span(tracer: Tracer, event: Any, context: Any) -> Iterator[None]:
    """Create the span of an invocation.

    A batch has messages of many requests. Its span therefore starts a new trace, with links to the requests' spans.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    attributes: dict[str, str | int] = {"faas.invocation_id": str(context.aws_request_id)}
    if not isinstance(records, list):
        with tracer.request("sweep", {}, {**attributes, "faas.trigger": "timer"}):
            yield
        return
    valid_records = [record for record in records if isinstance(record, dict)]
    queue = next((str(record.get("eventSourceARN", "")).rpartition(":")[2] for record in valid_records), "")
    attributes |= {
        **queue_attributes(queue),
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.batch.message_count": len(records),
    }
    traceparents = (traceparent_of(record) for record in valid_records)
    with tracer.batch(queue, [each for each in traceparents if each is not None], attributes):
        yield
