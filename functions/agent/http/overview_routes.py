"""The route for a page that watches a memory: all parts in one response, so that one poll is enough."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import FastAPI, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from functions.agent.callers import Caller
from functions.agent.http.auth import RequestCaller, require_user
from functions.agent.http.inspection_routes import (
    read_thread_layers,
    require_operator,
    status_json,
    uncached_json,
)
from functions.agent.http.problems import problem_of
from functions.agent.http.thread_json import thread_json
from functions.agent.operations import Operations
from functions.agent.schemas import MAX_PAGE, Id
from shared.errors import HybridMemoryError
from shared.models import format_time
from shared.request_ids import current_request_id

_PARTS: Final = ("stores", "thread", "backlog", "threads", "preferences", "memories")
_PART: Final = f"({'|'.join(_PARTS)})"


class OverviewQuery(BaseModel):
    """Query of `GET /overview`. Without a token the user id is required. `thread` needs the thread's id."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id | None = None
    thread_id: Id | None = None
    # A list would be sent as a repeated parameter, which the API refuses, because gateways treat it differently.
    include: str = Field(
        default=",".join(_PARTS),
        pattern=f"^{_PART}(,{_PART})*$",
        max_length=200,
        description="Parts, separated by commas.",
    )
    messages: int = Field(default=20, ge=1, le=MAX_PAGE, description="Maximum messages of the thread from each store.")
    threads: int = Field(default=50, ge=1, le=MAX_PAGE, description="Maximum threads, the newest first.")


def add_overview_routes(app: FastAPI, operations: Operations, operator_scope: str) -> None:
    """Add the route."""

    @app.get("/overview")
    async def read_overview(query: Annotated[OverviewQuery, Query()], caller: RequestCaller) -> Response:
        """Return what a page shows beside a conversation: the stores, a thread, the backlog, and the user's data.

        A part that cannot be read does not affect the others.
        """
        user_id = require_user(caller.resolve_user(query.user_id, "query"), "query")
        return uncached_json(_Overview(operations, operator_scope, caller).read(user_id, query))


class _Overview:
    """Reads the parts of an overview for a caller."""

    def __init__(self, operations: Operations, operator_scope: str, caller: Caller) -> None:
        self._operations = operations
        self._operator_scope = operator_scope
        self._caller = caller

    def read(self, user_id: str, query: OverviewQuery) -> dict[str, Any]:
        """Return the parts that the query includes, and a problem for each one that cannot be read."""
        thread_id = query.thread_id
        parts: dict[str, Callable[[], Any]] = {
            "stores": self._stores,
            "backlog": self._backlog,
            "threads": lambda: self._threads(user_id, query.threads),
            "preferences": lambda: self._operations.users.preferences(user_id),
            "memories": lambda: self._memories(user_id),
        }
        if thread_id is not None:
            owner = self._caller.owner
            parts["thread"] = lambda: read_thread_layers(self._operations, thread_id, query.messages, owner)
        included = query.include.split(",")
        answer: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        for name, read in parts.items():
            if name not in included:
                continue
            try:
                answer[name] = read()
            except (HybridMemoryError, HTTPException) as error:
                problems[name] = problem_of(error, "read_overview", "GET").to_json(current_request_id() or "")
        return {**answer, "problems": problems, "as_of": format_time(datetime.now(UTC))}

    def _stores(self) -> dict[str, Any]:
        return {
            name: {
                "state": layer.state,
                "responded_at": None if layer.responded_at is None else format_time(layer.responded_at),
            }
            for name, layer in self._operations.health.check().items()
        }

    def _backlog(self) -> dict[str, Any]:
        require_operator(self._caller, self._operator_scope)
        return status_json(self._operations.inspection.backlog_status())

    def _threads(self, user_id: str, limit: int) -> dict[str, Any]:
        page = self._operations.threads.list_for(user_id, limit, None)
        return {"items": [thread_json(thread) for thread in page.items], "next_cursor": page.next_cursor}

    def _memories(self, user_id: str) -> dict[str, str]:
        """Return a version that changes with the user's current memories."""
        items = self._operations.memories.list_for(user_id).items
        return {"version": hashlib.sha256(orjson.dumps(items, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]}
