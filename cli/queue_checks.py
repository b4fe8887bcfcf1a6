"""The checks of `doctor` on the queues and their event source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from cli import connect
from cli.deployment import Deployment
from cli.diagnostics import Finding
from shared.errors import StoreUnavailable

if TYPE_CHECKING:  # the driver is imported only when a command uses a queue
    from cli.stores.queue_settings import EventSource, QueueSetup
    from shared.stores.sqs.admin import QueueAdmin

# SQS allows at most this value. During an outage of PostgreSQL, a message is received about forty times an hour.
_RECOMMENDED_RECEIVES: Final = 1_000
_VISIBILITY_PER_TIMEOUT: Final = 6


def check_queues(deployment: Deployment) -> Iterator[Finding]:
    """Check both queues' settings, the event source, and the number of dead letters.

    Raises:
        StoreUnavailable: SQS did not respond.
    """
    live = connect.queue(deployment, "queue_url")
    setup = connect.queue_setup(live)
    yield Finding("queue", "ok", f"{live.depth().total} messages.")
    if deployment.has_address("dlq_url"):
        yield from _check_dead_letters(connect.queue(deployment, "dlq_url"), setup)
    else:
        yield Finding("redrive policy", "skipped", "The dead-letter queue is unknown: give --dlq-url.")
    try:
        sources = connect.event_sources(live, setup.arn)
    except StoreUnavailable as error:
        yield Finding("event source", "skipped", f"Lambda did not respond: {str(error).partition(': ')[2]}")
        return
    yield from _check_sources(sources, setup)


def _check_dead_letters(dead: QueueAdmin, setup: QueueSetup) -> Iterator[Finding]:
    dead_setup = connect.queue_setup(dead)
    if setup.dead_letter_arn != dead_setup.arn:
        destination = f"to {setup.dead_letter_arn}" if setup.dead_letter_arn else "nowhere"
        advice = "Set the exchange queue's redrive policy to the dead-letter queue; the template does."
        yield Finding(
            "redrive policy",
            "fault",
            f"After too many receives, a message goes {destination}, not to {dead_setup.arn}.",
            advice,
        )
    elif (setup.max_receives or 0) < _RECOMMENDED_RECEIVES:
        advice = (
            f"Set maxReceiveCount to {_RECOMMENDED_RECEIVES}, because a message is received many times if PostgreSQL "
            "is down."
        )
        yield Finding("redrive policy", "warning", f"After {setup.max_receives} receives.", advice)
    else:
        yield Finding("redrive policy", "ok", f"After {setup.max_receives} receives, to the dead-letter queue.")
    days = dead_setup.retention_seconds / 86_400
    if dead_setup.retention_seconds <= setup.retention_seconds:
        advice = "Set a longer retention than the exchange queue's: a move does not reset a message's age."
        yield Finding(
            "dead letters' retention", "fault", f"SQS keeps them {days:g} days from the time they were sent.", advice
        )
    else:
        yield Finding("dead letters' retention", "ok", f"SQS keeps them {days:g} days.")
    depth = dead.depth().total
    if depth:
        advice = "Run hybrid-memory dlq list. Remove the cause, then run hybrid-memory dlq redrive."
        yield Finding("dead letters", "warning", f"There are {depth}.", advice)
    else:
        yield Finding("dead letters", "ok", "There are none.")


def _check_sources(sources: list[EventSource], setup: QueueSetup) -> Iterator[Finding]:
    if not sources:
        advice = "Deploy the template: without an event source nothing drains the queue."
        yield Finding("event source", "fault", "No function reads from the exchange queue.", advice)
    for source in sources:
        if source.state not in {"Enabled", "Updating", "Creating"}:
            advice = "Enable the event source mapping. Until then the queue is not drained."
            yield Finding("event source", "fault", f"{source.function} is {source.state}.", advice)
        else:
            yield Finding("event source", "ok", f"{source.function}, up to {source.batch_size} at a time.")
        if source.reports_partial_batches:
            yield Finding("partial batches", "ok", "If one message of a batch fails, SQS deletes only the others.")
        else:
            advice = "Set FunctionResponseTypes to ReportBatchItemFailures: without it failed messages are deleted."
            yield Finding("partial batches", "fault", "SQS deletes a batch's failed messages, too.", advice)
        timeout = source.timeout_seconds
        if timeout and setup.visibility_seconds < _VISIBILITY_PER_TIMEOUT * timeout:
            advice = f"Set it to {_VISIBILITY_PER_TIMEOUT * timeout} s or more, six times the function's timeout."
            yield Finding("visibility timeout", "warning", f"It is {setup.visibility_seconds} s.", advice)
        else:
            yield Finding("visibility timeout", "ok", f"It is {setup.visibility_seconds} s.")
