"""Inspectors of the in-memory stores."""

from __future__ import annotations

from shared.models import Exchange
from shared.stores.inspectors import ListSnapshot, QueueCounts
from shared.stores.redis.entries import decode_list, without_placeholder
from shared.testing.cache import InMemoryCache
from shared.testing.queue import InMemoryQueue


class InMemoryCacheInspector:
    """Reads the in-memory L1 without side effects.

    Attributes:
        ttl_seconds: The time to live of every list, because lists in memory do not expire.
    """

    def __init__(self, cache: InMemoryCache, ttl_seconds: float = 86_400) -> None:
        self._cache = cache
        self.ttl_seconds = ttl_seconds

    def thread(self, thread_id: str, max_messages: int) -> ListSnapshot:
        """Read the newest `max_messages` messages of a thread's list."""
        self._cache.record_call("inspect_thread")
        entries = self._cache.lists.get(thread_id, [])
        messages = decode_list(without_placeholder(entries[-max_messages:]))
        undrained = list(self._cache.undrained.get(thread_id, {}).values())
        return ListSnapshot(messages, len(entries), self.ttl_seconds if entries else None, undrained)

    def outbox(self) -> QueueCounts:
        """Count the outbox' entries."""
        self._cache.record_call("inspect_outbox")
        return _waiting(self._cache.outbox_bodies)


class InMemoryQueueInspector:
    """Counts the messages of the in-memory queue. A message's sent time is its exchange's `created_at`."""

    def __init__(self, queue: InMemoryQueue) -> None:
        self._queue = queue

    def waiting(self) -> QueueCounts:
        """Count the messages."""
        self._queue.record_call("inspect")
        return _waiting(self._queue.bodies)


def _waiting(bodies: list[str]) -> QueueCounts:
    return QueueCounts(len(bodies), oldest=Exchange.from_wire(bodies[0]).created_at if bodies else None)
