"""Whether an accepted exchange may still wait for the drain."""

from __future__ import annotations

import math
import time
from typing import Final

from shared.errors import StoreUnavailable
from shared.stores.archive import Archive
from shared.stores.queue import ExchangeQueue

MAX_WAIT_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.05
# The drain's longest back-off is a minute: what was accepted before this, with all stores up since, is drained.
MAX_DRAIN_AGE: Final = 150.0


def is_past_draining(age: float, uptime: float) -> bool:
    """Return whether what was accepted `age` seconds ago is drained: all stores were up for longer than it waits."""
    return age >= MAX_DRAIN_AGE and uptime > MAX_DRAIN_AGE


def is_drained(queue: ExchangeQueue) -> bool:
    """Return whether nothing waits on the queue, for which it is given a moment.

    Raises:
        StoreUnavailable: SQS did not answer.
    """
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while queue.depth() > 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class Backlog:
    """The exchanges that were accepted and are not in PostgreSQL yet."""

    def __init__(self, queue: ExchangeQueue, archive: Archive) -> None:
        self._queue = queue
        self._archive = archive

    def is_stored(self, age: float = math.inf) -> bool:
        """Return whether everything is stored that was accepted `age` seconds ago or earlier.

        Either PostgreSQL and the sweep were up for longer than a message waits then, or the queue is empty.
        """
        try:
            is_past = age >= MAX_DRAIN_AGE and is_past_draining(age, self._archive.uptime_seconds())
            return is_past or is_drained(self._queue)
        except StoreUnavailable:
            return False
