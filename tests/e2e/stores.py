"""Reads both layers without the product's code."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import redis

from tests.e2e.waiting import eventually

_MESSAGES = """
    select m.role, m.content, m.exchange_id::text, m.position, m.created_at
    from messages m join conversations c on c.id = m.conversation_id
    where c.thread_id = %s order by m.created_at, m.exchange_id, m.position
"""


class Layers:
    """Reads Redis and PostgreSQL. Each call opens a connection, so a server may restart between calls."""

    def __init__(self, redis_url: str, database_url: str) -> None:
        self._redis_url = redis_url
        self._database_url = database_url

    def redis(self) -> redis.Redis:
        """Return a client. Use it as a context manager."""
        return redis.Redis.from_url(self._redis_url, decode_responses=True, socket_timeout=5)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return a query's rows."""
        with psycopg.connect(self._database_url, connect_timeout=5, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def cached(self, thread_id: str) -> list[dict[str, Any]]:
        """Return a thread's cached entries."""
        with self.redis() as client:
            entries = [json.loads(entry) for entry in client.lrange(f"thread:{thread_id}:messages", 0, -1)]
            # A list without messages may have a placeholder entry with the role `system`.
            return [entry for entry in entries if entry["role"] != "system"]

    def cached_contents(self, thread_id: str) -> list[str]:
        """Return a thread's cached texts."""
        return [entry["content"] for entry in self.cached(thread_id)]

    def ttl(self, key: str) -> int:
        """Return a key's time to live in seconds."""
        with self.redis() as client:
            return int(client.ttl(key))

    def delete_cached(self, *keys: str) -> None:
        """Delete keys from Redis, as if they had expired."""
        with self.redis() as client:
            client.delete(*keys)

    def conversations(self, thread_id: str) -> list[tuple[Any, ...]]:
        """Return the user and title of a thread's conversation. The list has at most one row."""
        return self.rows("select user_id, title from conversations where thread_id = %s", thread_id)

    def stored(self, thread_id: str) -> list[tuple[Any, ...]]:
        """Return role, content, exchange_id, position and created_at of a thread's messages."""
        return self.rows(_MESSAGES, thread_id)

    def stored_contents(self, thread_id: str) -> list[str]:
        """Return the texts of a thread's stored messages."""
        return [row[1] for row in self.stored(thread_id)]

    def wait_stored(self, thread_id: str, messages: int) -> list[tuple[Any, ...]]:
        """Wait until the drain has stored a number of messages of a thread, and return them."""
        return eventually(lambda: rows if len(rows := self.stored(thread_id)) >= messages else None, 60)
