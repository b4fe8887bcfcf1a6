"""What people do with what is known of a user: read and change the preferences, forget the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from shared.errors import StoreUnavailable, add_half_deleted_outcome
from shared.memory.deletion import Deletion
from shared.memory.memory import Memory


class Users:
    """Use cases on users."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def preferences(self, user_id: str) -> dict[str, str]:
        """Return all preferences; while PostgreSQL does not answer, from L1 if it knows them.

        Raises:
            StoreUnavailable: PostgreSQL did not answer, and L1 does not know.
        """
        # A read for people changes nothing in Redis: the next turn refills it.
        try:
            return self._memory.archive.preferences(user_id)
        except StoreUnavailable:
            with suppress(StoreUnavailable):
                cached = self._memory.cache.peek(None, user_id)
                if cached.knows_preferences:
                    return cached.preferences
            raise

    def replace(self, user_id: str, preferences: Mapping[str, str]) -> dict[str, str]:
        """Make these all the preferences there are, in both layers.

        Raises:
            StoreUnavailable: A layer did not answer; asking again completes the change.
        """
        return self._change(user_id, preferences, replace=True)

    def merge(self, user_id: str, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Set the given preferences, remove those given as None, and return all.

        Raises:
            StoreUnavailable: A layer did not answer; asking again completes the change.
        """
        return self._change(user_id, changes, replace=False)

    def _change(self, user_id: str, changes: Mapping[str, str | None], *, replace: bool) -> dict[str, str]:
        def publish(found: dict[str, str]) -> bool:
            try:
                self._memory.cache.set_preferences(user_id, found)
            except StoreUnavailable:
                # PostgreSQL has it, and notes that L1 has to be told.
                return False
            return True

        return self._memory.archive.change_preferences(user_id, changes, replace=replace, then=publish)

    def forget(self, user_id: str) -> None:
        """Delete every thread and preference of the user from both layers, and whatever is on its way.

        Raises:
            StoreUnavailable: A layer did not answer, so that the deletion is not complete; asking again completes it.
        """
        cutoff, threads = self._forget_stored(user_id, self._memory.cache.threads_of(user_id))
        with add_half_deleted_outcome("user"):
            # From here on an append of something of the user's finds the tombstone and takes it back.
            late = set(self._memory.cache.forget_user(user_id, cutoff)) - threads.keys()
            if late:
                threads |= self._forget_stored(user_id, sorted(late))[1]
            self._memory.cache.forget_threads(threads)
            self._memory.cache.forget_index(user_id, cutoff)

    def _forget_stored(self, user_id: str, also: Sequence[str]) -> tuple[UUID, dict[str, UUID]]:
        # What only L1 knows of may have been made by a clock ahead of this one's: the cutoff comes after it. Ids of one
        # process rise, so that the last is after everything that L1 and this process know of the threads.
        known = self._memory.cache.newest(also) if also else {}
        cutoff = self._memory.new_id()
        for thread_id in also:
            recent = [exchange.order for exchange in self._memory.recent(thread_id)]
            for order in [*recent, known.get(thread_id)]:
                self._memory.observe(thread_id, order)
            cutoff = self._memory.new_id(thread_id)
        cutoff, threads = self._memory.archive.forget_user(user_id, cutoff, also)
        self._memory.forget(Deletion(threads, user_id, cutoff))
        for thread_id, thread_cutoff in threads.items():
            self._memory.observe(thread_id, thread_cutoff)
        return cutoff, threads
