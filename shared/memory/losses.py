"""Whether Redis may have lost what waits for the drain, so that a window may lack something."""

from __future__ import annotations

from shared.errors import StoreUnavailable
from shared.memory.backlog import is_drained, is_past_draining
from shared.memory.memory import Memory
from shared.memory.messages import add_layer
from shared.stores.cache import CacheRead


def is_all_drained(memory: Memory, cached: CacheRead, degraded: list[str]) -> bool:
    """Return whether PostgreSQL holds all that Redis may have lost; stop asking once that is certain.

    Raises:
        StoreUnavailable: PostgreSQL did not answer.
    """
    is_first = cached.is_emptied and memory.archive.log_empty_cache()
    # Redis was emptied so long ago that nothing from before still waits.
    is_past = cached.age is not None and is_past_draining(memory.archive, cached.age)
    is_stored = is_past or _is_queue_empty(memory, cached, degraded)
    if is_stored or cached.is_emptied:
        try:
            # A brand-new Redis cannot have lost anything, unless messages are still queued.
            memory.cache.warm_up(
                at_once=is_stored and (is_first or is_past),
                is_first=is_stored and is_first,
                evictions=cached.evictions,
            )
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
    return is_stored


def _is_queue_empty(memory: Memory, cached: CacheRead, degraded: list[str]) -> bool:
    """Return whether nothing waits for the drain, which is given a moment; add the queue if something does."""
    if cached.has_outbox:
        add_layer(degraded, "queue")
        return False
    try:
        if is_drained(memory.queue):
            return True
        add_layer(degraded, "queue")
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
    return False
