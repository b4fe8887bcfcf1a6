"""Reads the final contents of Redis and PostgreSQL without the product's code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import redis

WINDOW: Final = 50
_MESSAGES: Final = """
    select m.exchange_id::text, m.position, m.role, m.content
    from messages m join conversations c on c.id = m.conversation_id
    where c.thread_id = %s order by m.order_key, m.exchange_id, m.position
"""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message in either layer."""

    exchange_id: str
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread in both layers.

    Attributes:
        stored: All messages in PostgreSQL, in order.
        positions: The `position` of each stored message.
        cached: The messages of the list in Redis; None without a list.
        is_sealed: Whether the list has a seal.
    """

    thread_id: str
    stored: list[StoredMessage]
    positions: list[int]
    cached: list[StoredMessage] | None
    is_sealed: bool

    def difference(self) -> str:
        """Describe how the list differs from the window in PostgreSQL.

        Return '' if the list does not differ or does not exist.
        """
        expected = self.stored[-2 * WINDOW :]
        if self.cached is None or self.cached == expected:
            return ""
        seal_note = ", although the list is sealed" if self.is_sealed else ""
        if self.cached == expected[-len(self.cached) :]:
            return f"the newest {len(self.cached)} of the window's {len(expected)} messages{seal_note}"
        return f"{_describe(self.cached, expected)}{seal_note}"


def read_threads(info: dict[str, Any], thread_ids: list[str]) -> Iterator[Thread]:
    """Yield the given threads and all other threads in Redis or PostgreSQL."""
    with (
        redis.Redis.from_url(info["redis_url"], socket_timeout=30) as client,
        psycopg.connect(info["database_url"], connect_timeout=10) as connection,
    ):
        stored_threads = {row[0] for row in connection.execute("select thread_id from conversations")}
        stored_threads |= {
            key.decode().split(":", 1)[1].rpartition(":")[0] for key in client.scan_iter("thread:*:messages")
        }
        for thread_id in sorted(stored_threads.union(thread_ids)):
            rows = connection.execute(_MESSAGES, (thread_id,)).fetchall()
            entries: Any = client.lrange(f"thread:{thread_id}:messages", 0, -1)
            fields = [json.loads(entry) for entry in entries]
            # An empty list may contain a placeholder entry.
            cached = [entry for entry in fields if entry["role"] != "system"]
            yield Thread(
                thread_id,
                [StoredMessage(row[0], row[2], row[3]) for row in rows],
                [row[1] for row in rows],
                [StoredMessage(entry["exchange_id"], entry["role"], entry["content"]) for entry in cached]
                if cached
                else None,
                bool(fields) and bool(fields[0].get("first")),
            )


def count_dead_letters(info: dict[str, Any], sqs: Any) -> int:
    """Count the messages in the dead-letter queue."""
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=info["dlq_url"], AttributeNames=[name])["Attributes"][name])


def _describe(cached: list[StoredMessage], expected: list[StoredMessage]) -> str:
    cached_ids, stored_ids = [message.exchange_id for message in cached], [message.exchange_id for message in expected]
    if cached_ids == stored_ids:
        return "the same exchanges with other texts"
    missing = [each for each in dict.fromkeys(stored_ids) if each not in cached_ids]
    extra = [each for each in dict.fromkeys(cached_ids) if each not in stored_ids]
    if not missing and not extra:
        return "the same exchanges in another order"
    return f"{len(set(cached_ids))} exchanges in the list; missing: {missing[:3]}, extra: {extra[:3]}"
