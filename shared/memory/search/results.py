"""The results of a search."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

from shared.models import Exchange, format_time

Arm = Literal["text", "vector"]
# The layer that `degraded` names if a search did not look at everything.
SEARCH: Final = "search"


@dataclass(frozen=True, slots=True)
class Highlight:
    """A part of a message that matches the query.

    Attributes:
        field: `user_message` or `assistant_message`.
        start: The index of the first character (Unicode code point).
        end: The index after the last character.
    """

    field: str
    start: int
    end: int

    def to_json(self) -> dict[str, Any]:
        """Return the API's JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SearchItem:
    """A found exchange.

    Attributes:
        title: The thread's title.
        score: From 0 to 1, comparable within one answer.
    """

    exchange: Exchange
    title: str | None
    score: float

    def to_json(self) -> dict[str, Any]:
        """Return the API's JSON, without the highlights."""
        return {
            "kind": "exchange",
            "thread_id": self.exchange.thread_id,
            "title": self.title,
            "exchange_id": str(self.exchange.exchange_id),
            "created_at": format_time(self.exchange.created_at),
            "user_message": self.exchange.user_message,
            "assistant_message": self.exchange.assistant_message,
            "score": self.score,
        }


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The answer to a search.

    Attributes:
        items: The best first.
        arms: How the exchanges were searched.
        searched_up_to: Every exchange that was accepted up to this time was looked at; None if that is unknown.
        degraded: Layers that did not respond. It contains `search` if the search did not look at everything.
        terms: The terms of the query, which `highlights_of` marks in an item.
    """

    items: list[SearchItem]
    arms: list[Arm]
    searched_up_to: datetime | None
    degraded: list[str]
    terms: Collection[str] = ()
