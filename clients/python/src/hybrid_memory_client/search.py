"""The response of `POST /search`, as frozen dataclasses. Fields and kinds of newer API versions are ignored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Self
from uuid import UUID

from hybrid_memory_client._json import Json, to_time
from hybrid_memory_client.memories import FoundMemory

MessageField = Literal["user_message", "assistant_message"]
# The entry of `degraded` for a search that did not look at everything.
_SEARCH: Final = "search"
_EXCHANGE: Final = "exchange"
_MEMORIES: Final = frozenset({"preference", "fact", "summary"})


@dataclass(frozen=True, slots=True)
class Highlight:
    """A part of a message that matches the query: `text[start:end]` of a Python string.

    Attributes:
        field: The message, as the name of the item's attribute.
        start: The index of the first character.
        end: The index after the last character.
    """

    field: MessageField
    start: int
    end: int

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(body["field"], body["start"], body["end"])


@dataclass(frozen=True, slots=True)
class SearchItem:
    """A found exchange.

    Attributes:
        kind: Always `exchange`.
        title: The thread's title.
        created_at: When the exchange was accepted, with its time zone.
        score: From 0 to 1, comparable with the other scores of the same result.
        highlights: The parts of both messages that match the query.
        raw: The API's JSON, including fields that this version of the client does not know.
    """

    kind: str
    thread_id: str
    title: str | None
    exchange_id: UUID
    created_at: datetime
    user_message: str
    assistant_message: str
    score: float
    highlights: tuple[Highlight, ...] = ()
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            kind=body["kind"],
            thread_id=body["thread_id"],
            title=body["title"],
            exchange_id=UUID(body["exchange_id"]),
            created_at=datetime.fromisoformat(body["created_at"]),
            user_message=body["user_message"],
            assistant_message=body["assistant_message"],
            score=body["score"],
            highlights=tuple(Highlight.from_json(each) for each in body["highlights"]),
            raw=body,
        )


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search.

    Attributes:
        items: The found exchanges, the best first.
        memories: The found memories, the best first; empty unless `kinds` requested them.
        arms: How the exchanges were searched: `text`, `vector`.
        searched_up_to: Every exchange that was accepted up to this time was looked at; None if this time is unknown.
        degraded: Layers that did not respond. It contains `search` if the search did not look at everything.
        raw: The API's JSON, including items of other kinds.
    """

    items: tuple[SearchItem, ...]
    memories: tuple[FoundMemory, ...]
    arms: tuple[str, ...]
    searched_up_to: datetime | None
    degraded: tuple[str, ...] = ()
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            items=tuple(SearchItem.from_json(each) for each in body["items"] if each["kind"] == _EXCHANGE),
            memories=tuple(FoundMemory.from_json(each) for each in body["items"] if each["kind"] in _MEMORIES),
            arms=tuple(body["arms"]),
            searched_up_to=to_time(body["searched_up_to"]),
            degraded=tuple(body["degraded"]),
            raw=body,
        )

    @property
    def is_complete(self) -> bool:
        """Whether the search looked at everything, so that no items mean that nothing matches."""
        return _SEARCH not in self.degraded

    def __iter__(self) -> Iterator[SearchItem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
