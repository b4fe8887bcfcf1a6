"""Whose threads are, in Redis: what PostgreSQL said, at hand in the round trips that are made anyway.

Said after one deletion of the thread it does not hold after the next: so it is kept with the order key of the deletion
it was said after, and counts only while the thread's tombstone is no newer; and only in the generation it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from shared.stores.archive import ThreadOwner
from shared.stores.cache import Fence
from shared.stores.redis.connection import Pipeline
from shared.stores.redis.names import owner_key, tombstone_key


def queue_owner(pipe: Pipeline, thread_id: str, owner: ThreadOwner, ttl: int, generation: str | None) -> None:
    """Queue that PostgreSQL's word is remembered; one reply."""
    cutoff = None if owner.cutoff is None else str(owner.cutoff)
    pipe.set(owner_key(thread_id), orjson.dumps([owner.user_id, cutoff, generation]), ex=ttl)


def decode_owner(reply: bytes | None, tombstone: UUID | None, generation: str | None) -> tuple[str | None, bool]:
    """Return whose the thread is, and whether that is known."""
    try:
        user_id, cutoff, named = orjson.loads(reply or b"null")
        said_after = None if cutoff is None else UUID(cutoff)
    except (TypeError, ValueError, AttributeError):
        # Nothing, or another release's or program's making.
        return None, False
    if generation is None or named != generation:
        return None, False
    if tombstone is not None and (said_after is None or said_after < tombstone):
        return None, False
    return (user_id, True) if user_id is None or isinstance(user_id, str) else (None, False)


def queue_fence(pipe: Pipeline, thread_id: str, fence: Fence, ttl: int, generation: str | None) -> None:
    """Queue the question whether a fence holds, last in a pipeline; `read_fence` takes the last two replies."""
    if fence.told is not None:
        queue_owner(pipe, thread_id, fence.told, ttl, generation)
    else:
        pipe.expire(owner_key(thread_id), ttl)
    pipe.get(owner_key(thread_id))
    pipe.get(tombstone_key(thread_id))


def read_fence(fence: Fence, replies: Sequence[Any], generation: str | None) -> None:
    """Tell a fence whether it holds."""
    owner, tombstone = replies
    found, is_known = decode_owner(owner, UUID(tombstone.decode()) if tombstone else None, generation)
    fence.holds = is_known and found == fence.owner
