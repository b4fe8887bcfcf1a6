"""Deletes threads, exchanges and users in Redis. A deletion writes the tombstone before it removes the data."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from uuid import UUID

from shared.cutoffs import is_reached
from shared.ids import milliseconds_of
from shared.stores.redis.connection import Pipeline
from shared.stores.redis.link import MAX_THREADS_PER_CALL, CacheLink
from shared.stores.redis.lists import ids_of, queue_tombstone
from shared.stores.redis.names import (
    memories_key,
    no_preferences_key,
    owner_key,
    preferences_key,
    preferences_seal_key,
    reader_lease_key,
    tombstone_key,
    undrained_key,
    user_threads_key,
    user_tombstone_key,
)


class ListEraser(CacheLink):
    """Deletes threads, exchanges and users."""

    def forget_threads(self, cutoffs: Mapping[str, UUID]) -> None:
        """Write the tombstones, then remove the exchanges up to each cutoff.

        Either a concurrent merge finds the tombstone, or the removal finds the merged exchange. Exchanges after the
        cutoff stay, because they belong to a new conversation.
        """
        self._drop_unmerged(lambda exchange: is_reached(exchange.acceptance, cutoffs.get(exchange.thread_id)))
        names = list(cutoffs)
        for start in range(0, len(names), MAX_THREADS_PER_CALL):
            self._forget_batch({name: cutoffs[name] for name in names[start : start + MAX_THREADS_PER_CALL]})

    def _forget_batch(self, cutoffs: Mapping[str, UUID]) -> None:
        def fill(pipe: Pipeline) -> None:
            for thread_id, cutoff in cutoffs.items():
                queue_tombstone(pipe, tombstone_key(thread_id), cutoff)
                self._lists.queue_merge(pipe, thread_id, [], cutoff=cutoff)
                pipe.delete(reader_lease_key(thread_id))
                pipe.delete(owner_key(thread_id))
                pipe.hvals(undrained_key(thread_id))

        bodies = dict(zip(cutoffs, self._call(fill, is_read=True)[4::5], strict=True))
        self._forget_undrained(bodies, cutoffs)

    def forget_exchanges(self, thread_id: str, exchange_ids: Collection[UUID]) -> None:
        """Record the ids as deleted, then remove the exchanges.

        Either a concurrent merge finds the record, or the removal finds the merged exchange.
        """

        def fill(pipe: Pipeline) -> None:
            self._lists.queue_deleted(pipe, thread_id, exchange_ids)
            self._lists.queue_merge(pipe, thread_id, [], deleted=exchange_ids)
            pipe.delete(reader_lease_key(thread_id))
            pipe.hkeys(undrained_key(thread_id))

        self._drop_unmerged(lambda e: e.thread_id == thread_id and e.exchange_id in exchange_ids)
        names = {str(exchange_id).encode() for exchange_id in exchange_ids}
        fields = [field for field in self._call(fill)[-1] if field.partition(b":")[0] in names]
        if fields:
            self._call(lambda pipe: pipe.hdel(undrained_key(thread_id), *fields))

    def forget_user(self, user_id: str, cutoff: UUID) -> list[str]:
        """Write the tombstone, remove the preferences and memories, and return the threads of the user's index."""

        def fill(pipe: Pipeline) -> None:
            queue_tombstone(pipe, user_tombstone_key(user_id), cutoff)
            pipe.zrange(user_threads_key(user_id), 0, -1)
            pipe.delete(preferences_key(user_id))
            pipe.delete(preferences_seal_key(user_id))
            pipe.delete(no_preferences_key(user_id))
            pipe.delete(memories_key(user_id))

        self._drop_unmerged(lambda exchange: exchange.user_id == user_id and is_reached(exchange.acceptance, cutoff))
        replies = self._call(fill)
        return ids_of(replies[1])

    def forget_index(self, user_id: str, cutoff: UUID) -> None:
        """Remove from the user's index the threads that have no write since the deletion.

        Call this method after the threads are deleted, because a repeated deletion finds the remaining threads in the
        index.
        """
        reach = milliseconds_of(cutoff) / 1000
        if reach <= time.time():
            # If the cutoff is in the future, all threads stay in the index. An index with too many threads is
            # harmless, but one with too few is not.
            self._call(lambda pipe: pipe.zremrangebyscore(user_threads_key(user_id), "-inf", f"({reach}"))
