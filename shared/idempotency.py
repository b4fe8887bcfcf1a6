"""The idempotency key of the current request, which is stored with its exchange."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Self

from shared.errors import InvalidRecord

_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with an `Idempotency-Key`.

    Attributes:
        key: The key's hash, which the layers store.
        body_hash: The hash of the request's body; a request with the same key and another body is refused.
    """

    key: str
    body_hash: str

    def to_json(self) -> dict[str, str]:
        """Return the key data in the format of an exchange's wire record."""
        return {"key": self.key, "body_hash": self.body_hash}

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """Parse the key data of a wire record; None if the record has no key.

        Raises:
            InvalidRecord: The key data is malformed.
        """
        if value is None:
            return None
        fields = value if isinstance(value, dict) else {}
        hashes = [fields.get(name) for name in ("key", "body_hash")]
        if not all(isinstance(each, str) and _HASH.fullmatch(each) for each in hashes):
            raise InvalidRecord("invalid_field", "idempotency is not a key's hash and a body's")
        return cls(*map(str, hashes))


# The current keyed request; None outside of a request and for a request without a key.
keyed_request: ContextVar[KeyedRequest | None] = ContextVar("keyed_request", default=None)


@contextmanager
def keyed_request_scope(keyed: KeyedRequest) -> Iterator[None]:
    """Set the current keyed request; exchanges created in the block carry its key."""
    token = keyed_request.set(keyed)
    try:
        yield
    finally:
        keyed_request.reset(token)
