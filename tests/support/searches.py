"""Searches for agents in tests."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from shared.memory.search.results import SearchAnswer, SearchItem
from shared.models import Exchange


def no_search(user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> SearchAnswer:  # noqa: ARG001 - the parameters of a search
    """Find nothing."""
    return found()


def found(*items: SearchItem, degraded: tuple[str, ...] = ()) -> SearchAnswer:
    """Return the answer to a search with these items."""
    return SearchAnswer(list(items), ["text"], None, list(degraded))


def item(
    user_message: str,
    assistant_message: str,
    title: str | None = None,
    moment: datetime = datetime(2026, 7, 1, tzinfo=UTC),
) -> SearchItem:
    """Return a found exchange."""
    return SearchItem(Exchange(uuid4(), "old", "ana", user_message, assistant_message, moment), title, 1.0)
