"""What an agent is told before it answers: from L1 in one round trip, from L2 where L1 does not know all."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from shared.errors import ExchangeNotFound, StoreUnavailable
from shared.ids import is_time_ordered
from shared.memory.context import conversation_text, join_parts, preferences_text
from shared.memory.deletion import deleted_with_users, drained_among, users_in
from shared.memory.ownership import Ownership
from shared.memory.sandbox import Sandbox
from shared.models import Exchange, Message, Source
from shared.settings import MemorySettings
from shared.stores.archive import MessagePosition, Window
from shared.stores.cache import CacheRead

_MOST_DRAIN_SECONDS: Final = 0.5
_DRAIN_POLL_SECONDS: Final = 0.05
# The drain's longest back-off is a minute: what was accepted before this, with all stores up since, is drained.
_MOST_DRAIN_AGE: Final = 150.0


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


class Recaller:
    """Reads for one turn.

    Attributes:
        cutoff: How far the thread is deleted, as far as this turn was told.
        deleted: Which of its exchanges are deleted, likewise.
    """

    def __init__(
        self, sandbox: Sandbox, thread_id: str | None, user_id: str | None, ownership: Ownership | None = None
    ) -> None:
        self.thread_id = thread_id
        self.cutoff: UUID | None = None
        self.deleted: frozenset[UUID] = frozenset()
        self._memory = sandbox
        self._user_id = user_id
        self._ownership = ownership
        self._user_cutoffs: dict[str, UUID] = {}

    @property
    def user_id(self) -> str | None:
        """Who the turn is of; where a trusted caller joins a thread's owner, the owner from the first look on."""
        return self._user_id if self._ownership is None else self._ownership.user_id

    def recall(self) -> Recall:
        """Return history and preferences.

        Raises:
            ThreadNotFound: The thread has to be this user's, and is another's.
            StoreUnavailable: It has to be, and nobody can say whose it is.
        """
        degraded: list[str] = []
        # What only the outbox took is shown, so it has to be on its way, also should L1 have lost its outbox.
        self._memory.pay(self._memory.queue.send)
        asked_of = self.user_id
        cached, has_cache = self._read(self.thread_id, asked_of, degraded)
        messages, source = self._recall_thread(cached, degraded, has_cache=has_cache)
        if self.user_id != asked_of:
            # The thread is another's, whose turn this is: nothing of who asks may stand in it.
            cached, has_cache = self._read(None, self.user_id, degraded)
        preferences, preferences_source = self._recall_user(cached, degraded, has_cache=has_cache)
        if not messages and preferences:
            source = preferences_source
        return Recall(messages, preferences, source, degraded)

    def catch_up(self) -> None:
        """Learn how far the thread has got, without the user's preferences, and have its list refilled."""
        cached, has_cache = self._read(self.thread_id, None, [])
        self._recall_thread(cached, [], has_cache=has_cache)

    def before(self, exchange_id: UUID, recall: Recall) -> Recall:
        """Return what the memory holds of the time before an exchange of the thread.

        Raises:
            ExchangeNotFound: The thread has no such exchange.
            StoreUnavailable: PostgreSQL did not answer, and the window does not hold the exchange.
        """
        thread_id, most = self.thread_id or "", 2 * self._memory.settings.max_thread_messages
        order = next((message.order for message in recall.messages if message.exchange_id == exchange_id), None)
        is_shown = order is not None
        if order is None:
            found = self._memory.archive.exchange(thread_id, exchange_id)
            if found is None:
                raise ExchangeNotFound(str(exchange_id))
            order = found.order
        earlier = [message for message in recall.messages if message.order is not None and message.order < order]
        degraded = list(recall.degraded)
        if not is_shown or len(recall.messages) >= most:
            # The window reaches back from the thread's end, not from this exchange.
            try:
                stored = self._memory.archive.messages(thread_id, most, MessagePosition(order, 0), descending=True)
            except StoreUnavailable as error:
                if not is_shown:
                    raise
                add_layer(degraded, error.layer)
                stored = []
            shown = {message.exchange_id for message in earlier}
            older = [message for message in reversed(stored) if message.exchange_id not in shown]
            earlier = sorted([*older, *earlier], key=_place)[-most:]
        source = recall.source if earlier or recall.preferences else "none"
        return replace(recall, messages=earlier, degraded=degraded, source=source)

    def _read(self, thread_id: str | None, user_id: str | None, degraded: list[str]) -> tuple[CacheRead, bool]:
        """Return what L1 holds, and whether it answered."""
        try:
            cached = self._memory.cache.read(thread_id, user_id)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return CacheRead(), False
        if cached.refuses_writes:
            add_layer(degraded, "redis")
        self._memory.set_clock(cached.clock)
        return cached, True

    def _recall_thread(
        self, cached: CacheRead, degraded: list[str], *, has_cache: bool
    ) -> tuple[list[Message], Source]:
        if self.thread_id is None:
            return [], "none"
        if self._ownership is not None:
            cached = self._ownership.admit(cached, has_cache=has_cache)
        self.cutoff, self.deleted = cached.cutoff, cached.deleted
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
            if has_cache and cached.is_new and not cached.refuses_writes:
                is_all_there = self._settle(cached, degraded)
                # Read again: what was drained between the two is in the queue's count no more, nor in the window yet.
                window = self._memory.archive.window(thread_id, settings.max_thread_messages)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            if not has_cache:
                return [], "none"
            # Not what this process remembers, nor what an older L1 came back with: it may be deleted.
            held = [each for each in cached.messages if cached.vouches_for(each.created_at)]
            pending = [each for each in cached.pending if cached.vouches_for(each.created_at)]
            messages = unite(held, pending, cached.cutoff, settings)
            return messages, _source("redis", messages)
        if self._ownership is not None:
            self._ownership.check(window)
        self.cutoff, self.deleted = window.cutoff, self.deleted | window.deleted
        self._memory.observe(thread_id, window.cutoff)
        found = self._undrained(thread_id, cached, window, degraded)
        undrained, drained = found or ([], [])
        is_all_there = is_all_there and found is not None
        window = replace(window, deleted=window.deleted | deleted_with_users(cached, self._user_cutoffs))
        stored = [*window.exchanges, *undrained]
        messages = unite(cached.messages, stored, window.cutoff, settings, window.deleted)
        source = _source("redis" if messages == cached.messages else "postgres", messages)
        if has_cache and not cached.refuses_writes and (is_all_there or window.cutoff or window.deleted):
            # Not while something may be missing: a list that is sealed is not doubted again.
            read = cached if is_all_there else replace(cached, token=None)
            try:
                self._memory.cache.refill(thread_id, replace(window, exchanges=stored), read, drained)
            except StoreUnavailable as error:
                add_layer(degraded, error.layer)
        return messages, source

    def _undrained(
        self, thread_id: str, cached: CacheRead, window: Window, degraded: list[str]
    ) -> tuple[list[Exchange], list[Exchange]] | None:
        """Return what L1 or this process knows of the thread and L2 does not yet, without what was deleted.

        And what L1 holds for the drain although L2 has it, as an older Redis does that came back. None if L2 does not
        say what was deleted.
        """
        known = {exchange.exchange_id: exchange.revision for exchange in window.exchanges}
        found: dict[UUID, Exchange] = {}
        accepted = [*cached.pending, *self._memory.recent(thread_id)]
        for exchange in accepted if self._ownership is None else self._ownership.only(accepted):
            if window.has_deleted(exchange.exchange_id, exchange.order):
                continue
            if exchange.revision > known.get(exchange.exchange_id, -1):
                known[exchange.exchange_id] = exchange.revision
                found[exchange.exchange_id] = exchange
        # This turn's user too: what is added has to sort after their deletion, which L1 may have forgotten.
        users = {self.user_id, *users_in(cached), *(exchange.user_id for exchange in found.values())} - {None}
        first = window.exchanges[0].order if window.exchanges else None
        # Told twice under one such name, an exchange may lie before the window: it has the place of its first telling.
        # One that was replaced has kept it.
        unplaced = [
            e
            for e in found.values()
            if not window.is_all
            and ((not is_time_ordered(e.exchange_id) and not e.revision) or (first is not None and e.order < first))
        ]
        drained = drained_among(cached.pending, window.exchanges)
        try:
            before_window = self._memory.archive.stored(unplaced) if unplaced else []
            drained += drained_among(cached.pending, before_window)
            for exchange in before_window:
                if exchange.revision >= found[exchange.exchange_id].revision:
                    found.pop(exchange.exchange_id)
            if not users:
                return list(found.values()), drained
            gone = self._memory.archive.user_cutoffs(sorted(user for user in users if user is not None))
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return None
        self._user_cutoffs = gone
        own = gone.get(self.user_id or "")
        self._memory.observe(thread_id, own)
        self.cutoff = max((each for each in (self.cutoff, own) if each is not None), default=None)
        return [e for e in found.values() if e.user_id not in gone or e.order > gone[e.user_id]], drained

    def _settle(self, cached: CacheRead, degraded: list[str]) -> bool:
        """Return whether L2 holds all that L1 may have lost; stop asking once that is certain."""
        is_first = cached.is_emptied and self._memory.archive.note_epoch()
        is_past = self._is_past(cached)
        is_drained = is_past or self._is_drained(cached, degraded)
        if is_drained or cached.is_emptied:
            try:
                # The first L1 there is has lost nothing, unless exchanges wait that it was told of and does not know.
                self._memory.cache.settle(
                    at_once=is_drained and (is_first or is_past),
                    is_first=is_drained and is_first,
                    evictions=cached.evictions,
                )
            except StoreUnavailable as error:
                add_layer(degraded, error.layer)
        return is_drained

    def _is_past(self, cached: CacheRead) -> bool:
        """Return whether L1 was emptied so long ago, and all was well since, that nothing from before still waits."""
        if cached.age is None or cached.age < _MOST_DRAIN_AGE:
            return False
        return self._memory.archive.healthy_seconds() > _MOST_DRAIN_AGE

    def _is_drained(self, cached: CacheRead, degraded: list[str]) -> bool:
        """Return whether nothing waits for the drain, which is given a moment; flag the queue if something does."""
        if cached.has_outbox:
            add_layer(degraded, "queue")
            return False
        deadline = time.monotonic() + _MOST_DRAIN_SECONDS
        try:
            while self._memory.queue.depth() > 0:
                if time.monotonic() > deadline:
                    add_layer(degraded, "queue")
                    return False
                time.sleep(_DRAIN_POLL_SECONDS)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
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
                add_layer(degraded, error.layer)

        try:
            takes_writes = has_cache and not cached.refuses_writes
            found = self._memory.archive.preferences(user_id, keep if takes_writes else None)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return cached.preferences, _source("redis", cached.preferences)
        return found, _source("postgres", found)


def unite(
    cached: Sequence[Message],
    stored: Sequence[Exchange],
    cutoff: UUID | None,
    settings: MemorySettings,
    deleted: Collection[UUID] = (),
) -> list[Message]:
    """Return the newest messages of what L1 and L2 hold, each once, without what was deleted or replaced."""
    known = {message.exchange_id: message.revision for message in cached if message.exchange_id is not None}
    others: dict[UUID, Exchange] = {}
    for exchange in stored:
        shown = known.get(exchange.exchange_id, -1)
        # Of two with one revision, L2's stays: it comes first in `stored`.
        is_newer = exchange.revision > shown or exchange.revision == shown > 0
        if is_newer and exchange.revision > _revision_of(others.get(exchange.exchange_id)):
            others[exchange.exchange_id] = exchange
    strangers = [message for message in cached if message.order is None]
    sorted_messages = sorted(
        [message for message in cached if message.order is not None and message.exchange_id not in others]
        + [side for exchange in others.values() for side in exchange.messages],
        key=_place,
    )
    alive = [
        message
        for message in sorted_messages
        if message.exchange_id not in deleted and (cutoff is None or (message.order and message.order > cutoff))
    ]
    return (strangers + alive)[-settings.max_thread_messages * 2 :]


def _revision_of(exchange: Exchange | None) -> int:
    return -1 if exchange is None else exchange.revision


def _place(message: Message) -> tuple[int, int, bool]:
    order = message.order.int if message.order else 0
    return order, message.exchange_id.int if message.exchange_id else 0, message.role != "user"


def _source(layer: Source, found: object) -> Source:
    return layer if found else "none"


def add_layer(degraded: list[str], layer: str) -> None:
    """Note that a layer did not answer."""
    if layer not in degraded:
        degraded.append(layer)
