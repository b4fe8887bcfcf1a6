"""Checks whether Redis may have lost undrained exchanges, so that a window may be incomplete."""

from __future__ import annotations

import math

from shared.errors import StoreUnavailable
from shared.memory.backlog import is_drained, must_be_drained
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.stores.cache import CacheState


def may_lack_undrained(state: CacheState, uptime: float) -> bool:
    """Return whether Redis may have lost an exchange that is still undrained.

    It cannot have lost one if it never lost data. It also cannot have lost one if the drain has stored every exchange
    from before the last loss. This is so if two times are longer than an exchange can wait for the drain: the time
    since the loss, and the uptime of PostgreSQL and the sweep.
    """
    age = state.seconds_since_loss()
    return age is None or not (age == math.inf or must_be_drained(age, uptime))


def is_queue_drained(memory: Memory, state: CacheState, degraded: list[str]) -> bool:
    """Return whether the queue is empty, so that PostgreSQL has everything that Redis may have lost.

    Wait up to half a second for the drain. Record Redis' loss of data if no other process has recorded it.

    Raises:
        StoreUnavailable: PostgreSQL did not respond.
    """
    is_first = state.lost_at is None and memory.archive.log_empty_cache()
    is_empty = _is_backlog_empty(memory, state, degraded)
    if state.lost_at is None:
        try:
            # A brand-new Redis cannot have lost anything, unless messages are still queued.
            memory.cache.record_loss(evictions=state.evictions, is_first=is_first and is_empty)
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
    return is_empty


def _is_backlog_empty(memory: Memory, state: CacheState, degraded: list[str]) -> bool:
    """Return whether the outbox and the queue are empty; add the queue to `degraded` if not."""
    if state.has_outbox:
        add_layer(degraded, "queue")
        return False
    try:
        if is_drained(memory.queue):
            return True
        add_layer(degraded, "queue")
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
    return False
