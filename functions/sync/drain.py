"""The drain stores a batch of the exchange queue in PostgreSQL. It is idempotent, and no record blocks another."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from functions.sync.batch_store import BatchStore, read_exchange
from functions.sync.cache_update import CacheUpdate
from functions.sync.due_work import DueWork
from functions.sync.isolation import Isolation
from shared.errors import InvalidRecord, StoreUnavailable
from shared.ids import milliseconds_of
from shared.models import Exchange
from shared.redelivery import MIN_JITTER, backoff
from shared.sqs_record import SqsRecord
from shared.stores.archive import Archive, StoreResult
from shared.stores.attempts import Attempts
from shared.stores.cache import Cache

_logger = logging.getLogger(__name__)
# An exchange whose time is ahead by more than this is invalid. No clock is this far ahead, and the exchange would
# always be the last one of its thread.
_MAX_AHEAD_SECONDS: Final = 366 * 86_400.0
# CloudWatch accepts 256 KiB per line; an id has at most 128 characters.
_IDS_PER_LINE: Final = 1_000
# The time limit if the function's remaining time is unknown.
_SECONDS: Final = 8.0


# SQS accepted the exchange, and then another user got the thread. The sender got a 404.
NOT_THE_OWNER: Final = InvalidRecord("not_the_owner", "the thread is another user's")


class DrainedQueue(Protocol):
    """The queues of the drain. Methods raise `StoreUnavailable`."""

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Send a message to the dead-letter queue, with the reason and the detail as attributes."""
        ...

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Change the messages' visibility timeout."""
        ...


@dataclass(slots=True)
class DrainResult:
    """The result of draining a batch.

    Attributes:
        tombstoned: The number of exchanges that were dropped because they are deleted.
        failed: Ids of the messages that stay in the queue.
        finished: Request ids of the messages whose exchanges were stored or dropped.
        dead: The number of dead letters by reason.
        is_cache_behind: Whether Redis could not be updated.
        newest: The newest stored exchange.
    """

    stored: int = 0
    duplicates: int = 0
    tombstoned: int = 0
    failed: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    dead: dict[str, int] = field(default_factory=dict)
    is_cache_behind: bool = False
    newest: Exchange | None = None


class Drain:
    """Stores exchanges of the queue in L2, and updates L1.

    Args:
        archive: L2.
        cache: L1.
        queue: The exchange queue and its dead-letter queue.
        attempts: Counts attempts; None to store every batch as a whole.
        random: Random numbers from 0 to 1, for delays.
        due_work: The derivations; None if nothing is derived.
    """

    def __init__(
        self,
        archive: Archive,
        cache: Cache,
        queue: DrainedQueue,
        attempts: Attempts | None = None,
        random: Callable[[], float] = random.random,
        due_work: DueWork | None = None,
    ) -> None:
        self._store = BatchStore(archive)
        self._update = CacheUpdate(archive, cache)
        self._queue = queue
        self._isolation = Isolation(attempts)
        self._random = random
        self._due_work = due_work

    def run(self, records: Sequence[object], seconds: float = _SECONDS) -> DrainResult:
        """Drain a batch; start no transaction after `seconds`."""
        outcome = DrainResult()
        deadline = time.monotonic() + seconds
        together, alone = self._isolation.split([SqsRecord.parse(record) for record in records])
        self._drain(together, outcome, seconds)
        self._drain_alone(alone, outcome, deadline)
        return outcome

    def _drain_alone(self, messages: Sequence[SqsRecord], outcome: DrainResult, deadline: float) -> None:
        """Store messages that may end the process one by one, until one message has to wait.

        Stop after a dead letter, so that the process ends normally and SQS deletes the message. Otherwise the message
        would be dead-lettered again.
        """
        for index, message in enumerate(messages):
            seconds = deadline - time.monotonic()
            if seconds <= 0 or outcome.dead:
                self._wait(messages[index:], outcome)
                return
            failed = len(outcome.failed)
            self._isolation.note_alone(message)
            self._drain([message], outcome, seconds)
            if len(outcome.failed) > failed:
                # PostgreSQL may be down, so let the other messages wait too.
                self._wait(messages[index + 1 :], outcome)
                return

    def _drain(self, messages: Sequence[SqsRecord], outcome: DrainResult, seconds: float) -> None:
        """Store messages, and send invalid ones to the dead-letter queue."""
        dead: list[tuple[SqsRecord, InvalidRecord]] = []
        good: list[tuple[SqsRecord, Exchange]] = []
        for message in messages:
            if message.error is not None:
                dead.append((message, message.error))
                continue
            try:
                good.append((message, _read(message)))
            except InvalidRecord as error:
                dead.append((message, error))
        # The valid messages are stored first, because dead letters are not urgent.
        dead += self._store_batch(good, outcome, seconds)
        self._dead_letter(dead, outcome)
        self._isolation.forget([each for each in messages if not each.error or each.message_id not in outcome.failed])

    def _store_batch(
        self, batch: Sequence[tuple[SqsRecord, Exchange]], outcome: DrainResult, seconds: float
    ) -> list[tuple[SqsRecord, InvalidRecord]]:
        """Store a batch; return the invalid messages with their reasons."""
        if not batch:
            return []
        message_of = {id(exchange): message for message, exchange in batch}
        drained = self._store.store([exchange for _, exchange in batch], seconds)
        result = drained.merged()
        refused = [*drained.refused, *((exchange, NOT_THE_OWNER) for exchange in result.rejected_owner)]
        waiting = drained.waiting
        self._count(result, outcome)
        if drained.stored:
            is_cache_updated, is_update_certain = self._update.merge(result)
            outcome.is_cache_behind |= not is_cache_updated
            if not is_update_certain:
                # The exchanges are stored, but the cache could not be updated. Let SQS redeliver them: the duplicates
                # update the cache.
                others = {id(exchange) for exchange in [*waiting, *(exchange for exchange, _ in refused)]}
                waiting = [*waiting, *(exchange for _, exchange in batch if id(exchange) not in others)]
        if self._due_work is not None:
            self._due_work.send(result.effective)
        self._wait([message_of[id(exchange)] for exchange in waiting], outcome)
        others = {id(exchange) for exchange in [*waiting, *(exchange for exchange, _ in refused)]}
        outcome.finished += request_ids(message for message, exchange in batch if id(exchange) not in others)
        return [(message_of[id(exchange)], error) for exchange, error in refused]

    def _count(self, result: StoreResult, outcome: DrainResult) -> None:
        outcome.stored += result.stored
        outcome.duplicates += result.duplicates
        outcome.tombstoned += result.tombstoned
        for exchange in result.effective:
            if outcome.newest is None or exchange.acceptance_time > outcome.newest.acceptance_time:
                outcome.newest = exchange

    def _dead_letter(self, dead: Sequence[tuple[SqsRecord, InvalidRecord]], outcome: DrainResult) -> None:
        is_sqs_down = False
        for message, error in dead:
            try:
                if not is_sqs_down:
                    self._queue.dead_letter(message, error.reason, error.detail)
            except StoreUnavailable:
                # SQS is down, and each other message would only wait for its timeout.
                is_sqs_down = True
            if is_sqs_down:
                # The message stays in the queue. SQS redelivers it, and after too many receives, SQS itself moves it to
                # the dead-letter queue.
                outcome.failed.append(message.message_id)
                _log(logging.WARNING, "message not sent to the dead-letter queue", message, error)
                continue
            outcome.dead[error.reason] = outcome.dead.get(error.reason, 0) + 1
            _log(logging.ERROR, "message sent to the dead-letter queue", message, error)

    def _wait(self, waiting: Sequence[SqsRecord], outcome: DrainResult) -> None:
        """Leave messages in the queue, with a delay that grows with each receive."""
        outcome.failed.extend(message.message_id for message in waiting)
        # All messages get the same random factor, so that SQS redelivers them at the same time.
        jitter = MIN_JITTER + (1 - MIN_JITTER) * self._random()
        by_delay: dict[int, list[SqsRecord]] = {}
        for message in waiting:
            by_delay.setdefault(math.ceil(backoff(message.receive_count) * jitter), []).append(message)
        for delay, messages in by_delay.items():
            for part in in_chunks(request_ids(messages)):
                _logger.info("messages wait for postgres", extra={"seconds": delay, "correlation_ids": part})
            try:
                self._queue.change_visibility(messages, delay)
            except StoreUnavailable as error:
                # SQS redelivers the messages after their visibility timeout.
                _logger.warning("messages keep their visibility timeout", extra={"error": str(error)})
                return


def request_ids(messages: Iterable[SqsRecord]) -> list[str]:
    """Return the request ids of the messages, each once."""
    return list(dict.fromkeys(message.request_id for message in messages if message.request_id is not None))


def in_chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split ids into chunks that fit a log line."""
    for start in range(0, len(ids), _IDS_PER_LINE):
        yield ids[start : start + _IDS_PER_LINE]


def _log(level: int, text: str, message: SqsRecord, error: InvalidRecord) -> None:
    fields = {"message_id": message.message_id, "reason": error.reason, "correlation_id": message.request_id}
    _logger.log(level, text, extra=fields)


def _read(message: SqsRecord) -> Exchange:
    """Return the message's exchange.

    An exchange is stored even if a clock that was days ahead created its id. The limit is relative to the later time of
    SQS's clock and this machine's clock, because this machine's clock may be behind.

    Raises:
        InvalidRecord: It can never be stored.
    """
    exchange = read_exchange(message.body)
    if milliseconds_of(exchange.order) / 1000 > max(time.time(), message.sent_at) + _MAX_AHEAD_SECONDS:
        raise InvalidRecord("invalid_field", "exchange_id or created_at is from a far future")
    return exchange
