"""Moving dead letters back to the exchange queue so that an interruption, wherever it comes, loses none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.errors import InvalidRecord, StoreUnavailable
from shared.request_ids import REQUEST_ID, valid_request_id
from shared.stores.sqs.messages import QueuedMessage
from shared.traceparent import TRACEPARENT, valid_traceparent

if TYPE_CHECKING:  # the driver is loaded when a queue is asked for
    from cli.stores.queue_move import MoveTask
    from shared.stores.sqs.admin import QueueAdmin

_POLL_SECONDS: Final = 1.0
# Longer than ten messages take at the slowest rate, one a second.
_HIDE_SECONDS: Final = 60
_BATCH: Final = 10
Advance = Callable[[int, int | None], None]


@dataclass(slots=True)
class RedriveResult:
    """What was moved so far; true at every moment, so that an interruption can tell.

    Attributes:
        refused: Ids of messages that the exchange queue does not take; they stay where they are.
    """

    moved: int = 0
    refused: list[str] = field(default_factory=list)


def copy(
    dead: QueueAdmin, live: QueueAdmin, total: int, rate: int | None, done: RedriveResult, advance: Advance
) -> None:
    """Receive, send, delete, message by message, up to `total`, so that what fails again is not moved in a circle.

    A message is deleted only after its copy was sent: what an interruption leaves behind is at worst a message in both
    queues, which the exchange's id makes one again. The body is copied and the ids of
    its request and trace, not the reason of the last failure.

    Args:
        dead: Where from.
        live: Where to.
        total: How many.
        rate: Most messages a second.
        done: Kept up to date.
        advance: Called with how many were moved, of how many.
    """
    pace = _RateLimiter(rate)
    refused: list[QueuedMessage] = []
    try:
        while done.moved + len(refused) < total:
            batch = dead.receive(min(_BATCH, total - done.moved - len(refused)), hide_seconds=_HIDE_SECONDS)
            if not batch:
                break
            try:
                while batch:
                    pace.wait()
                    if _copy_one(dead, live, batch[0]):
                        done.moved += 1
                    else:
                        refused.append(batch[0])
                        done.refused.append(batch[0].message_id)
                    del batch[0]
                    advance(done.moved, total)
            finally:
                dead.release(batch)
    finally:
        dead.release(refused)


def _copy_one(dead: QueueAdmin, live: QueueAdmin, message: QueuedMessage) -> bool:
    try:
        kept = {
            REQUEST_ID: valid_request_id(message.attributes.get(REQUEST_ID)),
            TRACEPARENT: valid_traceparent(message.attributes.get(TRACEPARENT)),
        }
        live.send(message.body, kept)
    except InvalidRecord:
        return False
    dead.delete(message)
    return True


def follow(task: MoveTask, done: RedriveResult, advance: Advance, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait for the end of SQS's own move; stop it when this is interrupted.

    Raises:
        StoreUnavailable: The move failed.
    """
    try:
        while True:
            progress = task.progress()
            done.moved = progress.moved
            advance(progress.moved, progress.total)
            if progress.failure:
                raise StoreUnavailable("queue", f"the move failed: {progress.failure}; --copy may do it")
            if progress.is_ended:
                return
            sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        task.cancel()
        raise


class _RateLimiter:
    """Lets at most `rate` through in a second, evenly."""

    def __init__(self, rate: int | None) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._next = time.monotonic()

    def wait(self) -> None:
        """Return when it is the next one's turn."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next, time.monotonic() - self._interval) + self._interval
