"""L1 in Redis or Valkey. It uses only core commands, and each script uses only one key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from shared.stores.redis.connection import Pipeline
from shared.stores.redis.entries import decode, decode_undrained, without_placeholder
from shared.stores.redis.eraser import ListEraser
from shared.stores.redis.link import MAX_THREADS_PER_CALL
from shared.stores.redis.lists import ids_of
from shared.stores.redis.memories import MemoriesCache
from shared.stores.redis.names import (
    OUTBOX,
    messages_key,
    no_preferences_key,
    preferences_key,
    preferences_seal_key,
    undrained_key,
    user_threads_key,
)
from shared.stores.redis.read import preferences_seal
from shared.stores.redis.reader import ListReader
from shared.stores.redis.scripts import REPLACE_HASH
from shared.stores.redis.writer import ListWriter


class RedisCache(ListReader, ListWriter, ListEraser, MemoriesCache):
    """L1 in Redis."""

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Replace the user's hash and its seal. A user without preferences also gets a seal."""
        key, seal, generation = preferences_key(user_id), preferences_seal_key(user_id), self._generation
        ttl = self._memory.user_ttl_seconds
        fields = [text for item in preferences.items() for text in item]

        def fill(pipe: Pipeline) -> None:
            pipe.delete(no_preferences_key(user_id))
            pipe.delete(seal)
            pipe.eval(REPLACE_HASH, 1, key, ttl, *fields)
            if generation is not None:
                pipe.set(seal, preferences_seal(generation, len(preferences)), ex=ttl)

        self._call(fill)

    def newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the acceptance key of each thread's newest exchange. Threads without any in Redis are missing."""
        orders: dict[str, UUID] = {}
        for start in range(0, len(thread_ids), MAX_THREADS_PER_CALL):
            orders |= self._newest(thread_ids[start : start + MAX_THREADS_PER_CALL])
        return orders

    def _newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        def fill(pipe: Pipeline) -> None:
            for thread_id in thread_ids:
                pipe.lrange(messages_key(thread_id), -2, -1)
                pipe.hvals(undrained_key(thread_id))

        replies = self._call(fill, is_read=True)
        newest: dict[str, UUID] = {}
        for thread_id, entries, bodies in zip(thread_ids, replies[::2], replies[1::2], strict=True):
            messages = [decode(entry) for entry in without_placeholder(entries or [])]
            undrained = [decode_undrained(thread_id, body) for body in bodies or []]
            keys = [each.acceptance for each in [*messages, *undrained] if each is not None]
            newest |= {thread_id: max(known)} if (known := [key for key in keys if key is not None]) else {}
        return newest

    def threads_of(self, user_id: str) -> list[str]:
        """Return the threads in the user's index: those that the user wrote to recently."""
        replies = self._call(lambda pipe: pipe.zrange(user_threads_key(user_id), 0, -1))
        return ids_of(replies[0])

    def outbox(self, limit: int, skip: int = 0) -> list[str]:
        """Return bodies of the outbox. Lone surrogates replace the bytes that are not valid UTF-8."""
        replies = self._call(lambda pipe: pipe.lrange(OUTBOX, skip, skip + limit - 1))
        return [body.decode("utf-8", "surrogateescape") for body in replies[0]]

    def remove_from_outbox(self, bodies: Sequence[str]) -> None:
        """Remove bodies by value, because other processes also change the outbox."""

        def fill(pipe: Pipeline) -> None:
            for body in bodies:
                pipe.lrem(OUTBOX, 1, body.encode("utf-8", "surrogateescape"))  # type: ignore[arg-type]

        self._call(fill)
