"""In-memory twins of the stores, for tests: this project's, and those of programs that use it.

They keep to the protocols in `base.py`, not to any server: no time to live, no network, one process. Each has
`is_down`, which makes every call raise `StoreUnavailable` as the real store does, and `calls`, the names of the methods
that were called.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from shared.errors import StoreUnavailable, TooLargeForQueue
from shared.models import Exchange, Message, SearchHit, Thread, title_of
from shared.settings import MemorySettings
from shared.stores.base import (
    LEASE_SECONDS,
    CacheRead,
    KeyState,
    MessagePosition,
    Repair,
    RepairKind,
    StoreResult,
    Window,
)
from shared.stores.redis_entries import decode, encode, is_first

_HEAD: Final = re.compile(rb'\{"exchange_id":"([0-9a-f-]+)","order":"([0-9a-f-]+)","created_at":"([^"]+)"')
_FIRST: Final = b',"first":true}'
_MOST_BYTES: Final = 1_048_576 - 4_096


def merge(
    entries: Sequence[bytes],
    exchanges: Iterable[Exchange] = (),
    *,
    most: int,
    only_existing: bool = False,
    mark: Literal["whole", "unknown", ""] = "",
    cutoff: UUID | None = None,
) -> list[bytes]:
    """Return what `merge.lua` makes of a list: the plain model that the script is checked against.

    Args:
        entries: The list, oldest first.
        exchanges: What to merge into it.
        most: The most messages to keep.
        only_existing: Whether to leave an empty list alone.
        mark: As the script's: `whole`, `unknown` or ''.
        cutoff: Order key up to which everything is dropped.
    """
    if only_existing and not entries:
        return []
    strangers: list[bytes] = []
    pairs: dict[str, tuple[str, str, list[bytes]]] = {}
    for entry in entries:
        head = _HEAD.match(entry)
        if head is None:
            strangers.append(entry)
        else:
            exchange_id, order, created_at = (part.decode() for part in head.groups())
            pairs.setdefault(exchange_id, (order, created_at, []))[2].append(entry)
    for exchange in exchanges:
        user, assistant = encode(exchange)
        head = _HEAD.match(user)
        if head is None:
            raise ValueError("an entry of this project's making has no head")
        exchange_id, order, created_at = (part.decode() for part in head.groups())
        if exchange_id not in pairs or created_at < pairs[exchange_id][1]:
            pairs[exchange_id] = (order, created_at, [user, assistant])
    in_order = sorted((order, exchange_id, sides) for exchange_id, (order, _, sides) in pairs.items())
    if cutoff is not None:
        strangers = []
        in_order = [pair for pair in in_order if pair[0] > str(cutoff)]
    merged = (strangers + [entry for _, _, sides in in_order for entry in sides])[-most:]
    return _marked(merged, mark, most)


def _marked(entries: list[bytes], mark: str, most: int) -> list[bytes]:
    if entries and mark == "whole" and not is_first(entries[0]) and len(entries) < most:
        return [entries[0][:-1] + _FIRST, *entries[1:]]
    if entries and mark == "unknown" and is_first(entries[0]):
        return [entries[0].removesuffix(_FIRST) + b"}", *entries[1:]]
    return entries


class _Twin:
    """A store that can be switched off."""

    layer: str

    def __init__(self) -> None:
        self.is_down = False
        self.calls: list[str] = []

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        if self.is_down:
            raise StoreUnavailable(self.layer, "switched off")

    def ping(self) -> None:
        """Return if it is not down."""
        self._begin("ping")


class InMemoryCache(_Twin):
    """L1's twin.

    Attributes:
        lists: The entries of each thread, oldest first.
        hashes: The preferences of each user, also of one known to have none.
        pending: What of each thread is not drained yet, as far as the cache knows.
        outbox_bodies: Wire forms of exchanges that nothing else took.
        is_settled: Whether the queue was seen empty since the cache was; see `CacheRead.is_new`.
    """

    layer = "redis"

    def __init__(self, settings: MemorySettings | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._most = (settings or MemorySettings()).max_thread_messages * 2
        self.lists: dict[str, list[bytes]] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.pending: dict[str, dict[UUID, Exchange]] = {}
        self.outbox_bodies: list[str] = []
        self.is_settled = False
        self._has_begun = False
        self.thread_cutoffs: dict[str, UUID] = {}
        self.user_cutoffs: dict[str, UUID] = {}
        self._threads_of: dict[str, dict[str, None]] = {}
        # Threads that L2 was seen not to know: their first exchange makes a whole list.
        self._claims: set[str] = set()
        # What may have missed a change while the cache was down; and exchanges that did.
        self._doubted: set[str] = set()
        self._late: list[Exchange] = []

    def lose_everything(self) -> None:
        """Do what a restart of Redis does."""
        for kept in (
            self.lists,
            self.hashes,
            self.pending,
            self.outbox_bodies,
            self.thread_cutoffs,
            self.user_cutoffs,
            self._threads_of,
            self._claims,
        ):
            kept.clear()
        self.is_settled = self._has_begun = False

    def lose_thread(self, thread_id: str) -> None:
        """Do what the end of a list's time to live does, or its eviction."""
        self.lists.pop(thread_id, None)

    def contents(self, thread_id: str) -> list[tuple[str, str]]:
        """Return role and content of the thread's list."""
        found = [decode(entry) for entry in self.lists.get(thread_id, [])]
        return [(message.role, message.content) for message in found if message is not None]

    def _begin(self, call: str) -> None:
        if self.is_down:
            self._doubted.update(f"thread:{name}" for name in self.lists)
            self._doubted.update(f"user:{name}" for name in self.hashes)
        super()._begin(call)
        late, self._late = self._late, []
        for exchange in late:
            self._merge(exchange.thread_id, [exchange])

    def _merge(
        self,
        thread_id: str,
        exchanges: Sequence[Exchange] = (),
        *,
        only_existing: bool = False,
        mark: Literal["whole", "unknown", ""] = "",
        cutoff: UUID | None = None,
    ) -> None:
        merged = merge(
            self.lists.get(thread_id, []),
            exchanges,
            most=self._most,
            only_existing=only_existing,
            mark=mark,
            cutoff=cutoff,
        )
        if merged:
            self.lists[thread_id] = merged
        else:
            self.lists.pop(thread_id, None)

    def read(self, thread_id: str | None, user_id: str | None) -> CacheRead:
        """Read a thread's window and a user's preferences."""
        if thread_id is None and user_id is None:
            return CacheRead()
        self._begin("read")
        is_emptied, self._has_begun = not self._has_begun, True
        entries = self.lists.get(thread_id or "", [])[-self._most :]
        decoded = [decode(entry) for entry in entries]
        messages = [message for message in decoded if message is not None]
        return CacheRead(
            messages=messages,
            is_whole=len(messages) == len(entries) > 0
            and (len(entries) >= self._most or is_first(entries[0]))
            and f"thread:{thread_id}" not in self._doubted,
            cutoff=self.thread_cutoffs.get(thread_id or ""),
            preferences=dict(self.hashes.get(user_id or "", {})),
            knows_preferences=user_id in self.hashes and f"user:{user_id}" not in self._doubted,
            pending=list(self.pending.get(thread_id or "", {}).values()),
            is_new=not self.is_settled,
            is_emptied=is_emptied,
            clock=self._clock(),
        )

    def append(self, exchange: Exchange, *, is_drained: bool) -> UUID | None:
        """Merge one new exchange; return the deletion that overtook it, if one did."""
        try:
            self._begin("append")
        except StoreUnavailable:
            self._late.append(exchange)
            raise
        thread_id, user_id = exchange.thread_id, exchange.user_id
        if user_id is not None:
            self._threads_of.setdefault(user_id, {})[thread_id] = None
        cutoffs = [self.thread_cutoffs.get(thread_id), self.user_cutoffs.get(user_id or "")]
        overtaken = [cutoff for cutoff in cutoffs if cutoff is not None and cutoff >= exchange.order]
        is_new = thread_id in self._claims
        self._claims.discard(thread_id)
        if overtaken:
            self._merge(thread_id, only_existing=True, cutoff=max(overtaken))
            return max(overtaken)
        self._merge(thread_id, [exchange], mark="whole" if is_new else "")
        if not is_drained:
            self.pending.setdefault(thread_id, {})[exchange.exchange_id] = exchange
        return None

    def hydrate(self, thread_id: str, window: Window) -> None:
        """Merge what L2 holds."""
        self._begin("hydrate")
        if window.cutoff is not None:
            self.thread_cutoffs[thread_id] = window.cutoff
        if not window.exchanges:
            self._claims.add(thread_id)
        self._merge(
            thread_id,
            window.exchanges,
            only_existing=not window.exchanges,
            mark="whole" if window.is_all else "",
            cutoff=window.cutoff,
        )
        self._doubted.discard(f"thread:{thread_id}")

    def repair_thread(self, thread_id: str, window: Window) -> None:
        """Merge what L2 holds into the list if there is one."""
        self._begin("repair_thread")
        if window.cutoff is not None:
            self.thread_cutoffs[thread_id] = window.cutoff
        self._merge(thread_id, window.exchanges, only_existing=True, cutoff=window.cutoff)

    def merge_stored(self, exchanges: Sequence[Exchange]) -> None:
        """Merge what L2 just took into the lists that exist."""
        self._begin("merge_stored")
        for exchange in exchanges:
            self.pending.get(exchange.thread_id, {}).pop(exchange.exchange_id, None)
            cutoff = self.thread_cutoffs.get(exchange.thread_id)
            if cutoff is None or exchange.order > cutoff:
                self._merge(exchange.thread_id, [exchange], only_existing=True)

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Make the user's hash hold exactly these."""
        self._begin("set_preferences")
        self.hashes[user_id] = dict(preferences)
        self._doubted.discard(f"user:{user_id}")

    def forget_thread(self, thread_id: str, cutoff: UUID) -> None:
        """Remove the thread's list and remember the deletion."""
        self._begin("forget_thread")
        self.thread_cutoffs[thread_id] = cutoff
        self.lists.pop(thread_id, None)
        self.pending.pop(thread_id, None)
        self._claims.discard(thread_id)

    def forget_user(self, user_id: str, cutoff: UUID) -> None:
        """Remove the user's hash and remember the deletion."""
        self._begin("forget_user")
        self.user_cutoffs[user_id] = cutoff
        self.hashes.pop(user_id, None)
        self._threads_of.pop(user_id, None)

    def threads_of(self, user_id: str) -> list[str]:
        """Return the threads the user wrote to."""
        self._begin("threads_of")
        return list(self._threads_of.get(user_id, {}))

    def push_outbox(self, exchange: Exchange) -> None:
        """Keep an exchange for later."""
        self._begin("push_outbox")
        self.outbox_bodies.append(exchange.to_wire())

    def outbox(self, limit: int) -> list[str]:
        """Return the oldest wire bodies in the outbox."""
        self._begin("outbox")
        return self.outbox_bodies[:limit]

    def remove_from_outbox(self, bodies: Sequence[str]) -> None:
        """Remove bodies that are kept elsewhere now."""
        self._begin("remove_from_outbox")
        for body in bodies:
            if body in self.outbox_bodies:
                self.outbox_bodies.remove(body)

    def settle(self, *, at_once: bool) -> None:  # noqa: ARG002 - no count here is approximate
        """Remember that the queue was seen empty since the cache was."""
        self._begin("settle")
        self.is_settled = True

    def clock(self) -> float:
        """Return Unix seconds."""
        self._begin("clock")
        return self._clock()


@dataclass(slots=True)
class _Conversation:
    row_id: UUID
    user_id: str | None
    title: str
    first_order: UUID
    created_at: datetime
    updated_at: datetime
    title_is_fixed: bool = False
    exchanges: dict[UUID, Exchange] = field(default_factory=dict)
    documents: dict[str, None] = field(default_factory=dict)

    def in_order(self) -> list[Exchange]:
        return sorted(self.exchanges.values(), key=lambda exchange: (exchange.order, exchange.exchange_id))


class InMemoryArchive(_Twin):
    """L2's twin."""

    layer = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self._conversations: dict[str, _Conversation] = {}
        self._preferences: dict[str, dict[str, str]] = {}
        self.thread_cutoffs: dict[str, UUID] = {}
        self.user_cutoffs: dict[str, UUID] = {}
        self._repairs: dict[tuple[RepairKind, str], datetime] = {}
        self._epochs = 0
        self._rows = 0

    def exchanges(self, thread_id: str) -> list[Exchange]:
        """Return the thread's exchanges in order."""
        found = self._conversations.get(thread_id)
        return found.in_order() if found else []

    def window(self, thread_id: str, limit: int) -> Window:
        """Return the newest `limit` exchanges."""
        self._begin("window")
        found = self.exchanges(thread_id)
        return Window(found[-limit:], len(found) <= limit, self.thread_cutoffs.get(thread_id))

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store a batch, idempotently."""
        self._begin("store")
        stored, erased = 0, 0
        effective: dict[tuple[str, UUID], Exchange] = {}
        for exchange in exchanges:
            cutoffs = [self.thread_cutoffs.get(exchange.thread_id), self.user_cutoffs.get(exchange.user_id or "")]
            if any(cutoff is not None and exchange.order <= cutoff for cutoff in cutoffs):
                erased += 1
                continue
            stored += self._store(exchange)
            thread = self._conversations[exchange.thread_id]
            effective[exchange.thread_id, exchange.exchange_id] = thread.exchanges[exchange.exchange_id]
        return StoreResult(stored, len(exchanges) - erased - stored, erased, list(effective.values()))

    def _store(self, exchange: Exchange) -> bool:
        """Store an exchange and return whether it is new."""
        title = title_of(exchange.user_message)
        thread = self._conversations.get(exchange.thread_id)
        if thread is None:
            self._rows += 1
            moments = exchange.created_at, exchange.created_at
            thread = _Conversation(UUID(int=self._rows), exchange.user_id, title, exchange.order, *moments)
            self._conversations[exchange.thread_id] = thread
        elif exchange.order < thread.first_order:
            thread.first_order, thread.user_id = exchange.order, exchange.user_id
            thread.title = thread.title if thread.title_is_fixed else title
        thread.created_at = min(thread.created_at, exchange.created_at)
        thread.updated_at = max(thread.updated_at, exchange.created_at)
        thread.documents.update(dict.fromkeys(exchange.document_ids))
        known = thread.exchanges.get(exchange.exchange_id)
        if known is None or exchange.created_at < known.created_at:
            thread.exchanges[exchange.exchange_id] = exchange
        return known is None

    def preferences(self, user_id: str, then: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        """Return the preferences, and give them to `then`."""
        self._begin("preferences")
        found = dict(self._preferences.get(user_id, {}))
        if then is not None:
            then(found)
        return found

    def change_preferences(
        self,
        user_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        then: Callable[[dict[str, str]], None],
    ) -> dict[str, str]:
        """Set (or with None remove) preferences, return all, and give them to `then`."""
        self._begin("change_preferences")
        changed = {} if replace else dict(self._preferences.get(user_id, {}))
        for key, value in changes.items():
            if value is None:
                changed.pop(key, None)
            else:
                changed[key] = value
        self._preferences[user_id] = changed
        then(dict(changed))
        return dict(changed)

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with its documents."""
        self._begin("thread")
        return self._thread(thread_id)

    def _thread(self, thread_id: str) -> Thread | None:
        found = self._conversations.get(thread_id)
        if found is None:
            return None
        return Thread(
            thread_id,
            found.user_id,
            found.title,
            found.created_at,
            found.updated_at,
            2 * len(found.exchanges),
            tuple(found.documents),
        )

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return threads newest first, each with its place in that order."""
        self._begin("threads")
        found = [
            (replace(thread, document_ids=None), (kept.updated_at, kept.row_id))
            for thread_id, kept in self._conversations.items()
            if kept.user_id == user_id and (thread := self._thread(thread_id)) is not None
        ]
        found.sort(key=lambda item: item[1], reverse=True)
        return [item for item in found if before is None or item[1] < before][:limit]

    def messages(self, thread_id: str, limit: int, after: MessagePosition | None, *, descending: bool) -> list[Message]:
        """Return a page of messages in thread order, or in reverse."""
        self._begin("messages")
        placed = [
            ((exchange.order, position), message)
            for exchange in self.exchanges(thread_id)
            for position, message in enumerate(exchange.messages)
        ]
        if descending:
            placed.reverse()
        if after is not None:
            start = (after.order, after.position)
            placed = [item for item in placed if (item[0] < start if descending else item[0] > start)]
        return [message for _, message in placed[:limit]]

    def rename(self, thread_id: str, title: str) -> Thread | None:
        """Title the thread for good."""
        self._begin("rename")
        if thread_id in self._conversations:
            self._conversations[thread_id].title = title
            self._conversations[thread_id].title_is_fixed = True
        return self._thread(thread_id)

    def forget_thread(self, thread_id: str, cutoff: UUID) -> tuple[bool, UUID]:
        """Delete the thread and remember it; return whether there was one, and up to which order key it is gone."""
        self._begin("forget_thread")
        return self._forget_thread(thread_id, cutoff)

    def _forget_thread(self, thread_id: str, cutoff: UUID) -> tuple[bool, UUID]:
        orders = [exchange.order for exchange in self.exchanges(thread_id)]
        cutoff = max([cutoff, self.thread_cutoffs.get(thread_id, cutoff), *orders])
        self.thread_cutoffs[thread_id] = cutoff
        return self._conversations.pop(thread_id, None) is not None, cutoff

    def forget_user(self, user_id: str, cutoff: UUID, also: Sequence[str]) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `also` that are nobody else's, and the preferences."""
        self._begin("forget_user")
        owned = [name for name, kept in self._conversations.items() if kept.user_id == user_id]
        strays = [name for name in also if name not in self._conversations]
        gone = {name: self._forget_thread(name, cutoff)[1] for name in [*owned, *strays]}
        self._preferences.pop(user_id, None)
        cutoff = max([cutoff, self.user_cutoffs.get(user_id, cutoff), *(gone[name] for name in owned)])
        self.user_cutoffs[user_id] = cutoff
        return cutoff, gone

    def note_epoch(self) -> bool:
        """Remember that L1 was found empty; return whether that was the first time."""
        self._begin("note_epoch")
        self._epochs += 1
        return self._epochs == 1

    def note_repairs(self, kind: RepairKind, ids: Sequence[str]) -> None:
        """Remember threads or users whose change L1 did not hear of."""
        self._begin("note_repairs")
        for name in ids:
            self._repairs[kind, name] = datetime.now(UTC)

    def repairs(self, limit: int) -> list[Repair]:
        """Return the oldest of what `note_repairs` remembered."""
        self._begin("repairs")
        noted = [Repair(kind, name, noted_at) for (kind, name), noted_at in self._repairs.items()]
        return sorted(noted, key=lambda repair: repair.noted_at)[:limit]

    def repaired(self, repair: Repair) -> None:
        """Forget a repair, unless it was noted again meanwhile."""
        self._begin("repaired")
        if self._repairs.get((repair.kind, repair.id)) == repair.noted_at:
            del self._repairs[repair.kind, repair.id]

    def search(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> list[SearchHit]:
        """Return the user's messages that hold any of the query's words, best first."""
        self._begin("search")
        words = {word.lower() for word in re.findall(r"\w{3,}", query)}
        found = []
        for thread_id, kept in self._conversations.items():
            if kept.user_id != user_id or thread_id == exclude_thread:
                continue
            for exchange in kept.in_order():
                for side in exchange.messages:
                    hits = sum(word in side.content.lower() for word in words)
                    hit = SearchHit(thread_id, kept.title, side.role, side.content, exchange.created_at)
                    found.append(((hits, exchange.order), hit))
        found.sort(key=lambda item: item[0], reverse=True)
        return [hit for (hits, _), hit in found if hits][:limit]


class InMemoryQueue(_Twin):
    """The exchange queue's twin.

    Attributes:
        bodies: The messages that were sent and not taken, oldest first.
    """

    layer = "queue"

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def send(self, exchange: Exchange) -> None:
        """Put an exchange on the queue.

        Raises:
            TooLargeForQueue: The message is over what SQS takes.
        """
        body = exchange.to_wire()
        if len(body.encode()) > _MOST_BYTES:
            raise TooLargeForQueue(f"{len(body.encode())} bytes")
        self._begin("send")
        self.bodies.append(body)

    def depth(self) -> int:
        """Return how many messages wait."""
        self._begin("depth")
        return len(self.bodies)

    def take(self) -> list[Exchange]:
        """Return what is on the queue and empty it."""
        taken, self.bodies = self.bodies, []
        return [Exchange.from_wire(body) for body in taken]


class InMemoryKeys(_Twin):
    """A layer's idempotency keys.

    Attributes:
        states: What is known of each key.
    """

    def __init__(self, layer: str = "redis", clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.layer = layer
        self.states: dict[str, KeyState] = {}
        self._claimed_at: dict[str, float] = {}
        self._clock = clock

    def claim(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Claim the key, take over a claim whose holder fell silent, or say what is known of it."""
        self._begin("claim")
        known = self.states.get(key)
        if known is None:
            known = self.states[key] = KeyState(body_hash, exchange_id, None, is_claimed=False)
        elif known.answer is not None or self._clock() - self._claimed_at[key] < LEASE_SECONDS:
            return known
        self._claimed_at[key] = self._clock()
        return replace(known, is_claimed=True)

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Remember the answer."""
        self._begin("answer")
        self.states[key] = KeyState(body_hash, exchange_id, answer, is_claimed=False)

    def release(self, key: str) -> None:
        """Forget a claim without an answer."""
        self._begin("release")
        if key in self.states and self.states[key].answer is None:
            del self.states[key]
