"""What the memory asks of a layer that remembers idempotency keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

# How long a request may hold an idempotency key without answering: longer than a function runs.
LEASE_SECONDS: Final = 40
# How long the answer to a key is kept.
ANSWER_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class KeyState:
    """What a layer knows of a key.

    Attributes:
        is_acquired: Whether this call has made or taken over the claim.
        claim: What tells the claim that this call made from a later one, for `release`.
        answer: JSON, once there is one.
        is_sure: Whether the layer still knows all keys that it ever was told.
        age: For how many seconds it has lost none, except by eviction: an evicted key that PostgreSQL lacks came while
            PostgreSQL was away.
        may_be_in_outbox: Whether the key's exchange may wait in the layer's outbox for the sweep.
    """

    body_hash: str
    exchange_id: UUID
    answer: str | None
    is_acquired: bool
    is_sure: bool = True
    age: float = 0.0
    may_be_in_outbox: bool = False
    claim: str = ""


class KeyStore(Protocol):
    """A layer that remembers keys. Methods raise `StoreUnavailable`.

    Attributes:
        learns_from_exchanges: Whether it knows the key of each exchange that is stored.
    """

    learns_from_exchanges: bool

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Claim the key, or take over a claim older than `LEASE_SECONDS`, or say what is known of it."""
        ...

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Remember the answer for `ANSWER_SECONDS`."""
        ...

    def release(self, key: str, claim: str) -> None:
        """Forget this claim, unless it has an answer, or its lease has ended and another request holds the key."""
        ...
