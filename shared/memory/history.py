"""A turn's reads: Redis in one round trip, and PostgreSQL if Redis is incomplete."""

from __future__ import annotations

from shared.errors import StoreUnavailable
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.memory.ownership import Access
from shared.memory.recall import History
from shared.memory.refill import load_from_archive
from shared.models import Source
from shared.stores.cache import CacheRead


def read_cache(
    memory: Memory, thread_id: str | None, user_id: str | None, degraded: list[str], *, has_memories: bool = False
) -> CacheRead | None:
    """Return Redis' data; None if Redis did not respond."""
    try:
        cached = memory.cache.read(thread_id, user_id, has_memories=has_memories)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return None
    if cached.state.refuses_writes:
        add_layer(degraded, "redis")
    memory.set_clock(cached.state.clock)
    return cached


def load_preferences(
    memory: Memory, user_id: str, cached: CacheRead | None, degraded: list[str]
) -> tuple[dict[str, str], Source]:
    """Return a user's preferences from Redis if it has all of them, otherwise from PostgreSQL, and refill Redis."""
    redis_data = cached or CacheRead()
    if redis_data.has_all_preferences:
        return redis_data.preferences, "redis"

    def refill(preferences: dict[str, str]) -> None:
        try:
            memory.cache.set_preferences(user_id, preferences)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)

    try:
        accepts_writes = cached is not None and not cached.state.refuses_writes
        return memory.archive.preferences(user_id, refill if accepts_writes else None), "postgres"
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        # A Redis that was restored from an old copy may have the preferences of a deleted user.
        preferences = redis_data.preferences if redis_data.state.suspect_until is None else {}
        return preferences, "redis"


def load_history(
    memory: Memory,
    thread_id: str,
    user_id: str | None,
    access: Access,
    cached: CacheRead | None,
    degraded: list[str],
) -> History:
    """Return a thread's window; `cached` is Redis' data, or None if Redis did not respond.

    Raises:
        ThreadNotFound: The thread belongs to another user or to several users, and `access` is not `open`.
        StoreUnavailable: The turn needs the thread's owner, and no store that has it responded.
    """
    if cached is None or not cached.is_sealed:
        return load_from_archive(memory, thread_id, user_id, access, cached, degraded)
    owner = user_id
    if access != "open":
        owners = cached.messages.owners()
        if access == "service" and len(owners) == 1:
            (owner,) = owners
        if owners != {owner}:
            # Redis is read again even if the list belongs to another user, so that the response takes as long as for a
            # missing thread.
            try:
                cached = memory.cache.peek(thread_id)
            except StoreUnavailable as error:
                add_layer(degraded, error.layer)
                cached = None
            return load_from_archive(memory, thread_id, user_id, access, cached, degraded)
    return History(
        cached.messages,
        "redis" if cached.messages else "none",
        cached.cutoff,
        deleted=cached.deleted,
        user_id=owner,
        has_owner=access != "open",
    )
