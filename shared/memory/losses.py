"""Whether Redis may have lost what waits for the drain, so that a window may lack something."""

from __future__ import annotations

import time
from typing import Final

from shared.errors import StoreUnavailable
from shared.memory.messages import add_layer
from shared.memory.process_state import ProcessState
from shared.stores.cache import CacheRead

_MAX_DRAIN_SECONDS: Final = 0.5
_DRAIN_POLL_SECONDS: Final = 0.05
# The drain's longest back-off is a minute: what was accepted before this, with all stores up since, is drained.
_MAX_DRAIN_AGE: Final = 150.0


def is_all_drained(memory: ProcessState, cached: CacheRead, degraded: list[str]) -> bool:
    """Return whether PostgreSQL holds all that Redis may have lost; stop asking once that is certain.

    Raises:
        StoreUnavailable: PostgreSQL did not answer.
    """
    is_first = cached.is_emptied and memory.archive.log_empty_cache()
    is_past = _is_past(memory, cached)
    is_drained = is_past or _is_queue_empty(memory, cached, degraded)
    if is_drained or cached.is_emptied:
        try:
            # The first Redis there is has lost nothing, unless exchanges wait that it was told of and does not know.
            memory.cache.warm_up(
                at_once=is_drained and (is_first or is_past),
                is_first=is_drained and is_first,
                evictions=cached.evictions,
            )
        except StoreUnavailable as error:
            add_layer(degraded, error.layer)
    return is_drained


def _is_past(memory: ProcessState, cached: CacheRead) -> bool:
    """Return whether Redis was emptied so long ago, and all was well since, that nothing from before still waits."""
    if cached.age is None or cached.age < _MAX_DRAIN_AGE:
        return False
    return memory.archive.uptime_seconds() > _MAX_DRAIN_AGE


def _is_queue_empty(memory: ProcessState, cached: CacheRead, degraded: list[str]) -> bool:
    """Return whether nothing waits for the drain, which is given a moment; add the queue if something does."""
    if cached.has_outbox:
        add_layer(degraded, "queue")
        return False
    deadline = time.monotonic() + _MAX_DRAIN_SECONDS
    try:
        while memory.queue.depth() > 0:
            if time.monotonic() > deadline:
                add_layer(degraded, "queue")
                return False
            time.sleep(_DRAIN_POLL_SECONDS)
    except StoreUnavailable as error:
        add_layer(degraded, error.layer)
        return False
    return True
