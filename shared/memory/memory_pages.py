"""Pages of a user's memories. They are computed for each request, so a cursor names a position in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.learning.fold import Position
from shared.learning.memories import Memory
from shared.memory.cursors import decode, encode, parse_moment
from shared.memory.sizes import fit_to_event
from shared.models import format_time


@dataclass(frozen=True, slots=True)
class MemoryPage:
    """A page of a user's memories, the newest first.

    Attributes:
        items: The API's JSON of each memory.
        omitted: The number of requested memories that do not fit into the response. They are on the next pages.
        next_cursor: The start of the next page; None on the last page, and if PostgreSQL did not respond.
        degraded: Layers that did not respond. Without PostgreSQL, only current memories are listed.
    """

    items: Sequence[dict[str, Any]]
    omitted: int
    next_cursor: str | None
    degraded: list[str] = field(default_factory=list)


class MemoryPages:
    """The pages of a user's current memories, or of all.

    A memory that is added, ends or is deleted between two pages changes no position of another one.
    """

    def __init__(self, user_id: str, *, include_superseded: bool) -> None:
        self._list_name = f"memories:{'all' if include_superseded else 'current'}:{user_id}"
        self._include_superseded = include_superseded

    def position_in(self, cursor: str) -> Position:
        """Return the position of the last memory of the page before.

        Raises:
            InvalidCursor: The cursor does not belong to this list.
        """
        return Position(*decode(self._list_name, cursor, parse_moment, UUID, UUID))

    def page(
        self,
        memories: Sequence[tuple[Position, Memory]],
        limit: int | None,
        after: Position | None,
        now: datetime,
    ) -> MemoryPage:
        """Return a page.

        Args:
            memories: All memories of the user, the newest first.
            limit: Maximum number of items; None for as many as fit.
            after: The position of the last memory of the page before; None for the first page.
            now: The current time, at which memories are current.
        """
        listed = [
            (position, memory)
            for position, memory in memories
            if (after is None or position < after) and (self._include_superseded or memory.is_current(now))
        ]
        items, omitted = _first_fitting([memory.to_json() for _, memory in listed[:limit]])
        if len(items) == len(listed):
            return MemoryPage(items, omitted, None)
        said_at, order, memory_id = listed[len(items) - 1][0]
        next_cursor = encode(self._list_name, [format_time(said_at), str(order), str(memory_id)])
        return MemoryPage(items, omitted, next_cursor)


def cached_page(items: Sequence[dict[str, Any]], limit: int | None, missing_layer: str) -> MemoryPage:
    """Return the first page of the memories in Redis. All that are not on it are omitted."""
    shown, _ = _first_fitting(items[:limit])
    return MemoryPage(shown, len(items) - len(shown), None, [missing_layer])


def _first_fitting(items: Sequence[dict[str, Any]]) -> tuple[Sequence[dict[str, Any]], int]:
    """Return the first items that fit into a response, at least one, and the number of the others."""
    shown = items[: max(1, fit_to_event(items, dict))]
    return shown, len(items) - len(shown)
