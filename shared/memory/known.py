"""What a turn knows about its user, from Redis or PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from shared.errors import StoreUnavailable
from shared.learning.fold import memories_of
from shared.learning.memories import Memory, summary_slot
from shared.memory.memory import Memory as Stores
from shared.memory.messages import add_layer
from shared.stores.cache import CachedMemories, CacheRead


@dataclass(frozen=True, slots=True)
class KnownMemories:
    """What a turn knows about its user.

    Attributes:
        items: The API's JSON of each current memory, the newest first; without summaries.
        summary: The API's JSON of the summary of the turn's thread; None without one.
    """

    items: Sequence[dict[str, Any]] = ()
    summary: dict[str, Any] | None = None


NOTHING_KNOWN: Final = KnownMemories()


def load_memories(
    stores: Stores, user_id: str, thread_id: str | None, cached: CacheRead | None, degraded: list[str]
) -> KnownMemories:
    """Return what is known about a user from Redis if it has all, otherwise from PostgreSQL, and refill Redis."""
    now = datetime.fromtimestamp(stores.now(), UTC)
    if cached is not None and cached.memories is not None and (thread_id is None or cached.memories.summary):
        return parsed(cached.memories, now)
    try:
        token = None
        if cached is not None and not cached.state.refuses_writes:
            token = _start_refill(stores, user_id, degraded)
        window = stores.settings.max_thread_messages
        memories = memories_of(stores.archive.knowledge(user_id, window, thread_id))
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return KnownMemories() if cached is None or cached.memories is None else parsed(cached.memories, now)
    texts = _to_cache(memories, thread_id, now)
    if token is not None:
        _refill(stores, user_id, token, texts, degraded)
    return parsed(CachedMemories(texts["current"], texts[_summary_field(thread_id)]), now)


def _start_refill(stores: Stores, user_id: str, degraded: list[str]) -> str | None:
    try:
        return stores.cache.start_refill(user_id)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return None


def _refill(stores: Stores, user_id: str, token: str, texts: Mapping[str, str], degraded: list[str]) -> None:
    try:
        stores.cache.refill_memories(user_id, token, texts)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)


def _summary_field(thread_id: str | None) -> str:
    return f"summary:{thread_id or ''}"


def _to_cache(memories: Sequence[Memory], thread_id: str | None, now: datetime) -> dict[str, str]:
    """Return the fields of the user's hash in Redis. A thread without a summary has `null`."""
    current = [each.to_json() for each in memories if each.is_current(now)]
    slot = summary_slot(thread_id or "")
    summary = next((each.to_json() for each in memories if each.slot == slot), None)
    return {
        "current": orjson.dumps([each for each in current if each["kind"] != "summary"]).decode(),
        _summary_field(thread_id): orjson.dumps(summary).decode(),
    }


def parsed(cached: CachedMemories, now: datetime) -> KnownMemories:
    """Return what Redis has of a user's memories, without those that have ended since."""
    items = [each for each in orjson.loads(cached.current) if _is_current(each, now)]
    return KnownMemories(items, orjson.loads(cached.summary) if cached.summary else None)


def _is_current(memory: Mapping[str, Any], now: datetime) -> bool:
    valid_to = memory.get("valid_to")
    return valid_to is None or datetime.fromisoformat(valid_to) > now
