"""The idempotency key of the request that is being answered: what its exchange carries wherever it goes."""

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
    """A request that has an `Idempotency-Key`.

    Attributes:
        key: The hash by which the layers know the key.
        body_hash: Of the request's body: another body under the same key is refused.
    """

    key: str
    body_hash: str

    def to_json(self) -> dict[str, str]:
        """Return it as an exchange's wire record has it."""
        return {"key": self.key, "body_hash": self.body_hash}

    @classmethod
    def from_json(cls, given: object) -> Self | None:
        """Read it from a wire record; None where there is none.

        Raises:
            InvalidRecord: It is none that a sender makes.
        """
        if given is None:
            return None
        fields = given if isinstance(given, dict) else {}
        hashes = [fields.get(name) for name in ("key", "body_hash")]
        if not all(isinstance(each, str) and _HASH.fullmatch(each) for each in hashes):
            raise InvalidRecord("invalid_field", "idempotency is not a key's hash and a body's")
        return cls(*map(str, hashes))


# The keyed request that this code works for; None if it has no key, and outside of one.
keyed_request: ContextVar[KeyedRequest | None] = ContextVar("keyed_request", default=None)


@contextmanager
def serving_key(keyed: KeyedRequest) -> Iterator[None]:
    """Work for a keyed request: the exchanges that are made in the block carry its key."""
    token = keyed_request.set(keyed)
    try:
        yield
    finally:
        keyed_request.reset(token)
