"""Moves dead letters back to the exchange queue. An interruption loses no message."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.errors import InvalidRecord, StoreUnavailable
from shared.request_ids import REQUEST_ID, valid_request_id
from shared.stores.sqs.messages import QueuedMessage
from shared.traceparent import TRACEPARENT, valid_traceparent

if TYPE_CHECKING:  # the driver is imported only when a command uses a queue
    from cli.stores.queue_move import MoveTask
    from shared.stores.sqs.admin import QueueAdmin

_POLL_SECONDS: Final = 1.0
# Long enough for a batch of ten messages at the slowest rate, one message a second.
_HIDE_SECONDS: Final = 60
_BATCH: Final = 10
Advance = Callable[[int, int | None], None]


@dataclass(slots=True)
class RedriveResult:
    """The result of a move so far. It is updated continuously, so that it is correct after an interruption.

    Attributes:
        refused: Ids of messages that the exchange queue refused; they stay in the dead-letter queue.
    """

    moved: int = 0
    refused: list[str] = field(default_factory=list)


def copy_messages(
    dlq: QueueAdmin, exchange_queue: QueueAdmin, total: int, rate: int | None, result: RedriveResult, advance: Advance
) -> None:
    """Receive, send and delete up to `total` messages one by one.

    The limit avoids moving a message twice if it fails again. A message is deleted after its copy is sent. After an
    interruption, a message may be in both queues. The drain then stores it once, because both copies have the same
    exchange id. The copy has the body, the request id and the `traceparent`, but not the reason of the last failure.

    Args:
        dlq: The dead-letter queue.
        exchange_queue: The exchange queue.
        total: Maximum number of messages to move.
        rate: Maximum number of messages per second.
        result: Updated after each message.
        advance: Called with the number of moved messages and the total.
    """
    rate_limiter = _RateLimiter(rate)
    refused: list[QueuedMessage] = []
    try:
        while result.moved + len(refused) < total:
            batch = dlq.receive(min(_BATCH, total - result.moved - len(refused)), hide_seconds=_HIDE_SECONDS)
            if not batch:
                break
            try:
                while batch:
                    rate_limiter.wait()
                    if _copy_one(dlq, exchange_queue, batch[0]):
                        result.moved += 1
                    else:
                        refused.append(batch[0])
                        result.refused.append(batch[0].message_id)
                    del batch[0]
                    advance(result.moved, total)
            finally:
                dlq.release(batch)
    finally:
        dlq.release(refused)


def _copy_one(dlq: QueueAdmin, exchange_queue: QueueAdmin, message: QueuedMessage) -> bool:
    try:
        attributes = {
            REQUEST_ID: valid_request_id(message.attributes.get(REQUEST_ID)),
            TRACEPARENT: valid_traceparent(message.attributes.get(TRACEPARENT)),
        }
        exchange_queue.send(message.body, attributes)
    except InvalidRecord:
        return False
    dlq.delete(message)
    return True


def wait_for_move(
    task: MoveTask, result: RedriveResult, advance: Advance, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until SQS's move task ends. Ctrl-C cancels the task.

    Raises:
        StoreUnavailable: The move failed.
    """
    try:
        while True:
            progress = task.progress()
            result.moved = progress.moved
            advance(progress.moved, progress.total)
            if progress.failure:
                raise StoreUnavailable("queue", f"the move failed: {progress.failure}; --copy may work")
            if progress.is_ended:
                return
            sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        task.cancel()
        raise


class _RateLimiter:
    """Limits a loop to `rate` iterations per second, evenly spaced."""

    def __init__(self, rate: int | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = time.monotonic()

    def wait(self) -> None:
        """Wait until the next iteration may start."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next, time.monotonic() - self._interval) + self._interval
