"""Inspection: the content of each layer for a thread, and the backlog of the deployment."""

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

_Seen = TypeVar("_Seen")


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message in L1's list.

    Attributes:
        is_drained: Whether L2 holds it; None for an entry of another program.
    """

    message: Message
    is_drained: bool | None


@dataclass(frozen=True, slots=True)
class ThreadLayers:
    """A thread as each layer holds it.

    Attributes:
        listed: The newest of L1's list, oldest first; None when Redis did not answer.
        list_length: How many entries the list has in all.
        ttl_seconds: How long the list has to live, None when there is none.
        stored: The newest of L2's rows, oldest first; None when PostgreSQL did not answer.
        stored_count: How many rows there are in all.
        undrained: How many exchanges L1 knows of that L2 does not hold yet.
        lag_seconds: How long the oldest of those has waited, 0 when there is none; None when a layer did not answer.
        as_of: When that was so; aware, UTC.
    """

    listed: list[ListedMessage] | None
    list_length: int
    ttl_seconds: float | None
    stored: list[Message] | None
    stored_count: int
    undrained: int
    lag_seconds: float | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class BacklogStatus:
    """What was accepted by the whole deployment and is not in L2 yet.

    Attributes:
        queue: The exchange queue; None when it did not answer, like the others.
        dead_letters: The dead-letter queue; None also if no setting names it.
        outbox: What waits in Redis for the queue and PostgreSQL to be back.
        degraded: Layers that did not answer.
        as_of: When that was so; aware, UTC.
    """

    queue: QueueCounts | None
    dead_letters: QueueCounts | None
    outbox: QueueCounts | None
    degraded: list[str] = field(default_factory=list)
    as_of: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def lag_seconds(self) -> float | None:
        """How long the oldest accepted exchange has waited for L2, 0 if none waits; None if unknown."""
        if self.queue is None or self.outbox is None:
            return None
        ages = [self.age_seconds(waiting) for waiting in (self.queue, self.outbox) if waiting.total]
        known = [age for age in ages if age is not None]
        return max(known, default=0.0) if len(known) == len(ages) else None

    def age_seconds(self, waiting: QueueCounts) -> float | None:
        """Return how old the oldest is; None if there is none, or the source does not tell."""
        return None if waiting.oldest is None else max(0.0, (self.as_of - waiting.oldest).total_seconds())


class Inspection:
    """Looks, and changes nothing: no list is refilled, no time to live prolonged, no message received."""

    def __init__(
        self, memory: Memory, cache: CacheInspector, queue: QueueInspector, dead_letters: QueueInspector | None
    ) -> None:
        self._memory = memory
        self._cache = cache
        self._queue = queue
        self._dead_letters = dead_letters

    def thread(self, thread_id: str, limit: int, owner: str | None = None) -> ThreadLayers:
        """Return the newest `limit` messages of a thread as each layer holds them; with `owner`, what is theirs.

        Raises:
            ThreadNotFound: Neither layer knows the thread.
            StoreUnavailable: A layer that is needed did not respond.
        """
        missing: list[StoreUnavailable] = []
        # L1 first: what is drained in between is then in L2.
        looked = _asked(lambda: self._cache.thread(thread_id, limit), missing)
        if looked is not None and owner is not None:
            pending = [exchange for exchange in looked.pending if exchange.user_id == owner]
            looked = replace(looked, messages=looked.messages.of_user(owner), pending=pending)
        thread = _asked(lambda: self._memory.archive.thread(thread_id), missing)
        rows: list[Message] | None = None
        if thread is not None:
            rows = _asked(
                lambda: self._memory.archive.messages(thread_id, limit, None, descending=True, owner=owner), missing
            )
        elif all(error.layer != "postgres" for error in missing):
            rows = []
        if not rows and (looked is None or not (looked.messages or looked.pending)):
            raise missing[0] if missing else ThreadNotFound(thread_id)
        if looked is not None and rows:
            looked = replace(looked, pending=self._not_stored(looked.pending, missing))
        stored = _Stored(rows, limit)
        as_of = datetime.now(UTC)
        waiting = _waiting_since(looked, stored) if looked is not None else {}
        lag = max((max(0.0, (as_of - since).total_seconds()) for since in waiting.values()), default=0.0)
        return ThreadLayers(
            listed=None if looked is None else [_listed(message, looked, stored) for message in looked.messages],
            list_length=0 if looked is None else looked.length,
            ttl_seconds=None if looked is None else looked.ttl_seconds,
            stored=None if rows is None else rows[::-1],
            stored_count=thread.message_count if thread is not None else 0,
            undrained=len(waiting),
            lag_seconds=None if missing else lag,
            as_of=as_of,
        )

    def _not_stored(self, pending: list[Exchange], missing: list[StoreUnavailable]) -> list[Exchange]:
        """Return what waits in L1 for the drain and is not in L2: an append may be slower than its drain."""
        stored = _asked(lambda: self._memory.archive.stored(pending), missing) if pending else None
        done = drained_among(pending, stored or [])
        return [each for each in pending if each not in done]

    def backlog_status(self) -> BacklogStatus:
        """Count what waits in the whole deployment."""
        missing: list[StoreUnavailable] = []
        queue = _asked(self._queue.waiting, missing)
        dead = None
        if self._dead_letters is not None and queue is not None:  # the same service: asked once is enough
            dead = _asked(self._dead_letters.waiting, missing)
        outbox = _asked(self._cache.outbox, missing)
        return BacklogStatus(queue, dead, outbox, list(dict.fromkeys(error.layer for error in missing)))


class _Stored:
    """Tells which exchanges L2 holds, from the newest of its rows."""

    def __init__(self, rows: list[Message] | None, limit: int) -> None:
        self._answered = rows is not None
        self._revisions = {row.exchange_id: row.revision for row in rows or []}
        # Beyond a full page lies what was not looked at.
        self._from = rows[-1].order if rows is not None and len(rows) >= limit else None

    def holds(self, exchange_id: UUID, order: UUID | None, revision: int, *, is_pending: bool) -> bool:
        """Return whether L2 holds the exchange in this revision; where L2 was not seen, L1's word is taken."""
        if exchange_id in self._revisions:
            return self._revisions[exchange_id] >= revision
        is_seen = self._answered and (self._from is None or order is None or order >= self._from)
        return not is_seen and not is_pending


def _waiting_since(looked: ListSnapshot, stored: _Stored) -> dict[UUID, datetime]:
    """Return the exchanges that L1 knows of and L2 does not hold, with the time of their acceptance."""
    pending = {exchange.exchange_id: exchange for exchange in looked.pending}
    known = {e.exchange_id: (e.order, e.created_at, e.revision) for e in looked.pending}
    for message in looked.messages:
        if message.exchange_id is not None and message.order is not None and message.created_at is not None:
            known[message.exchange_id] = (message.order, message.created_at, message.revision)
    return {
        exchange_id: created_at
        for exchange_id, (order, created_at, revision) in known.items()
        if not stored.holds(exchange_id, order, revision, is_pending=exchange_id in pending)
    }


def _listed(message: Message, looked: ListSnapshot, stored: _Stored) -> ListedMessage:
    if message.exchange_id is None:
        return ListedMessage(message, None)
    is_pending = any(exchange.exchange_id == message.exchange_id for exchange in looked.pending)
    is_drained = stored.holds(message.exchange_id, message.order, message.revision, is_pending=is_pending)
    return ListedMessage(message, is_drained)


def _asked(question: Callable[[], _Seen], missing: list[StoreUnavailable]) -> _Seen | None:
    """Return the answer, or note who did not give one."""
    try:
        return question()
    except StoreUnavailable as error:
        missing.append(error)
        return None
