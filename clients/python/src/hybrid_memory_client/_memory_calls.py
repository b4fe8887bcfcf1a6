"""The routes of a user's memories as data, as `_calls` has the other routes."""

from __future__ import annotations

from uuid import UUID

from hybrid_memory_client._call import Call
from hybrid_memory_client._calls import parse_no_content, path_segment, user_path, without_none
from hybrid_memory_client.memories import ExplicitKind, Memories, Memory


def list_memories(
    user_id: str,
    include_superseded: bool,  # noqa: FBT001 - the client's argument
    limit: int | None,
    cursor: str | None,
) -> Call[Memories]:
    """`GET /users/{user_id}/memories`."""
    superseded = "true" if include_superseded else None
    query = without_none({"include_superseded": superseded, "limit": limit, "cursor": cursor})
    return Call("GET", _path(user_id), lambda response: Memories.from_json(response.json()), query=query)


def add_memory(user_id: str, text: str, kind: ExplicitKind | None, key: str | None) -> Call[Memory]:
    """`POST /users/{user_id}/memories`. The same memory twice is one, so a retry has no second effect."""
    body = without_none({"text": text, "kind": kind, "key": key})
    return Call("POST", _path(user_id), lambda response: Memory.from_json(response.json()), body)


def read_memory(user_id: str, memory_id: UUID | str) -> Call[Memory]:
    """`GET /users/{user_id}/memories/{memory_id}`."""
    return Call("GET", _path(user_id, memory_id), lambda response: Memory.from_json(response.json()))


def correct_memory(user_id: str, memory_id: UUID | str, text: str) -> Call[Memory]:
    """`PATCH /users/{user_id}/memories/{memory_id}`."""
    path = _path(user_id, memory_id)
    return Call("PATCH", path, lambda response: Memory.from_json(response.json()), {"text": text})


def delete_memory(user_id: str, memory_id: UUID | str) -> Call[None]:
    """`DELETE /users/{user_id}/memories/{memory_id}`."""
    return Call("DELETE", _path(user_id, memory_id), parse_no_content, is_deletion=True)


def delete_memories(user_id: str) -> Call[None]:
    """`DELETE /users/{user_id}/memories`."""
    return Call("DELETE", _path(user_id), parse_no_content, is_deletion=True)


def _path(user_id: str, memory_id: UUID | str | None = None) -> str:
    path = f"{user_path(user_id)}/memories"
    return path if memory_id is None else f"{path}/{path_segment('memory_id', str(memory_id))}"
