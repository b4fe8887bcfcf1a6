"""The inspector's view of the in-memory twins."""

from __future__ import annotations

from shared.models import Exchange
from shared.stores.inspectors import ListSnapshot, QueueCounts
from shared.stores.redis.entries import decode_list, without_placeholder
from shared.testing.cache import InMemoryCache
from shared.testing.queue import InMemoryQueue


class InMemoryCacheInspector:
    """L1's twin.

    Attributes:
        ttl_seconds: The time to live of every list, because the twin has no expiry.
    """

    def __init__(self, cache: InMemoryCache, ttl_seconds: float = 86_400) -> None:
        self._cache = cache
        self.ttl_seconds = ttl_seconds

    def thread(self, thread_id: str, most: int) -> ListSnapshot:
        """Read the newest `most` messages of a thread's list."""
        self._cache.begin("look")
        entries = self._cache.lists.get(thread_id, [])
        messages = decode_list(without_placeholder(entries[-most:]))
        undrained = list(self._cache.undrained.get(thread_id, {}).values())
        return ListSnapshot(messages, len(entries), self.ttl_seconds if entries else None, undrained)

    def outbox(self) -> QueueCounts:
        """Count the outbox' entries."""
        self._cache.begin("look")
        return _waiting(self._cache.outbox_bodies)


class InMemoryQueueInspector:
    """The exchange queue's twin; a message's sent time is its exchange's time of acceptance."""

    def __init__(self, queue: InMemoryQueue) -> None:
        self._queue = queue

    def waiting(self) -> QueueCounts:
        """Count its messages."""
        self._queue.begin("look")
        return _waiting(self._queue.bodies)


def _waiting(bodies: list[str]) -> QueueCounts:
    return QueueCounts(len(bodies), oldest=Exchange.from_wire(bodies[0]).created_at if bodies else None)
