"""What is known about a user, as frozen dataclasses. Fields of newer API versions are ignored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from hybrid_memory_client._json import Json, to_time, to_uuid

ExplicitKind = Literal["preference", "fact"]
MemoryKind = Literal["preference", "fact", "summary"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The words of an exchange that a memory is learned from. A message of the exchange contains `quote` exactly."""

    thread_id: str
    exchange_id: UUID
    quote: str

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(body["thread_id"], UUID(body["exchange_id"]), body["quote"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Something that is known about a user.

    Attributes:
        kind: `summary` is the summary of a long thread's older exchanges.
        key: The name of a preference; None for other kinds.
        text: What people read. For a preference, it is the value.
        valid_from: From when it is true.
        valid_to: Until when it was true; None if no end is known.
        superseded_by: The id of the memory that replaced it; None if there is none.
        evidence: The newest exchanges that say it, newest first; empty for an explicit memory.
        source: Whether it was learned from exchanges or set explicitly.
        raw: The API's JSON, including fields that this version of the client does not know.
    """

    id: UUID
    kind: MemoryKind
    key: str | None = None
    text: str
    valid_from: datetime
    valid_to: datetime | None = None
    superseded_by: UUID | None = None
    evidence: tuple[Evidence, ...] = ()
    source: Literal["learned", "explicit"]
    created_at: datetime
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(**_fields(body))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMemory(Memory):
    """A memory that a search found.

    Attributes:
        score: The part of the query's words that the memory and its quotes contain, from 0 to 1.
    """

    score: float

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(**_fields(body), score=body["score"])


@dataclass(frozen=True, slots=True)
class Memories:
    """A page of what is known about a user, the newest first.

    Attributes:
        omitted: The number of requested memories that did not fit into the response. They are on the next pages.
        degraded: Layers that did not respond. Without PostgreSQL, summaries are missing, and there is no next page.
        next_cursor: The start of the next page; None on the last page, and from services before it had pages.
    """

    items: tuple[Memory, ...]
    omitted: int = 0
    degraded: tuple[str, ...] = ()
    next_cursor: str | None = None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        items = tuple(Memory.from_json(each) for each in body["items"])
        return cls(items, body["omitted"], tuple(body["degraded"]), body.get("next_cursor"))

    def __iter__(self) -> Iterator[Memory]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def _fields(body: Json) -> dict[str, Any]:
    return {
        "id": UUID(body["id"]),
        "kind": body["kind"],
        "key": body.get("key"),
        "text": body["text"],
        "valid_from": datetime.fromisoformat(body["valid_from"]),
        "valid_to": to_time(body.get("valid_to")),
        "superseded_by": to_uuid(body.get("superseded_by")),
        "evidence": tuple(Evidence.from_json(each) for each in body["evidence"]),
        "source": body["source"],
        "created_at": datetime.fromisoformat(body["created_at"]),
        "raw": body,
    }
