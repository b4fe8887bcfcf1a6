"""A layer's idempotency keys in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from shared.stores.idempotency import LEASE_SECONDS, KeyState
from shared.testing.store import InMemoryStore


class InMemoryKeys(InMemoryStore):
    """A layer's idempotency keys.

    Attributes:
        states: The state of each key.
    """

    def __init__(self, layer: str = "redis", clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.layer = layer
        self.stores_exchange_keys = layer == "postgres"
        self.states: dict[str, KeyState] = {}
        self._acquired_at: dict[str, float] = {}
        self._clock = clock

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Acquire a new key or one whose lease has ended, and return the key's state."""
        self.record_call("acquire")
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = KeyState(body_hash, exchange_id, None, is_acquired=False)
        elif state.answer is not None or self._clock() - self._acquired_at[key] < LEASE_SECONDS:
            return state
        self._acquired_at[key] = self._clock()
        return replace(state, is_acquired=True, lease_id=str(self._acquired_at[key]))

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Store the response, except in PostgreSQL if a deletion has emptied the stored one."""
        self.record_call("answer")
        state = self.states.get(key)
        if self.stores_exchange_keys and state is not None and state.answer == "{}":
            return
        self.states[key] = KeyState(body_hash, exchange_id, answer, is_acquired=False)

    def release(self, key: str, lease_id: str) -> None:
        """Delete the key, unless it has a response, or its lease has ended and another request has acquired it."""
        self.record_call("release")
        if key in self.states and self.states[key].answer is None and lease_id == str(self._acquired_at[key]):
            del self.states[key]
