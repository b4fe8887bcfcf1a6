"""What is stored of a user's memories, and the memories that are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from shared.ids import timestamp_of
from shared.learning.statements import Kind, Statement
from shared.models import format_time

MAX_MEMORY_TEXT: Final = 500
MAX_EXPLICIT: Final = 1_000
"""The maximum number of memories that a user sets explicitly."""
# The newest evidence is shown: a user may have said the same a thousand times. A summary shows all quotes.
_MAX_EVIDENCE: Final = 10


def summary_slot(thread_id: str) -> str:
    """Return the slot of a thread's summary among the user's memories."""
    return f"summary:{thread_id}"


def slot_of(statement: Statement, thread_id: str) -> str:
    """Return a statement's slot among the user's memories. All sentences of a thread's summary have the same."""
    return summary_slot(thread_id) if statement.kind == "summary" else statement.slot


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A statement and the stored exchange that makes it.

    Attributes:
        said_at: The time of the exchange; the caller's time for an import.
        accepted_at: When the exchange was accepted. A deletion of a memory reaches what was accepted before it.
        order: The order key of the exchange.
        revision: The exchange's revision.
    """

    statement_id: UUID
    statement: Statement
    thread_id: str
    exchange_id: UUID
    said_at: datetime
    accepted_at: datetime
    order: UUID
    revision: int = 0

    @property
    def slot(self) -> str:
        """Its slot among the user's memories."""
        return slot_of(self.statement, self.thread_id)

    @property
    def valid_from(self) -> datetime:
        """From when the statement is true."""
        return self.statement.valid_from or self.said_at


@dataclass(frozen=True, slots=True)
class ExplicitMemory:
    """A memory that was set explicitly. It is stronger than every statement of its slot.

    Attributes:
        memory_id: None for an entry of the user's preferences, which is no memory itself.
        set_at: When it was set or corrected.
    """

    memory_id: UUID | None
    kind: Kind
    slot: str
    text: str
    created_at: datetime
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A memory that was deleted or corrected: keyed hashes, and when it was said. It does not contain the value.

    Statements that were accepted up to `deleted_at` are refused if they have this slot, and this value or an order key
    from `first` up to `last`. A model may word the same value in another way, so the order counts, too.

    Other records have the hash of an exchange instead of a slot, and the hash of a statement that may still be learned
    from it; see `Forgetting.of_learned`.

    Attributes:
        slot_hash: The keyed hash of the slot.
        value_hash: The keyed hash of slot and value; empty if the whole slot was deleted.
        first: The order key of the first exchange that said it.
        last: The highest order key before the next value was said.
        deleted_at: The time of the deletion.
    """

    slot_hash: bytes
    value_hash: bytes
    first: UUID
    last: UUID
    deleted_at: datetime

    @property
    def said_from(self) -> datetime:
        """When it was said first."""
        return timestamp_of(self.first)


class Evidence(NamedTuple):
    """The words of an exchange that a memory is learned from."""

    thread_id: str
    exchange_id: UUID
    quote: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Something that is known about a user.

    Attributes:
        slot: What it is about; see `slot_of`.
        valid_from: From when it is true.
        valid_to: Until when it was true; None if no end is known.
        superseded_by: The memory that replaced it; None if there is none.
        evidence: The exchanges that say it, newest first; empty for an explicit memory.
    """

    memory_id: UUID
    kind: Kind
    slot: str
    text: str
    valid_from: datetime
    valid_to: datetime | None
    superseded_by: UUID | None
    evidence: tuple[Evidence, ...]
    source: Literal["learned", "explicit"]
    created_at: datetime

    @property
    def key(self) -> str | None:
        """The name of a preference; None for other kinds."""
        return self.slot.partition(":")[0] if self.kind == "preference" else None

    def is_current(self, now: datetime) -> bool:
        """Return whether it has not ended. It may start in the future, unless it has ended before its start."""
        return self.valid_to is None or self.valid_to > max(now, self.valid_from)

    def to_json(self) -> dict[str, Any]:
        """Return the API's JSON, with `key`, `valid_to` and `superseded_by` only if there are any."""
        optional: dict[str, Any] = {
            "key": self.key,
            "valid_to": None if self.valid_to is None else format_time(self.valid_to),
            "superseded_by": None if self.superseded_by is None else str(self.superseded_by),
        }
        return {
            "id": str(self.memory_id),
            "kind": self.kind,
            "text": self.text,
            "valid_from": format_time(self.valid_from),
            **{name: value for name, value in optional.items() if value is not None},
            "evidence": [
                {"thread_id": each.thread_id, "exchange_id": str(each.exchange_id), "quote": each.quote}
                for each in (self.evidence if self.kind == "summary" else self.evidence[:_MAX_EVIDENCE])
            ],
            "source": self.source,
            "created_at": format_time(self.created_at),
        }
