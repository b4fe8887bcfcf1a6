"""Operations on users: read and change preferences, delete all data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from shared.errors import StoreUnavailable, add_half_deleted_outcome
from shared.memory.deletion import Deletion, later_than
from shared.memory.memory import Memory
from shared.stores.cache import CacheRead


class Users:
    """Operations on users."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def preferences(self, user_id: str) -> dict[str, str]:
        """Return all preferences from PostgreSQL, or from L1 if PostgreSQL does not respond.

        Raises:
            StoreUnavailable: PostgreSQL did not respond, and L1 does not have all preferences.
        """
        # Only turns refill Redis, so this read does not change it.
        try:
            return self._memory.archive.preferences(user_id)
        except StoreUnavailable:
            with suppress(StoreUnavailable):
                cached = self._memory.cache.peek(None, user_id)
                if cached.has_all_preferences:
                    return cached.preferences
            raise

    def replace(self, user_id: str, preferences: Mapping[str, str]) -> dict[str, str]:
        """Replace all preferences in both layers.

        Raises:
            StoreUnavailable: A layer did not respond; a retry completes the change.
        """
        return self._change(user_id, preferences, replace=True)

    def merge(self, user_id: str, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Set the given preferences, remove those that are None, and return all.

        Raises:
            StoreUnavailable: A layer did not respond; a retry completes the change.
        """
        return self._change(user_id, changes, replace=False)

    def _change(self, user_id: str, changes: Mapping[str, str | None], *, replace: bool) -> dict[str, str]:
        def update_cache(preferences: dict[str, str]) -> bool:
            try:
                self._memory.cache.set_preferences(user_id, preferences)
                # Learned memories give way to a preference of their name.
                self._memory.cache.forget_memories([user_id])
            except StoreUnavailable:
                # PostgreSQL stores the change, and a record that L1 needs an update.
                return False
            return True

        return self._memory.archive.change_preferences(user_id, changes, replace=replace, update_cache=update_cache)

    def forget(self, user_id: str) -> None:
        """Delete every thread and preference of the user from both layers and the queue.

        Raises:
            StoreUnavailable: A layer did not respond, so the deletion is incomplete; a retry completes it.
        """
        cutoff, threads, later = self._forget_stored(user_id, self._memory.cache.threads_of(user_id))
        with add_half_deleted_outcome("user"):
            # An append of the user's data after this call finds the tombstone and is undone.
            added_since = set(self._memory.cache.forget_user(user_id, cutoff)) - threads.keys()
            if added_since:
                _, added_threads, added_later = self._forget_stored(user_id, sorted(added_since))
                threads |= added_threads
                later |= added_later
            self._memory.cache.forget_threads(threads)
            for thread_id, exchange_ids in later.items():
                self._memory.cache.forget_exchanges(thread_id, exchange_ids)
            self._memory.cache.forget_index(user_id, cutoff)

    def _forget_stored(
        self, user_id: str, extra_threads: Sequence[str]
    ) -> tuple[UUID, dict[str, UUID], dict[str, frozenset[UUID]]]:
        # Another process, whose clock is ahead of this process' clock, may have created exchanges that only L1 has. The
        # cutoff must be after these exchanges. The ids of this process increase, so the last cutoff below is after all
        # exchanges of the threads that L1 and this process have.
        newest_orders = self._memory.cache.newest(extra_threads) if extra_threads else {}
        cutoff = self._memory.new_cutoff()
        recent = {thread_id: self._memory.recent(thread_id) for thread_id in extra_threads}
        skewed = self._read_skewed(newest_orders)
        for thread_id in extra_threads:
            for order in [*(exchange.acceptance for exchange in recent[thread_id]), newest_orders.get(thread_id)]:
                self._memory.observe(thread_id, order)
            cutoff = self._memory.new_cutoff(thread_id)
        later = {
            thread_id: exchange_ids
            for thread_id in extra_threads
            if (exchange_ids := later_than(cutoff, skewed.get(thread_id, CacheRead()), recent[thread_id], user_id))
        }
        cutoff, threads = self._memory.archive.forget_user(user_id, cutoff, extra_threads, later)
        self._memory.forget(Deletion(threads, user_id, cutoff), later)
        for thread_id, thread_cutoff in threads.items():
            self._memory.observe(thread_id, thread_cutoff)
        return cutoff, threads, later

    def _read_skewed(self, newest_orders: Mapping[str, UUID]) -> dict[str, CacheRead]:
        """Return Redis' data of the threads that have an exchange of a wrong clock."""
        skewed: dict[str, CacheRead] = {}
        for thread_id, newest in newest_orders.items():
            if self._memory.is_skewed(newest):
                skewed[thread_id] = self._memory.cache.peek(thread_id)
                self._memory.observe_all(thread_id, skewed[thread_id])
        return skewed
