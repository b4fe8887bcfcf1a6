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

# The maximum of receives that SQS allows. A message that waits for PostgreSQL is received about forty times an hour.
_MIN_RECEIVES: Final = 1_000
_TIMES_THE_TIMEOUT: Final = 6


def check_queues(deployment: Deployment) -> Iterator[Finding]:
    """Check both queues' settings, the event source, and the number of dead letters.

    Raises:
        StoreUnavailable: SQS did not respond.
    """
    live = connect.queue(deployment, "queue_url")
    setup = connect.queue_setup(live)
    yield Finding("queue", "ok", f"{live.depth().total} messages.")
    if deployment.is_named("dlq_url"):
        yield from _check_dead(connect.queue(deployment, "dlq_url"), setup)
    else:
        yield Finding("redrive policy", "skipped", "The dead-letter queue is unknown: give --dlq-url.")
    try:
        sources = connect.event_sources(live, setup.arn)
    except StoreUnavailable as error:
        yield Finding("event source", "skipped", f"Lambda cannot be asked: {str(error).partition(': ')[2]}")
        return
    yield from _check_sources(sources, setup)


def _check_dead(dead: QueueAdmin, setup: QueueSetup) -> Iterator[Finding]:
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
    elif (setup.max_receives or 0) < _MIN_RECEIVES:
        advice = f"Set maxReceiveCount to {_MIN_RECEIVES}: a message that waits for PostgreSQL is received many times."
        yield Finding("redrive policy", "warning", f"After {setup.max_receives} receives.", advice)
    else:
        yield Finding("redrive policy", "ok", f"After {setup.max_receives} receives, to the dead-letter queue.")
    days = dead_setup.retention_seconds / 86_400
    if dead_setup.retention_seconds <= setup.retention_seconds:
        advice = "Keep dead letters longer than the exchange queue keeps messages: a move does not reset their age."
        yield Finding(
            "dead letters' retention", "fault", f"SQS keeps them {days:g} days from the time they were sent.", advice
        )
    else:
        yield Finding("dead letters' retention", "ok", f"SQS keeps them {days:g} days.")
    depth = dead.depth().total
    if depth:
        advice = "See hybrid-memory dlq list; when the reason is gone, hybrid-memory dlq redrive."
        yield Finding("dead letters", "warning", f"There are {depth}.", advice)
    else:
        yield Finding("dead letters", "ok", "There are none.")


def _check_sources(sources: list[EventSource], setup: QueueSetup) -> Iterator[Finding]:
    if not sources:
        advice = "Deploy the template: without an event source nothing drains the queue."
        yield Finding("event source", "fault", "No function reads from the exchange queue.", advice)
    for source in sources:
        if source.state not in {"Enabled", "Updating", "Creating"}:
            advice = "Enable the event source mapping: until then exchanges only wait."
            yield Finding("event source", "fault", f"{source.function} is {source.state}.", advice)
        else:
            yield Finding("event source", "ok", f"{source.function}, up to {source.batch_size} at a time.")
        if source.reports_partial_batches:
            yield Finding("partial batches", "ok", "If one message of a batch fails, SQS deletes only the others.")
        else:
            advice = "Set FunctionResponseTypes to ReportBatchItemFailures: without it failed messages are deleted."
            yield Finding("partial batches", "fault", "SQS deletes a batch's failed messages, too.", advice)
        timeout = source.timeout_seconds
        if timeout and setup.visibility_seconds < _TIMES_THE_TIMEOUT * timeout:
            advice = f"Set it to {_TIMES_THE_TIMEOUT * timeout} s or more, six times the function's timeout."
            yield Finding("visibility timeout", "warning", f"It is {setup.visibility_seconds} s.", advice)
        else:
            yield Finding("visibility timeout", "ok", f"It is {setup.visibility_seconds} s.")
