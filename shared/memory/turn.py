"""A turn: what an agent is told before it answers, and what is kept after. The providers are its two faces."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.errors import StoreUnavailable, TooLargeForQueue
from shared.ids import ExchangeIds, is_time_ordered, milliseconds_of, timestamp_of
from shared.memory.context import conversation_text, join_parts, preferences_text
from shared.memory.owed import OwedExchanges
from shared.memory.recent import RecentExchanges
from shared.models import Durability, Exchange, Message, Source
from shared.settings import MemorySettings
from shared.stores.base import Archive, Cache, CacheRead, ExchangeQueue, Window

_logger = logging.getLogger(__name__)
_MOST_FLOORS: Final = 10_000
_MOST_DRAIN_SECONDS: Final = 0.5
_DRAIN_POLL_SECONDS: Final = 0.05
_IMPATIENT_SECONDS: Final = 5.0
# The drain's longest back-off is a minute: what was accepted before this, with all stores up since, is drained.
_MOST_DRAIN_AGE: Final = 150.0
# A key further ahead than this comes from no clock's skew, and must not drag a thread into its time.
_MOST_SKEW: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Recall:
    """What the memory holds for a turn.

    Attributes:
        messages: The window, oldest first.
        source: The layer that served it: `redis`, `postgres`, or `none` when there is nothing.
        degraded: Layers that were asked and did not answer, so that an outage never looks like an empty history.
    """

    messages: list[Message] = field(default_factory=list)
    preferences: dict[str, str] = field(default_factory=dict)
    source: Source = "none"
    degraded: list[str] = field(default_factory=list)

    @property
    def context(self) -> str:
        """The text for the instructions, '' when there is none."""
        return join_parts(conversation_text(self.messages), preferences_text(self.preferences))

    def answer_of(self, exchange_id: UUID) -> str | None:
        """Return the assistant's side of an exchange in the window."""
        sides = (m.content for m in self.messages if m.exchange_id == exchange_id and m.role == "assistant")
        return next(sides, None)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an exchange is.

    Attributes:
        exchange_id: None when there was no thread to keep it in.
        durability: The store that holds it for good: `queue`, `postgres`, `redis` (L1's outbox) or `none`.
        cached: Whether L1's list has it.
        degraded: Layers that were asked and did not answer.
    """

    exchange_id: UUID | None
    durability: Durability
    cached: bool
    degraded: list[str] = field(default_factory=list)


class Memory:
    """The stores and what a process remembers of them; one a sandbox.

    Args:
        clock: Unix seconds; another one than the system's for tests of clocks that differ.
    """

    def __init__(
        self,
        cache: Cache,
        archive: Archive,
        queue: ExchangeQueue,
        settings: MemorySettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cache = cache
        self.archive = archive
        self.queue = queue
        self.settings = settings
        self._ids = ExchangeIds()
        self._floors: OrderedDict[str, UUID] = OrderedDict()
        self._recent = RecentExchanges()
        self._owed = OwedExchanges()
        self._clock = clock
        self._clock_offset: float | None = None
        self._waited_in_vain_at = -math.inf

    def turn(self, thread_id: str | None, user_id: str | None) -> Turn:
        """Begin a turn; without a thread or a user it does without that memory."""
        return Turn(self, thread_id, user_id)

    def observe(self, thread_id: str, order: UUID | None) -> None:
        """Remember that the thread has got as far as `order`: what this process adds has to sort after it."""
        if order is None or milliseconds_of(order) / 1000 > self.now() + _MOST_SKEW.total_seconds():
            return
        self._floors[thread_id] = max(order, self._floors.get(thread_id, order))
        self._floors.move_to_end(thread_id)
        if len(self._floors) > _MOST_FLOORS:
            self._floors.popitem(last=False)

    def observe_all(self, thread_id: str, cached: CacheRead) -> None:
        """Remember how far L1 and this process know the thread to have got."""
        self.set_clock(cached.clock)
        newest = [message.order for message in cached.messages[-1:]]
        for order in [*newest, *(exchange.order for exchange in [*cached.pending, *self.recent(thread_id)])]:
            self.observe(thread_id, order)

    def set_clock(self, shared: float | None) -> None:
        """Take over the time of the clock that all sandboxes share, Redis's."""
        if shared is not None:
            self._clock_offset = shared - self._clock()

    def now(self) -> float:
        """Return Unix seconds, of the shared clock once this process has heard it."""
        return self._clock() + (self._clock_offset or 0.0)

    def new_id(self, thread_id: str | None = None) -> UUID:
        """Return an id that sorts after everything this process has seen of the thread."""
        if self._clock_offset is None:
            # Else this process's own clock has to do; what it has seen of the thread is respected all the same.
            with suppress(StoreUnavailable):
                self.set_clock(self.cache.clock())
        return self._ids.new(after=self._floors.get(thread_id or ""), now=self.now())

    def name(self, exchange: Exchange) -> Exchange:
        """Return the exchange under a new id."""
        # The id may have to run ahead of the clock, to sort after what another clock has made; the time does not.
        return exchange.with_id(self.new_id(exchange.thread_id), datetime.fromtimestamp(self.now(), UTC))

    def date(self, thread_id: str, exchange_id: UUID) -> datetime:
        """Return when an exchange that its caller named was accepted; after what is known of its thread."""
        now = datetime.fromtimestamp(self.now(), UTC)
        floor = self._floors.get(thread_id)
        if is_time_ordered(exchange_id) or floor is None:
            return now
        return max(now, timestamp_of(floor) + timedelta(milliseconds=1))

    def remember(self, exchange: Exchange) -> None:
        """Keep an exchange at hand until it is surely drained, should L1 lose it before."""
        self._recent.add(exchange, self._clock())

    def recent(self, thread_id: str) -> list[Exchange]:
        """Return the thread's exchanges that this process accepted lately."""
        return self._recent.of(thread_id, self._clock())

    def forget(self, thread_ids: Sequence[str], user_id: str | None = None) -> None:
        """Drop what this process still holds of deleted threads or a deleted user."""
        self._recent.drop(set(thread_ids), user_id)
        self._owed.drop(set(thread_ids), user_id)

    def patience(self) -> float:
        """Return how many seconds a recall may wait for the drain: none just after one has waited in vain."""
        return 0.0 if time.monotonic() - self._waited_in_vain_at < _IMPATIENT_SECONDS else _MOST_DRAIN_SECONDS

    def lose_patience(self) -> None:
        """Take note that the drain is busy."""
        self._waited_in_vain_at = time.monotonic()

    def owe(self, exchange: Exchange) -> None:
        """Keep an exchange that only L1's outbox took."""
        self._owed.add(exchange)

    def pay(self, put: Callable[[Exchange], object]) -> None:
        """Put what is owed where a newer exchange was just taken; what fails there stays with the outbox."""
        with suppress(StoreUnavailable, TooLargeForQueue):
            self._owed.pay(put)


class Turn:
    """One question and its answer. `recall` reads at most once, so that both providers share the round trip."""

    def __init__(self, memory: Memory, thread_id: str | None, user_id: str | None) -> None:
        self.thread_id = thread_id
        self.user_id = user_id
        self._memory = memory
        self._recalled: Recall | None = None
        # How far the thread is deleted, as far as this turn was told.
        self._cutoff: UUID | None = None

    def recall(self) -> Recall:
        """Return history and preferences: from L1 in one round trip, from L2 where L1 does not know all."""
        if self._recalled is None:
            self._recalled = self._recall()
        return self._recalled

    def _recall(self) -> Recall:
        degraded: list[str] = []
        # What only the outbox took is shown, so it has to be on its way, also should L1 have lost its outbox.
        self._memory.pay(self._memory.queue.send)
        cached, has_cache = self._read(self.user_id, degraded)
        messages, source = self._recall_thread(cached, degraded, has_cache=has_cache)
        preferences, preferences_source = self._recall_user(cached, degraded, has_cache=has_cache)
        if not messages and preferences:
            source = preferences_source
        return Recall(messages, preferences, source, degraded)

    def _read(self, user_id: str | None, degraded: list[str]) -> tuple[CacheRead, bool]:
        """Return what L1 holds, and whether it answered."""
        try:
            cached = self._memory.cache.read(self.thread_id, user_id)
        except StoreUnavailable as error:
            _add(degraded, error.layer)
            return CacheRead(), False
        self._memory.set_clock(cached.clock)
        return cached, True

    def _recall_thread(
        self, cached: CacheRead, degraded: list[str], *, has_cache: bool
    ) -> tuple[list[Message], Source]:
        if self.thread_id is None:
            return [], "none"
        self._cutoff = cached.cutoff
        self._memory.observe(self.thread_id, cached.cutoff)
        messages, source = cached.messages, _source("redis", cached.messages)
        if not cached.is_whole:
            messages, source = self._recall_from_archive(self.thread_id, cached, degraded, has_cache=has_cache)
        for message in messages[-1:]:
            self._memory.observe(self.thread_id, message.order)
        return messages, source

    def _recall_from_archive(
        self, thread_id: str, cached: CacheRead, degraded: list[str], *, has_cache: bool
    ) -> tuple[list[Message], Source]:
        """Return what L2 holds, united with L1's list and with what is not drained yet; and refill L1 with it."""
        settings = self._memory.settings
        try:
            window = self._memory.archive.window(thread_id, settings.max_thread_messages)
            is_all_there = True
            if has_cache and cached.is_new:
                is_all_there = self._settle(cached, degraded)
                # Read again: what was drained between the two is in the queue's count no more, nor in the window yet.
                window = self._memory.archive.window(thread_id, settings.max_thread_messages)
        except StoreUnavailable as error:
            _add(degraded, error.layer)
            if not has_cache:
                return [], "none"
            # Not what this process remembers: it may be deleted, and L1 may have forgotten that.
            messages = unite(cached.messages, cached.pending, cached.cutoff, settings)
            return messages, _source("redis", messages)
        self._cutoff = window.cutoff
        self._memory.observe(thread_id, window.cutoff)
        undrained = self._undrained(thread_id, cached, window, degraded)
        if undrained is None:
            undrained, is_all_there = [], False
        messages = unite(cached.messages, [*window.exchanges, *undrained], window.cutoff, settings)
        source = _source("redis" if len(messages) == len(cached.messages) else "postgres", messages)
        if has_cache and is_all_there:
            # Not while something may be missing: a full list, or one marked whole, would not be doubted again.
            refill = replace(window, exchanges=[*window.exchanges, *undrained])
            try:
                self._memory.cache.hydrate(thread_id, refill, cached.lease)
            except StoreUnavailable as error:
                _add(degraded, error.layer)
        return messages, source

    def _undrained(
        self, thread_id: str, cached: CacheRead, window: Window, degraded: list[str]
    ) -> list[Exchange] | None:
        """Return what L1 or this process knows of the thread and L2 does not yet, without what was deleted.

        None if L2 does not say what was deleted.
        """
        known = {exchange.exchange_id for exchange in window.exchanges}
        found: dict[UUID, Exchange] = {}
        for exchange in [*cached.pending, *self._memory.recent(thread_id)]:
            if exchange.exchange_id not in known and (window.cutoff is None or exchange.order > window.cutoff):
                found.setdefault(exchange.exchange_id, exchange)
        # This turn's user too: what is added has to sort after their deletion, which L1 may have forgotten.
        users = {self.user_id, *(exchange.user_id for exchange in found.values())} - {None}
        # Told twice under one such name, an exchange may lie before the window: it has the place of its first telling.
        unplaced = [] if window.is_all else [e for e in found.values() if not is_time_ordered(e.exchange_id)]
        try:
            for exchange in self._memory.archive.stored(unplaced) if unplaced else []:
                found.pop(exchange.exchange_id, None)
            if not users:
                return list(found.values())
            gone = self._memory.archive.user_cutoffs(sorted(user for user in users if user is not None))
        except StoreUnavailable as error:
            _add(degraded, error.layer)
            return None
        own = gone.get(self.user_id or "")
        self._memory.observe(thread_id, own)
        self._cutoff = max((each for each in (self._cutoff, own) if each is not None), default=None)
        return [e for e in found.values() if e.user_id not in gone or e.order > gone[e.user_id]]

    def _settle(self, cached: CacheRead, degraded: list[str]) -> bool:
        """Return whether L2 holds all that L1 may have lost; stop asking once that is certain."""
        is_first = cached.is_emptied and self._memory.archive.note_epoch()
        is_past = self._is_past(cached)
        is_drained = is_past or self._is_drained(cached, degraded)
        if is_drained or cached.is_emptied:
            try:
                # The first L1 there is has lost nothing, unless exchanges wait that it was told of and does not know.
                self._memory.cache.settle(at_once=is_drained and (is_first or is_past), evictions=cached.evictions)
            except StoreUnavailable as error:
                _add(degraded, error.layer)
        return is_drained

    def _is_past(self, cached: CacheRead) -> bool:
        """Return whether L1 was emptied so long ago, and all was well since, that nothing from before still waits."""
        if cached.age is None or cached.age < _MOST_DRAIN_AGE:
            return False
        return self._memory.archive.healthy_seconds() > _MOST_DRAIN_AGE

    def _is_drained(self, cached: CacheRead, degraded: list[str]) -> bool:
        """Return whether nothing waits for the drain, which is given a moment; flag the queue if something does."""
        if cached.has_outbox:
            _add(degraded, "queue")
            return False
        deadline = time.monotonic() + self._memory.patience()
        try:
            while self._memory.queue.depth() > 0:
                if time.monotonic() > deadline:
                    self._memory.lose_patience()
                    _add(degraded, "queue")
                    return False
                time.sleep(_DRAIN_POLL_SECONDS)
        except StoreUnavailable as error:
            _add(degraded, error.layer)
            return False
        return True

    def _recall_user(self, cached: CacheRead, degraded: list[str], *, has_cache: bool) -> tuple[dict[str, str], Source]:
        if self.user_id is None:
            return {}, "none"
        user_id = self.user_id
        if cached.knows_preferences:
            return cached.preferences, _source("redis", cached.preferences)

        def keep(preferences: dict[str, str]) -> None:
            try:
                self._memory.cache.set_preferences(user_id, preferences)
            except StoreUnavailable as error:
                _add(degraded, error.layer)

        try:
            found = self._memory.archive.preferences(user_id, keep if has_cache else None)
        except StoreUnavailable as error:
            _add(degraded, error.layer)
            return cached.preferences, _source("redis", cached.preferences)
        return found, _source("postgres", found)

    def keep(
        self,
        user_message: str,
        assistant_message: str,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | None = None,
    ) -> Receipt:
        """Keep the exchange: on the queue, else in L2, else in L1's outbox; and in L1's list.

        `exchange_id` is the caller's name for it: the same one twice is one exchange. A new one unless given.
        """
        if self.thread_id is None:
            return Receipt(None, "none", cached=False)
        if self._recalled is None:
            # Another sandbox may have told the caller more of the thread than this one has seen, and what is added has
            # to sort after all of it; nor does a list then begin in the middle of its thread.
            cached, has_cache = self._read(None, [])
            self._recall_thread(cached, [], has_cache=has_cache)
        unnamed = Exchange(
            exchange_id=exchange_id or UUID(int=0),
            thread_id=self.thread_id,
            user_id=self.user_id,
            user_message=user_message,
            assistant_message=assistant_message,
            created_at=datetime.fromtimestamp(self._memory.now(), UTC),
            document_ids=tuple(dict.fromkeys(document_ids)),
        )
        if exchange_id is None:
            exchange = self._memory.name(unnamed)
        else:
            exchange = unnamed.with_id(exchange_id, self._memory.date(self.thread_id, exchange_id))
            if self._cutoff is not None and exchange.order <= self._cutoff:
                # By its own id it belongs to what was deleted, and no drain would store it.
                return Receipt(exchange_id, "none", cached=False)
        return self._keep(exchange, is_named=exchange_id is not None)

    def _keep(self, exchange: Exchange, *, is_named: bool, is_second: bool = False) -> Receipt:
        degraded: list[str] = []
        durability = self._make_durable(exchange, degraded)
        cached, cutoff = False, None
        try:
            if durability == "erased":
                cutoff = self._erased_to(exchange)
            else:
                # What nothing else took L1 takes whole, its outbox included, or shows nothing of it.
                cutoff = self._memory.cache.append(
                    exchange, is_drained=durability == "postgres", in_outbox=durability == "none"
                )
                cached = cutoff is None
        except StoreUnavailable as error:
            _add(degraded, error.layer)
            if durability == "postgres":
                self._note_repair(degraded)
            if durability == "none":
                lost = {"exchange_id": str(exchange.exchange_id)}
                _logger.error("no store took an exchange", extra=lost)  # noqa: TRY400 - each store said why before
                return Receipt(exchange.exchange_id, "none", cached=False, degraded=degraded)
        if durability == "none":
            durability = "redis"
            self._memory.owe(exchange)
        if cutoff is not None and not is_second:
            # The thread was deleted up to a time that this process's clock has not reached. What is told after a
            # deletion is a new thread's, so it is kept under an id that says so; the drain drops the first one.
            self._memory.observe(exchange.thread_id, cutoff)
            if not is_named:
                return self._keep(self._memory.name(exchange), is_named=False, is_second=True)
            if not is_time_ordered(exchange.exchange_id):
                dated = exchange.with_id(
                    exchange.exchange_id, self._memory.date(exchange.thread_id, exchange.exchange_id)
                )
                return self._keep(dated, is_named=True, is_second=True)
            return Receipt(exchange.exchange_id, "none", cached=False, degraded=degraded)
        if durability == "erased" or cutoff is not None:
            return Receipt(exchange.exchange_id, "none", cached=False, degraded=degraded)
        self._memory.observe(exchange.thread_id, exchange.order)
        self._memory.remember(exchange)
        return Receipt(exchange.exchange_id, durability, cached, degraded)

    def _erased_to(self, exchange: Exchange) -> UUID | None:
        """Return L2's word on the deletion that overtook the exchange."""
        cutoff = self._memory.archive.window(exchange.thread_id, 1).cutoff
        users = [] if exchange.user_id is None else [exchange.user_id]
        cutoffs = [cutoff, *self._memory.archive.user_cutoffs(users).values()]
        return max((each for each in cutoffs if each is not None), default=None)

    def _note_repair(self, degraded: list[str]) -> None:
        """Have the list compared with L2 once L1 is back: no drain will tell it of what went to L2 directly."""
        if self.thread_id is None:
            return
        try:
            self._memory.archive.note_repairs("thread", [self.thread_id])
        except StoreUnavailable as error:
            _add(degraded, error.layer)

    def _make_durable(self, exchange: Exchange, degraded: list[str]) -> Durability | Literal["erased"]:
        """Return whether the queue or L2 takes the exchange; `erased` if L2 knows of a deletion that is newer."""
        try:
            self._memory.queue.send(exchange)
        except TooLargeForQueue as error:
            _logger.info("exchange goes to postgres directly", extra={"reason": str(error)})
        except StoreUnavailable as error:
            _add(degraded, error.layer)
        else:
            self._memory.pay(self._memory.queue.send)
            return "queue"
        try:
            stored = self._memory.archive.store([exchange])
        except StoreUnavailable as error:
            _add(degraded, error.layer)
        else:
            self._memory.pay(lambda owed: self._memory.archive.store([owed]))
            return "erased" if stored.erased else "postgres"
        return "none"


def unite(
    cached: Sequence[Message], stored: Sequence[Exchange], cutoff: UUID | None, settings: MemorySettings
) -> list[Message]:
    """Return the newest messages of what L1 and L2 hold, each once, without what was deleted."""
    known = {message.exchange_id for message in cached if message.exchange_id is not None}
    others = {exchange.exchange_id: exchange for exchange in reversed(stored) if exchange.exchange_id not in known}
    strangers = [message for message in cached if message.order is None]
    sorted_messages = sorted(
        [message for message in cached if message.order is not None]
        + [side for exchange in others.values() for side in exchange.messages],
        key=_place,
    )
    alive = [message for message in sorted_messages if cutoff is None or (message.order and message.order > cutoff)]
    return (strangers + alive)[-settings.max_thread_messages * 2 :]


def _place(message: Message) -> tuple[int, int, bool]:
    order = message.order.int if message.order else 0
    return order, message.exchange_id.int if message.exchange_id else 0, message.role != "user"


def _source(layer: Source, found: object) -> Source:
    return layer if found else "none"


def _add(degraded: list[str], layer: str) -> None:
    if layer not in degraded:
        degraded.append(layer)
