"""Reads both layers' final contents without the product's code."""

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
class Side:
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
        cached: The list in Redis; None if there is none.
        is_sealed_from_first: Whether the list is sealed with the thread's first message.
    """

    thread_id: str
    stored: list[Side]
    positions: list[int]
    cached: list[Side] | None
    is_sealed_from_first: bool

    def difference(self) -> str:
        """Describe how the list differs from the window in PostgreSQL.

        Return '' if the list does not differ or does not exist.
        """
        expected = self.stored[-2 * WINDOW :]
        if self.cached is None or self.cached == expected:
            return ""
        mark = ", which it says is all" if self.is_sealed_from_first else ""
        if self.cached == expected[-len(self.cached) :]:
            return f"the newest {len(self.cached)} of the window's {len(expected)} messages{mark}"
        return f"{_describe(self.cached, expected)}{mark}"


def threads(info: dict[str, Any], thread_ids: list[str]) -> Iterator[Thread]:
    """Yield the named threads and all others in Redis or PostgreSQL."""
    with (
        redis.Redis.from_url(info["redis_url"], socket_timeout=30) as client,
        psycopg.connect(info["database_url"], connect_timeout=10) as connection,
    ):
        known = {row[0] for row in connection.execute("select thread_id from conversations")}
        known |= {key.decode().split(":", 1)[1].rpartition(":")[0] for key in client.scan_iter("thread:*:messages")}
        for thread_id in sorted(known.union(thread_ids)):
            rows = connection.execute(_MESSAGES, (thread_id,)).fetchall()
            entries: Any = client.lrange(f"thread:{thread_id}:messages", 0, -1)
            listed = [json.loads(entry) for entry in entries]
            # A list without an exchange may contain a placeholder.
            cached = [entry for entry in listed if entry["role"] != "system"]
            yield Thread(
                thread_id,
                [Side(row[0], row[2], row[3]) for row in rows],
                [row[1] for row in rows],
                [Side(one["exchange_id"], one["role"], one["content"]) for one in cached] if cached else None,
                bool(listed) and bool(listed[0].get("first")),
            )


def dead_letters(info: dict[str, Any], sqs: Any) -> int:
    """Count the messages in the dead-letter queue."""
    name = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=info["dlq_url"], AttributeNames=[name])["Attributes"][name])


def _describe(cached: list[Side], expected: list[Side]) -> str:
    shown, kept = [side.exchange_id for side in cached], [side.exchange_id for side in expected]
    if shown == kept:
        return "the same exchanges with other texts"
    missing = [one for one in dict.fromkeys(kept) if one not in shown]
    alien = [one for one in dict.fromkeys(shown) if one not in kept]
    if not missing and not alien:
        return "the same exchanges in another order"
    return f"{len(set(shown))} exchanges in the list; of the window's end it lacks {missing[:3]}, and has {alien[:3]}"
