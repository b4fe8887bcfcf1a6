"""Inspection: a thread in each layer, and the deployment's backlog. Read-only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from shared.errors import StoreUnavailable, ThreadNotFound
from shared.memory.deletion import drained_among
from shared.memory.memory import Memory
from shared.models import Exchange, Message
from shared.stores.inspectors import CacheInspector, ListSnapshot, QueueCounts, QueueInspector

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message in L1's list.

    Attributes:
        is_drained: Whether L2 has it; None for another program's entry.
    """

    message: Message
    is_drained: bool | None


@dataclass(frozen=True, slots=True)
class ThreadLayers:
    """A thread in each layer.

    Attributes:
        listed: The newest messages of L1's list, oldest first; None if Redis did not respond.
        list_length: The number of entries in the list.
        ttl_seconds: The list's time to live; None without a list.
        stored: The newest of L2's rows, oldest first; None if PostgreSQL did not respond.
        stored_count: The number of rows.
        undrained: The number of L1's exchanges that L2 does not have yet.
        lag_seconds: The age of the oldest undrained exchange; 0 without any, None if a layer did not respond.
        window: The number of exchanges that L1 keeps; L2 keeps all.
        as_of: The time of this reading, in UTC.
    """

    listed: list[ListedMessage] | None
    list_length: int
    ttl_seconds: float | None
    stored: list[Message] | None
    stored_count: int
    undrained: int
    lag_seconds: float | None
    window: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class BacklogStatus:
    """The undrained exchanges of the whole deployment.

    Attributes:
        queue: The exchange queue; None if it did not respond.
        dead_letters: The dead-letter queue; None if it did not respond or is not configured.
        outbox: The outbox; None if Redis did not respond.
        learn_lag_seconds: For how long the oldest thread has had exchanges to learn from; 0 without any, None if
            PostgreSQL did not respond.
        degraded: Layers that did not respond.
        as_of: The time of this reading, in UTC.
    """

    queue: QueueCounts | None
    dead_letters: QueueCounts | None
    outbox: QueueCounts | None
    learn_lag_seconds: float | None = None
    degraded: list[str] = field(default_factory=list)
    as_of: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def lag_seconds(self) -> float | None:
        """The age of the oldest undrained exchange; 0 without any, None if unknown."""
        if self.queue is None or self.outbox is None:
            return None
        ages = [self.age_seconds(waiting) for waiting in (self.queue, self.outbox) if waiting.total]
        known_ages = [age for age in ages if age is not None]
        return max(known_ages, default=0.0) if len(known_ages) == len(ages) else None

    def age_seconds(self, waiting: QueueCounts) -> float | None:
        """Return the age of the oldest message; None without messages, or if the source does not report it."""
        return None if waiting.oldest is None else max(0.0, (self.as_of - waiting.oldest).total_seconds())


class Inspection:
    """Reads without side effects: no list is refilled, no time to live extended, no message received."""

    def __init__(
        self, memory: Memory, cache: CacheInspector, queue: QueueInspector, dead_letters: QueueInspector | None
    ) -> None:
        self._memory = memory
        self._cache = cache
        self._queue = queue
        self._dead_letters = dead_letters

    def thread(self, thread_id: str, limit: int, owner: str | None = None) -> ThreadLayers:
        """Return the newest `limit` messages of a thread in each layer; with `owner`, only that user's.

        Raises:
            ThreadNotFound: Neither layer has the thread.
            StoreUnavailable: A required layer did not respond.
        """
        errors: list[StoreUnavailable] = []
        # L1 is read first, so that an exchange that is drained in between is in L2.
        snapshot = _result_of(lambda: self._cache.thread(thread_id, limit), errors)
        if snapshot is not None and owner is not None:
            undrained = [exchange for exchange in snapshot.undrained if exchange.user_id == owner]
            snapshot = replace(snapshot, messages=snapshot.messages.of_user(owner), undrained=undrained)
        thread = _result_of(lambda: self._memory.archive.thread(thread_id), errors)
        rows: list[Message] | None = None
        if thread is not None:
            rows = _result_of(
                lambda: self._memory.archive.messages(thread_id, limit, None, descending=True, owner=owner), errors
            )
        elif all(error.layer != "postgres" for error in errors):
            rows = []
        if not rows and (snapshot is None or not (snapshot.messages or snapshot.undrained)):
            raise errors[0] if errors else ThreadNotFound(thread_id)
        if snapshot is not None and rows:
            snapshot = replace(snapshot, undrained=self._not_stored(snapshot.undrained, errors))
        stored = _StoredRows(rows, limit)
        as_of = datetime.now(UTC)
        waiting = _undrained_since(snapshot, stored) if snapshot is not None else {}
        lag = max((max(0.0, (as_of - since).total_seconds()) for since in waiting.values()), default=0.0)
        return ThreadLayers(
            listed=None if snapshot is None else [_listed(message, snapshot, stored) for message in snapshot.messages],
            list_length=0 if snapshot is None else snapshot.length,
            ttl_seconds=None if snapshot is None else snapshot.ttl_seconds,
            stored=None if rows is None else rows[::-1],
            stored_count=thread.message_count if thread is not None else 0,
            undrained=len(waiting),
            lag_seconds=None if errors else lag,
            window=self._memory.settings.max_thread_messages,
            as_of=as_of,
        )

    def _not_stored(self, undrained: list[Exchange], errors: list[StoreUnavailable]) -> list[Exchange]:
        """Return L1's undrained exchanges that L2 does not have.

        L2 has some of them if the drain was faster than the append to L1.
        """
        stored = _result_of(lambda: self._memory.archive.stored(undrained), errors) if undrained else None
        drained = drained_among(undrained, stored or [])
        return [each for each in undrained if each not in drained]

    def backlog_status(self) -> BacklogStatus:
        """Count the whole deployment's undrained exchanges."""
        errors: list[StoreUnavailable] = []
        queue = _result_of(self._queue.waiting, errors)
        dead_letters = None
        if (
            self._dead_letters is not None and queue is not None
        ):  # both are in SQS, so the second request would also fail
            dead_letters = _result_of(self._dead_letters.waiting, errors)
        outbox = _result_of(self._cache.outbox, errors)
        learn_lag = _result_of(self._memory.archive.learn_lag, errors)
        degraded = list(dict.fromkeys(error.layer for error in errors))
        return BacklogStatus(queue, dead_letters, outbox, learn_lag, degraded)


class _StoredRows:
    """Decides which exchanges L2 has, based on its newest rows."""

    def __init__(self, rows: list[Message] | None, limit: int) -> None:
        self._has_rows = rows is not None
        self._revisions = {row.exchange_id: row.revision for row in rows or []}
        # If the page is full, rows before the page are unknown.
        self._oldest_order = rows[-1].order if rows is not None and len(rows) >= limit else None

    def has(self, exchange_id: UUID, order: UUID | None, revision: int, *, is_undrained: bool) -> bool:
        """Return whether L2 has this revision of the exchange. If the rows do not show it, L1's state decides."""
        if exchange_id in self._revisions:
            return self._revisions[exchange_id] >= revision
        is_in_rows = self._has_rows and (self._oldest_order is None or order is None or order >= self._oldest_order)
        return not is_in_rows and not is_undrained


def _undrained_since(snapshot: ListSnapshot, stored: _StoredRows) -> dict[UUID, datetime]:
    """Return L1's exchanges that L2 does not have, with their time of acceptance."""
    undrained = {exchange.exchange_id: exchange for exchange in snapshot.undrained}
    exchanges = {e.exchange_id: (e.order, e.acceptance_time, e.revision) for e in snapshot.undrained}
    for message in snapshot.messages:
        if message.exchange_id is not None and message.order is not None and message.acceptance_time is not None:
            exchanges[message.exchange_id] = (message.order, message.acceptance_time, message.revision)
    return {
        exchange_id: accepted_at
        for exchange_id, (order, accepted_at, revision) in exchanges.items()
        if not stored.has(exchange_id, order, revision, is_undrained=exchange_id in undrained)
    }


def _listed(message: Message, snapshot: ListSnapshot, stored: _StoredRows) -> ListedMessage:
    if message.exchange_id is None:
        return ListedMessage(message, None)
    is_undrained = any(exchange.exchange_id == message.exchange_id for exchange in snapshot.undrained)
    is_drained = stored.has(message.exchange_id, message.order, message.revision, is_undrained=is_undrained)
    return ListedMessage(message, is_drained)


def _result_of(read: Callable[[], _Result], errors: list[StoreUnavailable]) -> _Result | None:
    """Return the result, or record the layer that did not respond."""
    try:
        return read()
    except StoreUnavailable as error:
        errors.append(error)
        return None
