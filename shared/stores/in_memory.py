"""In-memory twins of the stores, for tests: this project's, and those of programs that use it.

They keep to the protocols in `base.py`, not to any server: no time to live, no network, one process. Each has
`is_down`, which makes every call raise `StoreUnavailable` as the real store does, and `calls`, the names of the methods
that were called.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

from shared.errors import TooLargeForQueue
from shared.models import Exchange
from shared.stores.base import LEASE_SECONDS, KeyState
from shared.stores.in_memory_archive import InMemoryArchive
from shared.stores.in_memory_cache import InMemoryCache
from shared.stores.in_memory_merge import merge
from shared.stores.in_memory_twin import Twin

__all__ = ["InMemoryArchive", "InMemoryCache", "InMemoryKeys", "InMemoryQueue", "merge"]

_MOST_BYTES: Final = 1_048_576 - 4_096


class InMemoryQueue(Twin):
    """The exchange queue's twin.

    Attributes:
        bodies: The messages that were sent and not taken, oldest first.
    """

    layer = "queue"

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def send(self, exchange: Exchange) -> None:
        """Put an exchange on the queue.

        Raises:
            TooLargeForQueue: The message is over what SQS takes.
        """
        body = exchange.to_wire()
        if len(body.encode()) > _MOST_BYTES:
            raise TooLargeForQueue(f"{len(body.encode())} bytes")
        self.begin("send")
        self.bodies.append(body)

    def depth(self) -> int:
        """Return how many messages wait."""
        self.begin("depth")
        return len(self.bodies)

    def take(self) -> list[Exchange]:
        """Return what is on the queue and empty it."""
        taken, self.bodies = self.bodies, []
        return [Exchange.from_wire(body) for body in taken]


class InMemoryKeys(Twin):
    """A layer's idempotency keys.

    Attributes:
        states: What is known of each key.
    """

    def __init__(self, layer: str = "redis", clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.layer = layer
        self.states: dict[str, KeyState] = {}
        self._claimed_at: dict[str, float] = {}
        self._clock = clock

    def claim(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Claim the key, take over a claim whose holder fell silent, or say what is known of it."""
        self.begin("claim")
        known = self.states.get(key)
        if known is None:
            known = self.states[key] = KeyState(body_hash, exchange_id, None, is_claimed=False)
        elif known.answer is not None or self._clock() - self._claimed_at[key] < LEASE_SECONDS:
            return known
        self._claimed_at[key] = self._clock()
        return replace(known, is_claimed=True)

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Remember the answer."""
        self.begin("answer")
        self.states[key] = KeyState(body_hash, exchange_id, answer, is_claimed=False)

    def release(self, key: str) -> None:
        """Forget a claim without an answer."""
        self.begin("release")
        if key in self.states and self.states[key].answer is None:
            del self.states[key]
