"""A queue's settings and its event sources. Read-only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from shared.stores.sqs.admin import QueueAdmin, translated_errors


@dataclass(frozen=True, slots=True)
class QueueSetup:
    """A queue's settings.

    Attributes:
        dead_letter_arn: The queue for messages that were received too often; None without a redrive policy.
        max_receives: The maximum number of receives before SQS moves a message there; None without a redrive policy.
    """

    arn: str
    visibility_seconds: int
    retention_seconds: int
    dead_letter_arn: str | None
    max_receives: int | None


@dataclass(frozen=True, slots=True)
class EventSource:
    """An event source mapping, which passes a queue's messages to a function.

    Attributes:
        state: Lambda's name of the state, e.g. `Enabled`.
        timeout_seconds: The function's timeout; None if it is unknown.
    """

    function: str
    state: str
    batch_size: int
    reports_partial_batches: bool
    timeout_seconds: int | None


def setup_of(queue: QueueAdmin) -> QueueSetup:
    """Return a queue's settings.

    Raises:
        StoreUnavailable: SQS did not respond, or refused.
    """
    with translated_errors():
        attributes: Any = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["All"])["Attributes"]
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    receives = policy.get("maxReceiveCount")
    return QueueSetup(
        arn=attributes["QueueArn"],
        visibility_seconds=int(attributes["VisibilityTimeout"]),
        retention_seconds=int(attributes["MessageRetentionPeriod"]),
        dead_letter_arn=policy.get("deadLetterTargetArn"),
        max_receives=None if receives is None else int(receives),
    )


def event_sources_of(queue: QueueAdmin, arn: str) -> list[EventSource]:
    """Return the event sources that read from a queue.

    Raises:
        StoreUnavailable: Lambda did not respond, or refused, e.g. because a permission is missing.
    """
    client = queue.access.client("lambda")
    try:
        with translated_errors():
            mappings = client.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
            return [_event_source(client, mapping) for mapping in mappings]
    finally:
        client.close()


def _event_source(client: Any, mapping: dict[str, Any]) -> EventSource:
    function = mapping["FunctionArn"]
    timeout = client.get_function_configuration(FunctionName=function).get("Timeout")
    return EventSource(
        function=function.rpartition("function:")[2] or function,
        state=mapping.get("State", "unknown"),
        batch_size=int(mapping.get("BatchSize") or 0),
        reports_partial_batches="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []),
        timeout_seconds=None if timeout is None else int(timeout),
    )
