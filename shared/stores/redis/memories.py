"""Users' memories in Redis: one hash for each user, which every change of the memories deletes."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from typing import Final

from shared.stores.redis.connection import Pipeline
from shared.stores.redis.link import CacheLink
from shared.stores.redis.names import memories_key
from shared.stores.redis.scripts import REFILL_MEMORIES

# The time to live of a hash that has only a token.
_TOKEN_SECONDS: Final = 900


class MemoriesCache(CacheLink):
    """Refills and deletes users' memories. `ListReader.read` reads them."""

    def start_refill(self, user_id: str) -> str | None:
        """Set a token before PostgreSQL is read; return it, or None if this process knows no current generation."""
        if self._generation is None:
            return None
        key = memories_key(user_id)

        def fill(pipe: Pipeline) -> None:
            # Another reader's token is as good: it was set before this process reads PostgreSQL.
            pipe.hsetnx(key, "token", secrets.token_hex(8))
            pipe.expire(key, _TOKEN_SECONDS)
            pipe.hget(key, "token")

        token: bytes | None = self._call(fill)[-1]
        return None if token is None else token.decode()

    def refill_memories(self, user_id: str, token: str, fields: Mapping[str, str]) -> None:
        """Store a user's memories, if the token of `start_refill` is still there."""
        generation = self._generation
        if generation is None:
            return
        key, ttl = memories_key(user_id), self._memory.user_ttl_seconds
        texts = [text for item in fields.items() for text in item]
        self._call(lambda pipe: pipe.eval(REFILL_MEMORIES, 1, key, token, generation, ttl, *texts))

    def forget_memories(self, user_ids: Collection[str]) -> None:
        """Delete the memories of users. The next reader reads them from PostgreSQL."""
        if user_ids:
            self._call(lambda pipe: [pipe.delete(memories_key(user_id)) for user_id in user_ids])
