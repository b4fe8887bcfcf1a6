"""Loads a thread's window from PostgreSQL, merges it with Redis and this process, and refills Redis."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from shared.cutoffs import is_reached
from shared.errors import StoreUnavailable, ThreadNotFound
from shared.ids import is_time_ordered
from shared.memory.deletion import deleted_with_users, drained_among, users_in
from shared.memory.losses import is_queue_drained, may_lack_undrained
from shared.memory.memory import Memory
from shared.memory.messages import add_layer, merge_messages
from shared.memory.ownership import Access, authorize, exchanges_of, first_owner
from shared.memory.recall import History
from shared.models import Exchange, Message, Source
from shared.stores.archive import Window
from shared.stores.cache import CacheRead, CacheState


def load_from_archive(
    memory: Memory,
    thread_id: str,
    user_id: str | None,
    access: Access,
    cached: CacheRead | None,
    degraded: list[str],
) -> History:
    """Return PostgreSQL's window merged with Redis' list and undrained exchanges; refill Redis."""
    redis_data = cached or CacheRead()
    accepted = [*redis_data.undrained, *memory.recent(thread_id)]
    # `users` includes this turn's user, because new exchanges must sort after the user's deletion, which Redis may have
    # lost.
    users = {user_id, *users_in(redis_data), *(exchange.user_id for exchange in accepted)}
    try:
        window, is_complete = _read_archive(memory, thread_id, users, cached, degraded)
    except StoreUnavailable as error:
        if access != "open":
            raise
        add_layer(degraded, error.layer)
        return _without_archive(memory, cached, user_id)
    foreign: list[Message | Exchange] = []
    if access != "open":
        user_id = authorize(thread_id, first_owner(redis_data, window), user_id, access)
        if len(exchanges_of(window.exchanges, user_id)) < len(window.exchanges):
            # The thread has several users.
            raise ThreadNotFound(thread_id)
        if user_id is not None and user_id not in users:
            window = replace(window, user_cutoffs={**window.user_cutoffs, **memory.archive.user_cutoffs([user_id])})
        accepted, all_redis_data = exchanges_of(accepted, user_id), redis_data
        redis_data = _of_user(redis_data, user_id)
        if window.owner.is_known:
            foreign = _foreign_in(all_redis_data, redis_data)
    user_cutoff = window.user_cutoffs.get(user_id or "")
    memory.observe(thread_id, user_cutoff)
    history = History(
        redis_data.messages,
        "redis" if redis_data.messages else "none",
        window.cutoff,
        user_cutoff,
        redis_data.deleted | window.deleted,
        user_id,
        # A thread from a release without owners must be claimed for the user of its first exchange.
        window.owner.is_known,
    )
    if redis_data.is_sealed:
        return history
    split = _split_accepted(memory, accepted, redis_data, window, degraded)
    undrained, drained = split or ([], [])
    window = replace(window, deleted=window.deleted | deleted_with_users(redis_data, window.user_cutoffs))
    stored = [*window.exchanges, *undrained]
    messages = merge_messages(redis_data.messages, stored, window.cutoff, memory.settings, window.deleted)
    is_complete = is_complete and split is not None
    if cached is not None and not redis_data.state.refuses_writes and (is_complete or window.cutoff or window.deleted):
        # Without the token the list stays unsealed, so the next reader reads PostgreSQL again.
        read = redis_data if is_complete else replace(redis_data, token=None)
        try:
            memory.cache.refill(thread_id, replace(window, exchanges=stored), read, drained, foreign)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
    source: Source = "redis" if messages == redis_data.messages else "postgres"
    return replace(history, messages=messages, source=source if messages else "none")


def _read_archive(
    memory: Memory, thread_id: str, users: Collection[str | None], cached: CacheRead | None, degraded: list[str]
) -> tuple[Window, bool]:
    """Return PostgreSQL's window, and whether all exchanges that Redis may have lost are drained."""
    max_exchanges, names = memory.settings.max_thread_messages, sorted(user for user in users if user is not None)
    window = memory.archive.window(thread_id, max_exchanges, names)
    if cached is None or cached.is_sealed or cached.state.refuses_writes:
        return window, True
    if not may_lack_undrained(cached.state, window.uptime):
        return window, True
    is_complete = is_queue_drained(memory, cached.state, degraded)
    # Read the window again, because an exchange that was drained in between is neither in the queue nor in the first
    # window.
    return memory.archive.window(thread_id, max_exchanges, names), is_complete


def _without_archive(memory: Memory, cached: CacheRead | None, user_id: str | None) -> History:
    """Return Redis' data that is certainly not deleted.

    Exchanges that only this process remembers may be deleted, so they are left out. Exchanges in a Redis that was
    restored from an old copy are left out for the same reason.
    """
    redis_data = cached or CacheRead(state=CacheState(suspect_until=math.inf))
    trusted_messages = [each for each in redis_data.messages if redis_data.can_trust(each.acceptance_time)]
    undrained = [each for each in redis_data.undrained if redis_data.can_trust(each.acceptance_time)]
    messages = merge_messages(trusted_messages, undrained, redis_data.cutoff, memory.settings)
    return History(
        messages,
        "redis" if messages else "none",
        redis_data.cutoff,
        None,
        redis_data.deleted,
        user_id,
        suspect_until=None if redis_data.is_sealed else redis_data.state.suspect_until,
    )


def _of_user(redis_data: CacheRead, user_id: str | None) -> CacheRead:
    """Return this user's part of Redis' data. A list with foreign entries counts as not sealed."""
    messages = redis_data.messages.of_user(user_id)
    is_sealed = redis_data.is_sealed and len(messages) == len(redis_data.messages)
    return replace(
        redis_data, messages=messages, is_sealed=is_sealed, undrained=exchanges_of(redis_data.undrained, user_id)
    )


def _foreign_in(redis_data: CacheRead, own: CacheRead) -> list[Message | Exchange]:
    """Return Redis' entries that are not this user's."""
    messages, undrained = own.messages, own.undrained
    return [
        *(each for each in redis_data.messages if each not in messages),
        *(each for each in redis_data.undrained if each not in undrained),
    ]


def _split_accepted(
    memory: Memory, accepted: list[Exchange], redis_data: CacheRead, window: Window, degraded: list[str]
) -> tuple[list[Exchange], list[Exchange]] | None:
    """Return the accepted exchanges that PostgreSQL lacks, and Redis' undrained exchanges that PostgreSQL has.

    Deleted exchanges are left out. The result is None if the rows before PostgreSQL's window are needed and PostgreSQL
    does not respond.
    """
    revisions = {exchange.exchange_id: exchange.revision for exchange in window.exchanges}
    newer: dict[UUID, Exchange] = {}
    for exchange in accepted:
        if window.has_deleted(exchange.exchange_id, exchange.acceptance):
            continue
        if exchange.revision > revisions.get(exchange.exchange_id, -1):
            revisions[exchange.exchange_id] = exchange.revision
            newer[exchange.exchange_id] = exchange
    first = window.exchanges[0].order if window.exchanges else None
    # An accepted exchange may belong before the window. A repeated exchange has the position of the first exchange with
    # its id, and a replaced exchange keeps its position.
    may_be_older = [
        e
        for e in newer.values()
        if not window.is_all
        and ((not is_time_ordered(e.exchange_id) and not e.revision) or (first is not None and e.order < first))
    ]
    drained = drained_among(redis_data.undrained, window.exchanges)
    if may_be_older:
        try:
            before_window = memory.archive.stored(may_be_older)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return None
        drained += drained_among(redis_data.undrained, before_window)
        for exchange in before_window:
            if exchange.revision >= newer[exchange.exchange_id].revision:
                newer.pop(exchange.exchange_id)
    user_cutoffs = window.user_cutoffs
    not_deleted = [
        each for each in newer.values() if not is_reached(each.acceptance, user_cutoffs.get(each.user_id or ""))
    ]
    return not_deleted, drained
