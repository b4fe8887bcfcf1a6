"""The twin of a layer's idempotency keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from shared.stores.idempotency import LEASE_SECONDS, KeyState
from shared.testing.twin import Twin


class InMemoryKeys(Twin):
    """A layer's idempotency keys.

    Attributes:
        states: The state of each key.
    """

    def __init__(self, layer: str = "redis", clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.layer = layer
        self.learns_from_exchanges = layer == "postgres"
        self.states: dict[str, KeyState] = {}
        self._claimed_at: dict[str, float] = {}
        self._clock = clock

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Claim the key, take over a claim whose lease has ended, or return its state."""
        self.begin("claim")
        known = self.states.get(key)
        if known is None:
            known = self.states[key] = KeyState(body_hash, exchange_id, None, is_acquired=False)
        elif known.answer is not None or self._clock() - self._claimed_at[key] < LEASE_SECONDS:
            return known
        self._claimed_at[key] = self._clock()
        return replace(known, is_acquired=True, claim=str(self._claimed_at[key]))

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Store the response; not in PostgreSQL's twin if a deletion has emptied it."""
        self.begin("answer")
        known = self.states.get(key)
        if self.learns_from_exchanges and known is not None and known.answer == "{}":
            return
        self.states[key] = KeyState(body_hash, exchange_id, answer, is_acquired=False)

    def release(self, key: str, claim: str) -> None:
        """Release this claim, unless it has a response or another request holds the key."""
        self.begin("release")
        if key in self.states and self.states[key].answer is None and claim == str(self._claimed_at[key]):
            del self.states[key]
