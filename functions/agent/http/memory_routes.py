"""The routes of a user's memories: what was learned, and what was set explicitly."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Response

from functions.agent.http.auth import AuthorizedUser
from functions.agent.http.json_body import json_response
from functions.agent.operations import Operations
from functions.agent.schemas import CorrectionRequest, MemoriesQuery, MemoryPath, MemoryRequest


def add_memory_routes(app: FastAPI, operations: Operations) -> None:
    """Add the routes."""

    @app.get("/users/{user_id:path}/memories")
    async def list_memories(user_id: AuthorizedUser, query: Annotated[MemoriesQuery, Query()]) -> Response:
        """List what is known about a user, the newest first."""
        page = operations.memories.page(user_id, query.limit, query.cursor, include_superseded=query.include_superseded)
        return json_response(
            {
                "items": page.items,
                "omitted": page.omitted,
                "next_cursor": page.next_cursor,
                "degraded": page.degraded,
            }
        )

    @app.post("/users/{user_id:path}/memories", status_code=201)
    async def add_memory(user_id: AuthorizedUser, request: MemoryRequest) -> Response:
        """Set a memory explicitly. It takes the place of what was learned about the same."""
        return json_response(operations.memories.add(user_id, request.kind, request.text, request.key), 201)

    @app.delete("/users/{user_id:path}/memories", status_code=204)
    async def delete_memories(user_id: AuthorizedUser) -> Response:
        """Delete all memories of a user. They are not learned again from earlier exchanges."""
        operations.memories.forget_all(user_id)
        return Response(status_code=204)

    @app.get("/users/{user_id:path}/memories/{memory_id}")
    async def read_memory(user_id: AuthorizedUser, memory_id: MemoryPath) -> Response:
        """Read one memory, even if it was superseded."""
        return json_response(operations.memories.get(user_id, memory_id))

    @app.patch("/users/{user_id:path}/memories/{memory_id}")
    async def correct_memory(user_id: AuthorizedUser, memory_id: MemoryPath, request: CorrectionRequest) -> Response:
        """Replace a memory's text. The memory is explicit from then on, and the old text is not learned again."""
        return json_response(operations.memories.correct(user_id, memory_id, request.text))

    @app.delete("/users/{user_id:path}/memories/{memory_id}", status_code=204)
    async def delete_memory(user_id: AuthorizedUser, memory_id: MemoryPath) -> Response:
        """Delete a memory. It is not learned again from earlier exchanges."""
        operations.memories.forget(user_id, memory_id)
        return Response(status_code=204)
