"""The protocol of a layer's idempotency keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

# The seconds for which a request holds a key without a response. They are more than the time that a function runs.
LEASE_SECONDS: Final = 40
# The time for which a key's response is stored.
ANSWER_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class KeyState:
    """A layer's state of a key.

    Attributes:
        is_acquired: Whether this call has acquired the key, perhaps by taking over a lease that has ended.
        lease_id: Identifies this call's lease, for `release`.
        answer: The response's JSON, if there is one.
        has_all_keys: Whether the layer still has all keys that it ever stored.
        age: For how many seconds the layer has lost no key except by eviction. PostgreSQL has an evicted key, too,
            unless PostgreSQL was down when the key was recorded.
        may_be_in_outbox: Whether the key's exchange may be in the layer's outbox.
    """

    body_hash: str
    exchange_id: UUID
    answer: str | None
    is_acquired: bool
    has_all_keys: bool = True
    age: float = 0.0
    may_be_in_outbox: bool = False
    lease_id: str = ""


class KeyStore(Protocol):
    """A layer's idempotency keys. Methods raise `StoreUnavailable`.

    Attributes:
        stores_exchange_keys: Whether the layer stores the key of an exchange together with the exchange.
    """

    stores_exchange_keys: bool

    def acquire(self, key: str, body_hash: str, exchange_id: UUID) -> KeyState:
        """Acquire a new key or one whose lease has ended, and return the key's state."""
        ...

    def answer(self, key: str, body_hash: str, exchange_id: UUID, answer: str) -> None:
        """Store the response for `ANSWER_SECONDS`."""
        ...

    def release(self, key: str, lease_id: str) -> None:
        """Delete the key, unless it has a response, or its lease has ended and another request has acquired it."""
        ...
