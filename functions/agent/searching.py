"""Searches for requests: the route and the direct invocation share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi.exceptions import RequestValidationError

from functions.agent.schemas import RunRequest, SearchRequest
from shared.errors import StoreUnavailable
from shared.memory.learned import LearnedMemories
from shared.memory.ownership import Access
from shared.memory.search.highlights import highlights_of
from shared.memory.search.related import Related
from shared.memory.search.results import SEARCH, SearchAnswer, SearchItem
from shared.memory.search.search import Search
from shared.memory.sizes import fit_to_event
from shared.memory.turn import Turn
from shared.models import format_time
from shared.stores.search import SearchScope


class Searching:
    """Searches a user's exchanges and memories."""

    def __init__(self, search: Search, memories: LearnedMemories, *, adds_related: bool) -> None:
        self._search = search
        self._memories = memories
        self._adds_related = adds_related

    def search(self, request: SearchRequest, _: Access = "open") -> dict[str, Any]:
        """Search a user's exchanges. It reads only the user's own threads, whatever the access.

        Raises:
            RequestValidationError: The request names no user.
        """
        if request.user_id is None:
            raise RequestValidationError([{"type": "missing", "loc": ("body", "user_id"), "msg": "Field required"}])
        scope = SearchScope(request.user_id, request.thread_id, request.exclude_thread_id, request.since, request.until)
        answer = SearchAnswer([], ["text"], None, [])
        if "exchange" in request.kinds:
            answer = self._search.search(scope, request.query, request.limit)
        memories: list[dict[str, Any]] = []
        if "memory" in request.kinds:
            try:
                memories = self._memories.matching(request.user_id, request.query, request.limit)
            except StoreUnavailable:
                answer = replace(answer, degraded=list(dict.fromkeys([*answer.degraded, SEARCH])))
        return search_json(answer, memories, request.limit)

    def related_to(self, turn: Turn, query: str | None, exclude_thread_id: str | None = None) -> Related:
        """Return the exchanges of the turn's user that are related to a query."""
        window = len(turn.recall().messages) // 2
        return self._search.related(turn.user_id, query, turn.thread_id, window, exclude_thread_id)

    def related_to_run(self, turn: Turn, request: RunRequest) -> Related:
        """Return the exchanges that are related to a run's prompt, if `MEMORY__RELATED` is on."""
        if not self._adds_related:
            return Related()
        # A replaced turn must not see its own old texts or later exchanges of its thread.
        return self.related_to(turn, request.prompt, request.thread_id if request.replaces is not None else None)


def search_json(answer: SearchAnswer, memories: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Return the response to a search. It has the best items that fit into a response."""
    found = [*memories, *(_item_json(item, answer) for item in answer.items)]
    items = sorted(found, key=lambda item: item["score"], reverse=True)[:limit]
    return {
        "items": items[: fit_to_event(items, dict)],
        "arms": answer.arms,
        "searched_up_to": None if answer.searched_up_to is None else format_time(answer.searched_up_to),
        "degraded": answer.degraded,
    }


def _item_json(item: SearchItem, answer: SearchAnswer) -> dict[str, Any]:
    highlights = highlights_of(item.exchange, answer.terms)
    return {**item.to_json(), "highlights": [each.to_json() for each in highlights]}
