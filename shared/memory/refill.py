"""A thread's window from PostgreSQL, united with what Redis and this process hold; Redis is refilled with it."""

from __future__ import annotations

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
from shared.stores.cache import CacheRead


def load_from_archive(
    memory: Memory,
    thread_id: str,
    user_id: str | None,
    access: Access,
    cached: CacheRead | None,
    degraded: list[str],
) -> History:
    """Return what PostgreSQL holds, united with Redis' list and with what is not drained yet; and refill Redis."""
    held = cached or CacheRead()
    accepted = [*held.pending, *memory.recent(thread_id)]
    # This turn's user too: what is added has to sort after their deletion, which Redis may have forgotten.
    users = {user_id, *users_in(held), *(exchange.user_id for exchange in accepted)}
    try:
        window, is_all_there = _ask_archive(memory, thread_id, users, cached, degraded)
    except StoreUnavailable as error:
        if access != "open":
            raise
        add_layer(degraded, error.layer)
        return _without_archive(memory, held, user_id)
    foreign: list[Message | Exchange] = []
    if access != "open":
        user_id = authorize(thread_id, first_owner(held, window), user_id, access)
        if len(exchanges_of(window.exchanges, user_id)) < len(window.exchanges):
            # The thread is no single user's.
            raise ThreadNotFound(thread_id)
        if user_id is not None and user_id not in users:
            window = replace(window, user_cutoffs={**window.user_cutoffs, **memory.archive.user_cutoffs([user_id])})
        accepted, all_held = exchanges_of(accepted, user_id), held
        held = _only_of(held, user_id)
        if window.owner.is_known:
            foreign = _foreign_in(all_held, held)
    user_cutoff = window.user_cutoffs.get(user_id or "")
    memory.observe(thread_id, user_cutoff)
    found = History(
        held.messages,
        "redis" if held.messages else "none",
        window.cutoff,
        user_cutoff,
        held.deleted | window.deleted,
        user_id,
        # What was accepted before there were owners has to be claimed for the user of the first of it.
        window.owner.is_known,
    )
    if held.is_whole:
        return found
    split = _split_accepted(memory, accepted, held, window, degraded)
    undrained, drained = split or ([], [])
    window = replace(window, deleted=window.deleted | deleted_with_users(held, window.user_cutoffs))
    stored = [*window.exchanges, *undrained]
    messages = merge_messages(held.messages, stored, window.cutoff, memory.settings, window.deleted)
    is_all_there = is_all_there and split is not None
    if cached is not None and not held.state.refuses_writes and (is_all_there or window.cutoff or window.deleted):
        # Without the token the list stays unsealed, so that the next reader asks PostgreSQL again.
        read = held if is_all_there else replace(held, token=None)
        try:
            memory.cache.refill(thread_id, replace(window, exchanges=stored), read, drained, foreign)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
    source: Source = "redis" if messages == held.messages else "postgres"
    return replace(found, messages=messages, source=source if messages else "none")


def _ask_archive(
    memory: Memory, thread_id: str, users: Collection[str | None], cached: CacheRead | None, degraded: list[str]
) -> tuple[Window, bool]:
    """Return PostgreSQL's window, and whether nothing else that Redis may have lost still waits for the drain."""
    most, names = memory.settings.max_thread_messages, sorted(user for user in users if user is not None)
    window = memory.archive.window(thread_id, most, names)
    if cached is None or cached.is_whole or cached.state.refuses_writes:
        return window, True
    if not may_lack_undrained(cached.state, window.uptime):
        return window, True
    is_all_there = is_queue_drained(memory, cached.state, degraded)
    # Read again: what was drained between the two is in the queue's count no more, nor in the window yet.
    return memory.archive.window(thread_id, most, names), is_all_there


def _without_archive(memory: Memory, held: CacheRead, user_id: str | None) -> History:
    """Return what Redis holds, not what this process remembers or an older Redis brought back: it may be deleted."""
    listed = [each for each in held.messages if held.vouches_for(each.created_at)]
    pending = [each for each in held.pending if held.vouches_for(each.created_at)]
    messages = merge_messages(listed, pending, held.cutoff, memory.settings)
    return History(messages, "redis" if messages else "none", held.cutoff, None, held.deleted, user_id)


def _only_of(held: CacheRead, user_id: str | None) -> CacheRead:
    """Return what of Redis' is this user's; a list with something else in it is not whole."""
    messages = held.messages.of_user(user_id)
    is_whole = held.is_whole and len(messages) == len(held.messages)
    return replace(held, messages=messages, is_whole=is_whole, pending=exchanges_of(held.pending, user_id))


def _foreign_in(held: CacheRead, own: CacheRead) -> list[Message | Exchange]:
    """Return what Redis holds and is not this user's."""
    messages, pending = own.messages, own.pending
    return [
        *(each for each in held.messages if each not in messages),
        *(each for each in held.pending if each not in pending),
    ]


def _split_accepted(
    memory: Memory, accepted: list[Exchange], held: CacheRead, window: Window, degraded: list[str]
) -> tuple[list[Exchange], list[Exchange]] | None:
    """Return what was accepted and PostgreSQL does not hold yet, and what Redis holds for the drain although it does.

    Without what was deleted. None if PostgreSQL does not say what it holds before the window.
    """
    known = {exchange.exchange_id: exchange.revision for exchange in window.exchanges}
    found: dict[UUID, Exchange] = {}
    for exchange in accepted:
        if window.has_deleted(exchange.exchange_id, exchange.order):
            continue
        if exchange.revision > known.get(exchange.exchange_id, -1):
            known[exchange.exchange_id] = exchange.revision
            found[exchange.exchange_id] = exchange
    first = window.exchanges[0].order if window.exchanges else None
    # Told twice under one such name, an exchange may lie before the window: it has the place of its first telling.
    # One that was replaced has kept it.
    unplaced = [
        e
        for e in found.values()
        if not window.is_all
        and ((not is_time_ordered(e.exchange_id) and not e.revision) or (first is not None and e.order < first))
    ]
    drained = drained_among(held.pending, window.exchanges)
    if unplaced:
        try:
            before_window = memory.archive.stored(unplaced)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
            return None
        drained += drained_among(held.pending, before_window)
        for exchange in before_window:
            if exchange.revision >= found[exchange.exchange_id].revision:
                found.pop(exchange.exchange_id)
    gone = window.user_cutoffs
    alive = [each for each in found.values() if not is_reached(each.order, gone.get(each.user_id or ""))]
    return alive, drained
