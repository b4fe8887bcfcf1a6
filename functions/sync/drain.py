"""Drains a batch of the exchange queue into PostgreSQL, idempotently, no record held back by another."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.errors import InvalidRecord, StoreUnavailable
from shared.ids import is_time_ordered, milliseconds_of
from shared.models import Exchange
from shared.stores.base import Archive, Cache, StoreResult

_logger = logging.getLogger(__name__)
_FIRST_BACKOFF: Final = 2
_MOST_BACKOFF: Final = 60
# The queue's redrive policy gives up on a message after ten receives. A record that is only waiting for PostgreSQL
# gets a fresh copy before that, so that no outage, however long, sends a good record to the dead-letter queue.
_RENEW_AT: Final = 8
_MOST_AHEAD: Final = 86_400.0


# Its sender was told that there is no such thread: it lost a race that could not be told before the queue had taken it.
NOT_THE_OWNER: Final = InvalidRecord("not_the_owner", "the thread is another user's")


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the event source mapping hands it over."""

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    exchange: Exchange | None = None

    @classmethod
    def from_record(cls, record: object) -> Received:
        """Read an SQS event's record.

        Raises:
            InvalidRecord: It is none that SQS makes.
        """
        fields = record if isinstance(record, Mapping) else {}
        for name in ("messageId", "receiptHandle", "body"):
            if not isinstance(fields.get(name), str) or (name != "body" and not fields[name]):
                raise InvalidRecord("no_record", f"{name} is no text, or empty")
        return cls(
            message_id=fields["messageId"],
            receipt_handle=fields["receiptHandle"],
            body=fields["body"],
            receive_count=_receive_count(fields.get("attributes")),
        )

    @classmethod
    def unreadable(cls, record: object) -> Received:
        """Return a record that is none as a message whose body is all of it, so that it can be kept."""
        name = record.get("messageId") if isinstance(record, Mapping) else None
        # An answer that names a message nobody knows fails the batch: should this one not be kept, it comes again.
        return cls(name if isinstance(name, str) and name else "-", "", json.dumps(record, default=repr), 1)


def _receive_count(attributes: object) -> int:
    count = attributes.get("ApproximateReceiveCount") if isinstance(attributes, Mapping) else None
    # Its digits only: the number is an exponent later.
    return int(count) if isinstance(count, str) and re.fullmatch("[0-9]{1,4}", count) else 1


class DrainedQueue(Protocol):
    """What a drain asks of the queues. Methods raise `StoreUnavailable`."""

    def dead_letter(self, message: Received, reason: str, detail: str) -> None:
        """Put a message on the dead-letter queue, with the reason as attributes."""
        ...

    def renew(self, messages: Sequence[Received], delay_seconds: int) -> list[Received]:
        """Put fresh copies on the queue; return those that could not be."""
        ...

    def postpone(self, messages: Sequence[Received], seconds: int) -> None:
        """Hide messages for so long."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of a batch.

    Attributes:
        failed: Message ids that stay on the queue.
        dead: Messages by the reason that sent them to the dead-letter queue.
    """

    stored: int = 0
    duplicates: int = 0
    erased: int = 0
    failed: list[str] = field(default_factory=list)
    dead: dict[str, int] = field(default_factory=dict)
    is_cache_behind: bool = False
    newest: Exchange | None = None


def _current(exchange: Exchange) -> Exchange:
    """Return the exchange.

    Raises:
        InvalidRecord: It sorts after all that its thread will be told for a day and more.
    """
    if milliseconds_of(exchange.order) / 1000 > time.time() + _MOST_AHEAD:
        raise InvalidRecord("invalid_field", "exchange_id or created_at is from the future")
    return exchange


class Drain:
    """Moves exchanges from the queue into L2, and tells L1."""

    def __init__(self, archive: Archive, cache: Cache, queue: DrainedQueue) -> None:
        self._archive = archive
        self._cache = cache
        self._queue = queue

    def run(self, records: Sequence[object]) -> Outcome:
        """Store what can be stored, and say what stays on the queue."""
        outcome = Outcome()
        good: list[tuple[Received, Exchange]] = []
        for record in records:
            try:
                message = Received.from_record(record)
            except InvalidRecord as error:
                self._bury(Received.unreadable(record), error, outcome)
                continue
            try:
                good.append((message, _current(Exchange.from_wire(message.body))))
            except InvalidRecord as error:
                self._bury(message, error, outcome)
        self._store(good, outcome)
        return outcome

    def _store(self, batch: Sequence[tuple[Received, Exchange]], outcome: Outcome) -> None:
        """Store a batch in one transaction; if the data of one is refused, halve until it stands alone."""
        if not batch:
            return
        try:
            result = self._archive.store([exchange for _, exchange in batch])
        except StoreUnavailable:
            self._wait(batch, outcome)
        except InvalidRecord as error:
            if len(batch) == 1:
                self._bury(batch[0][0], error, outcome)
                return
            middle = len(batch) // 2
            self._store(batch[:middle], outcome)
            self._store(batch[middle:], outcome)
        else:
            self._count(result, outcome)
            refused = {id(exchange) for exchange in result.foreign}
            for message, exchange in batch:
                if id(exchange) in refused:
                    self._bury(message, NOT_THE_OWNER, outcome)
            if not self._tell_cache(result, outcome):
                # Stored, but nobody would tell L1: it comes again, and is then a duplicate that is told.
                self._wait([each for each in batch if id(each[1]) not in refused], outcome)

    def _count(self, result: StoreResult, outcome: Outcome) -> None:
        outcome.stored += result.stored
        outcome.duplicates += result.duplicates
        outcome.erased += result.erased
        for exchange in result.effective:
            if outcome.newest is None or exchange.created_at > outcome.newest.created_at:
                outcome.newest = exchange

    def _tell_cache(self, result: StoreResult, outcome: Outcome) -> bool:
        """Merge what is now in L2 into the lists that L1 has, or have it done later; return whether that is certain."""
        try:
            self._cache.merge_stored(result.effective)
            self._look_again(result)
        except StoreUnavailable as error:
            outcome.is_cache_behind = True
            _logger.warning("redis was not told of a drained batch", extra={"error": str(error)})
            return self._note_repairs({exchange.thread_id for exchange in result.effective})
        return True

    def _look_again(self, result: StoreResult) -> None:
        """Have lists compared with L2 into which a repetition may have come at another place than its first has.

        Only an exchange named by another id than a version 7 has its place by the time of its acceptance; the window
        may have lost an exchange to it.
        """
        moved = {each.thread_id for each in result.effective if not is_time_ordered(each.exchange_id)}
        if result.duplicates and moved:
            self._note_repairs(moved)

    def _note_repairs(self, thread_ids: set[str]) -> bool:
        """Have the lists compared with L2 once L1 is back; return whether that was noted."""
        try:
            self._archive.note_repairs("thread", sorted(thread_ids))
        except StoreUnavailable as error:
            _logger.warning("lists in redis are behind, and postgres cannot note it", extra={"error": str(error)})
            return False
        return True

    def _bury(self, message: Received, error: InvalidRecord, outcome: Outcome) -> None:
        try:
            self._queue.dead_letter(message, error.reason, error.detail)
        except StoreUnavailable:
            # Still on the queue, and it comes back: its redrive policy is the second way to the same place.
            outcome.failed.append(message.message_id)
            return
        outcome.dead[error.reason] = outcome.dead.get(error.reason, 0) + 1
        _logger.error(
            "message sent to the dead-letter queue", extra={"message_id": message.message_id, "reason": error.reason}
        )

    def _wait(self, batch: Sequence[tuple[Received, Exchange]], outcome: Outcome) -> None:
        """Leave a batch on the queue until PostgreSQL may be back, without using up its receives."""
        waiting = [message for message, _ in batch]
        worn = [message for message in waiting if message.receive_count >= _RENEW_AT]
        try:
            not_renewed = self._queue.renew(worn, _MOST_BACKOFF) if worn else []
        except StoreUnavailable:
            not_renewed = worn
        stay = [message for message in waiting if message.receive_count < _RENEW_AT] + not_renewed
        outcome.failed.extend(message.message_id for message in stay)
        by_delay: dict[int, list[Received]] = {}
        for message in stay:
            delay = min(_MOST_BACKOFF, _FIRST_BACKOFF * 2 ** max(0, message.receive_count - 1))
            by_delay.setdefault(delay, []).append(message)
        for delay, messages in by_delay.items():
            try:
                self._queue.postpone(messages, delay)
            except StoreUnavailable as error:
                # They come back when their visibility timeout ends instead.
                _logger.warning("messages keep their visibility timeout", extra={"error": str(error)})
