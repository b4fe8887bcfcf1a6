"""Statements: what one exchange says about its user, and the interface of everything that finds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from shared.models import Role

# The bits of a UUID's version and variant. Before Python 3.14, `UUID` does not set them for version 8.
_VERSION_BITS: Final = 0xF000 << 64 | 0xC000 << 48
_VERSION_8: Final = 0x8000 << 64 | 0x8000 << 48
Kind = Literal["preference", "fact", "summary"]
SUMMARY_SLOT: Final = "summary"
"""The slot of all statements of the kind `summary`."""
FREE_SLOT: Final = "fact:"
"""How the slot of a fact begins whose wording is free, as a model or a user gives it."""
MAX_SLOT: Final = 255
"""The maximum number of characters of a slot."""
ENDED: Final = "!"
"""What precedes a value that a statement says has ended."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that an exchange says.

    Attributes:
        kind: `preference`, `fact`, or `summary` for a sentence of the thread's summary.
        slot: What the statement is about, such as `home`, `units` or `likes:sushi`. A slot has one value at a time: a
            newer statement of a slot replaces the older ones.
        value: The value in a normalised form. Two statements with the same slot and value say the same. `!rome` says
            that the value `rome` has ended ("I no longer live in Rome"), and nothing of any other value. '' says that
            the slot's value has ended, whatever it is.
        text: What people read, such as `Lives in Rome`. For a preference, it is the value, such as `metric`.
        quote: The words of the exchange that say this, byte for byte.
        role: Whose message has the quote.
        valid_from: From when this is true; None for the time of the exchange.
    """

    kind: Kind
    slot: str
    value: str
    text: str
    quote: str
    role: Role = "user"
    valid_from: datetime | None = None

    @property
    def is_end(self) -> bool:
        """Whether it only says that a value has ended."""
        return not self.value or self.value.startswith(ENDED)


class SourceExchange(NamedTuple):
    """An exchange that statements are derived from. Relative dates count from `created_at`."""

    user_message: str
    assistant_message: str
    created_at: datetime


class Deriver(Protocol):
    """Finds statements in exchanges: by rules, or by a model."""

    @property
    def name(self) -> str:
        """The name and the version. A change of the name derives all exchanges again."""
        ...

    def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return each exchange's preferences and facts. The caller drops what the gates refuse.

        Args:
            exchanges: Exchanges of one thread, oldest first.

        Raises:
            StoreUnavailable: The model does not respond.
        """
        ...

    def summarize(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return each exchange's sentences of the thread's summary. The caller drops what the gates refuse.

        Raises:
            StoreUnavailable: The model does not respond.
        """
        ...


def statement_id(thread_id: str, exchange_id: UUID, revision: int, statement: Statement) -> UUID:
    """Return the id of a statement of a stored exchange. The same exchange gives the same id at each derivation."""
    return id_from(thread_id, str(exchange_id), revision, statement.kind, statement.slot, statement.value)


def id_from(*parts: str | int) -> UUID:
    """Return the id that is made from these parts: a UUID of version 8 (RFC 9562)."""
    number = int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:16])
    return UUID(int=number & ~_VERSION_BITS | _VERSION_8)
