"""Redis (L1) in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from shared.cutoffs import is_deleted, is_reached
from shared.errors import StoreUnavailable
from shared.models import Exchange, Message
from shared.settings import MemorySettings
from shared.stores.archive import Window
from shared.stores.cache import CacheAppendResult, CacheRead, CacheState
from shared.stores.redis.entries import decode, decode_list, is_sealed, token_of, without_placeholder
from shared.testing.memories import InMemoryMemories
from shared.testing.merge import add_token, merge, set_tombstone

_READ_ID: Final = "0"


class InMemoryCache(InMemoryMemories):
    """L1 in memory.

    Attributes:
        lists: The entries of each thread, oldest first.
        hashes: The preferences of each user, including users known to have none.
        lost_at: See `CacheState.lost_at`.
    """

    layer = "redis"

    def __init__(self, settings: MemorySettings | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._max_messages = (settings or MemorySettings()).max_thread_messages * 2
        self.lists: dict[str, list[bytes]] = {}
        self.hashes: dict[str, dict[str, str]] = {}
        self.lost_at: float | None = None
        # A seal is valid in one generation. An outage ends the generation. `_missed` has the exchanges that were not
        # appended because of the outage.
        self._generation = 1
        self._has_failed = False
        self._preferences_generations: dict[str, str] = {}
        self._missed: list[tuple[Exchange, bool]] = []

    @property
    def generation(self) -> str:
        """The name of the generation."""
        return str(self._generation)

    def lose_everything(self) -> None:
        """Simulate a restart of Redis."""
        for store in (
            self.lists,
            self.hashes,
            self.undrained,
            self.outbox_bodies,
            self.deleted_threads,
            self.deleted_users,
            self.deleted_exchanges,
            self._threads_of,
            self._preferences_generations,
            self.memories,
        ):
            store.clear()
        # Redis may have lost the deletions of these exchanges, too.
        self._missed.clear()
        self._generation += 1
        self.lost_at = None

    def lose_thread(self, thread_id: str) -> None:
        """Simulate the expiry of a list, or its eviction."""
        self.lists.pop(thread_id, None)

    def contents(self, thread_id: str) -> list[tuple[str, str]]:
        """Return role and content of the thread's messages."""
        messages = [decode(entry) for entry in without_placeholder(self.lists.get(thread_id, []))]
        return [(message.role, message.content) for message in messages if message is not None]

    def record_call(self, call: str) -> None:
        """Record the call; after an outage, start a generation and merge the missed exchanges."""
        self._has_failed = self._has_failed or self.is_down
        super().record_call(call)
        if self._has_failed:
            self._has_failed = False
            self._generation += 1
        missed, self._missed = self._missed, []
        for exchange, is_drained in missed:
            self._append(exchange, is_drained=is_drained)

    def _merge(
        self,
        thread_id: str,
        exchanges: Sequence[Exchange] = (),
        *,
        refill: tuple[str, str, str] | None = None,
        cutoff: UUID | None = None,
        deleted: Collection[UUID] = (),
        is_stored: bool = False,
    ) -> None:
        merged = merge(
            self.lists.get(thread_id, []),
            exchanges,
            max_messages=self._max_messages,
            refill=refill,
            cutoff=cutoff,
            deleted=deleted,
            is_stored=is_stored,
        )
        if merged is None:
            return
        if merged:
            self.lists[thread_id] = merged
        else:
            self.lists.pop(thread_id, None)

    def read(self, thread_id: str | None, user_id: str | None, *, has_memories: bool = False) -> CacheRead:
        """Read a thread's window, and a user's preferences and memories."""
        if thread_id is None and user_id is None:
            return CacheRead()
        self.record_call("read")
        if thread_id is not None:
            self.lists[thread_id] = add_token(
                self.lists.get(thread_id, []), self._max_messages, self.generation, _READ_ID
            )
        read = self._read(thread_id, user_id, omits_undrained=True)
        return replace(read, memories=self._memories(user_id, thread_id) if has_memories else None)

    def _read(self, thread_id: str | None, user_id: str | None, *, omits_undrained: bool = False) -> CacheRead:
        listed = self.lists.get(thread_id or "", [])[-self._max_messages :]
        entries = without_placeholder(listed)
        deleted = frozenset(self.deleted_exchanges.get(thread_id or "", ()))
        messages = decode_list(entries).without(None, deleted)
        sealed = len(messages) == len(entries) and is_sealed(listed, self._max_messages, self.generation)
        return CacheRead(
            messages=messages,
            is_sealed=sealed,
            token=token_of(listed),
            undrained=[] if omits_undrained and sealed else list(self.undrained.get(thread_id or "", {}).values()),
            cutoff=self.deleted_threads.get(thread_id or ""),
            deleted=deleted,
            preferences=dict(self.hashes.get(user_id or "", {})),
            has_all_preferences=self._preferences_generations.get(user_id or "") == self.generation,
            state=self._state(),
        )

    def _state(self) -> CacheState:
        return CacheState(
            self._clock(), self.generation, self.lost_at, evictions=0, has_outbox=bool(self.outbox_bodies)
        )

    def peek(self, thread_id: str | None, user_id: str | None = None, *, has_memories: bool = False) -> CacheRead:
        """Read a thread's window, and a user's preferences and memories."""
        self.record_call("read")
        memories = self._memories(user_id, thread_id) if has_memories else None
        return replace(self._read(thread_id, user_id), token=None, memories=memories)

    def append(
        self, exchange: Exchange, *, is_drained: bool, in_outbox: bool = False, after: UUID | None = None
    ) -> CacheAppendResult:
        """Merge one new exchange."""
        try:
            self.record_call("append")
        except StoreUnavailable:
            if not in_outbox:
                self._missed.append((exchange, is_drained))
            raise
        if in_outbox:
            self.outbox_bodies.append(exchange.to_wire(has_request_id=True))
        tombstone = self.deleted_threads.get(exchange.thread_id)
        if tombstone is not None and after is not None and tombstone > after:
            return CacheAppendResult(tombstone, is_cached=False, is_in_outbox=in_outbox)
        cutoff = self._append(exchange, is_drained=is_drained)
        return CacheAppendResult(cutoff, is_cached=cutoff is None, is_in_outbox=in_outbox)

    def _append(self, exchange: Exchange, *, is_drained: bool) -> UUID | None:
        thread_id, user_id = exchange.thread_id, exchange.user_id
        if user_id is not None:
            self._threads_of.setdefault(user_id, {})[thread_id] = None
        cutoffs = [self.deleted_threads.get(thread_id), self.deleted_users.get(user_id or "")]
        reached_cutoffs = [
            cutoff for cutoff in cutoffs if cutoff is not None and is_reached(exchange.acceptance, cutoff)
        ]
        if reached_cutoffs:
            self._merge(thread_id, cutoff=max(reached_cutoffs))
            return max(reached_cutoffs)
        if exchange.exchange_id in self.deleted_exchanges.get(thread_id, ()):
            return exchange.acceptance
        self._merge(thread_id, [exchange])
        if not is_drained:
            waiting = self.undrained.setdefault(thread_id, {})
            waiting_exchange = waiting.get(exchange.exchange_id)
            if waiting_exchange is None or exchange.revision >= waiting_exchange.revision:
                waiting[exchange.exchange_id] = exchange
        return None

    def refill(
        self,
        thread_id: str,
        window: Window,
        read: CacheRead,
        drained: Sequence[Exchange] = (),
        foreign: Sequence[Message | Exchange] = (),
    ) -> None:
        """Merge L2's window if the list still has the read's token."""
        self.record_call("refill")
        self._forget_drained(
            thread_id,
            [
                *drained,
                *(e for e in read.undrained if window.has_deleted(e.exchange_id, e.acceptance)),
                *(e for e in foreign if isinstance(e, Exchange)),
            ],
        )
        foreign_ids = {each.exchange_id for each in foreign if each.exchange_id is not None}
        if window.cutoff is not None:
            set_tombstone(self.deleted_threads, thread_id, window.cutoff)
        self._record_deleted(thread_id, window.deleted)
        if read.token is not None:
            self._merge(
                thread_id,
                window.exchanges,
                refill=(read.token, "first" if window.is_all else "whole", self.generation),
                cutoff=window.cutoff,
                deleted={*self.deleted_exchanges.get(thread_id, ()), *foreign_ids},
                is_stored=True,
            )
        elif foreign or any(window.has_deleted(each.exchange_id, each.acceptance) for each in read.messages):
            self._merge(thread_id, cutoff=window.cutoff, deleted=window.deleted | foreign_ids)

    def _forget_drained(self, thread_id: str, drained: Sequence[Exchange]) -> None:
        waiting = self.undrained.get(thread_id, {})
        for exchange in drained:
            if exchange.exchange_id in waiting and waiting[exchange.exchange_id].revision <= exchange.revision:
                del waiting[exchange.exchange_id]

    def recheck_thread(self, thread_id: str, window: Window, drained: Sequence[Exchange] = ()) -> None:
        """Merge L2's window into the list if there is one."""
        self.record_call("recheck_thread")
        self._forget_drained(thread_id, drained)
        if window.cutoff is not None:
            set_tombstone(self.deleted_threads, thread_id, window.cutoff)
            self._forget_undrained(thread_id, window.cutoff)
        self._record_deleted(thread_id, window.deleted)
        self._merge(
            thread_id,
            window.exchanges,
            cutoff=window.cutoff,
            deleted=window.deleted,
            is_stored=True,
        )

    def merge_stored(self, exchanges: Sequence[Exchange]) -> list[str]:
        """Merge newly stored exchanges into existing lists."""
        self.record_call("merge_stored")
        for exchange in exchanges:
            self._forget_drained(exchange.thread_id, [exchange])
            cutoff = self.deleted_threads.get(exchange.thread_id)
            deleted = self.deleted_exchanges.get(exchange.thread_id, ())
            if not is_deleted(exchange.exchange_id, exchange.acceptance, deleted, cutoff):
                self._merge(exchange.thread_id, [exchange], is_stored=True)
        names = dict.fromkeys(exchange.thread_id for exchange in exchanges)
        return [name for name in names if token_of(self.lists.get(name, []))]

    def merge_later(self, exchange: Exchange) -> None:
        """Record that a stored exchange must be merged before the next call."""
        self._missed.append((exchange, True))

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Replace the user's hash."""
        self.record_call("set_preferences")
        self.hashes[user_id] = dict(preferences)
        self._preferences_generations[user_id] = self.generation

    def newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the acceptance key of each thread's newest exchange."""
        self.record_call("newest")
        found: dict[str, UUID] = {}
        for thread_id in thread_ids:
            messages = [decode(entry) for entry in without_placeholder(self.lists.get(thread_id, []))]
            keys = [message.acceptance for message in messages if message is not None]
            keys += [exchange.acceptance for exchange in self.undrained.get(thread_id, {}).values()]
            if known := [key for key in keys if key is not None]:
                found[thread_id] = max(known)
        return found

    def forget_threads(self, cutoffs: Mapping[str, UUID]) -> None:
        """Store the tombstones, and remove the exchanges up to each cutoff."""
        self.record_call("forget_threads")
        for thread_id, cutoff in cutoffs.items():
            set_tombstone(self.deleted_threads, thread_id, cutoff)
            self._merge(thread_id, cutoff=cutoff)
            self._forget_undrained(thread_id, cutoff)

    def _forget_undrained(self, thread_id: str, cutoff: UUID) -> None:
        undrained = self.undrained.pop(thread_id, {})
        if remaining := {
            name: exchange for name, exchange in undrained.items() if not is_reached(exchange.acceptance, cutoff)
        }:
            self.undrained[thread_id] = remaining

    def forget_exchanges(self, thread_id: str, exchange_ids: Collection[UUID]) -> None:
        """Remove exchanges from the thread's list and record their deletion."""
        deleted = {(thread_id, name) for name in exchange_ids}
        self._missed = [each for each in self._missed if each[0].key not in deleted]
        self.record_call("forget_exchanges")
        self._record_deleted(thread_id, exchange_ids)
        self._merge(thread_id, deleted=exchange_ids)

    def _record_deleted(self, thread_id: str, exchange_ids: Collection[UUID]) -> None:
        if exchange_ids:
            self.deleted_exchanges.setdefault(thread_id, set()).update(exchange_ids)
        for name in exchange_ids:
            self.undrained.get(thread_id, {}).pop(name, None)

    def forget_user(self, user_id: str, cutoff: UUID) -> list[str]:
        """Store the user's tombstone, remove the hash, and return the threads that the user wrote to."""
        self.record_call("forget_user")
        set_tombstone(self.deleted_users, user_id, cutoff)
        self.hashes.pop(user_id, None)
        self.memories.pop(user_id, None)
        self._preferences_generations.pop(user_id, None)
        return list(self._threads_of.get(user_id, {}))

    def forget_index(self, user_id: str, cutoff: UUID) -> None:
        """Remove threads from the user's index."""
        del cutoff
        self.record_call("forget_index")
        self._threads_of.pop(user_id, None)

    def threads_of(self, user_id: str) -> list[str]:
        """Return the threads that the user wrote to."""
        self.record_call("threads_of")
        return list(self._threads_of.get(user_id, {}))

    def record_loss(self, *, evictions: int | None = None, is_first: bool = False) -> None:
        """Record that the cache's last loss was before now; with `is_first`, that it has never lost anything."""
        del evictions  # this cache never evicts
        self.record_call("record_loss")
        if self.lost_at is None:
            self.lost_at = -math.inf if is_first else self._clock()

    def clock(self) -> float:
        """Return Unix seconds."""
        self.record_call("clock")
        return self._clock()
