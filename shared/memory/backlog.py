"""What waits on the queue, for those who know only what is stored."""

from __future__ import annotations

import math
import time
from typing import Final

from shared.errors import StoreUnavailable
from shared.stores.archive import Archive
from shared.stores.queue import ExchangeQueue

_MAX_WAIT_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.05
# The drain's longest back-off is a minute: what was accepted before this, with all stores up since, is drained.
MAX_DRAIN_AGE: Final = 150.0


class Backlog:
    """The exchanges that were accepted and are not in PostgreSQL yet."""

    def __init__(self, queue: ExchangeQueue, archive: Archive) -> None:
        self._queue = queue
        self._archive = archive

    def is_stored(self, age: float = math.inf) -> bool:
        """Return whether everything is stored that was accepted `age` seconds ago or earlier.

        Either PostgreSQL and the sweep were up for longer than a message waits then, or the queue is empty, for which
        it is given a moment.
        """
        try:
            if age > MAX_DRAIN_AGE and self._archive.uptime_seconds() > MAX_DRAIN_AGE:
                return True
            deadline = time.monotonic() + _MAX_WAIT_SECONDS
            while self._queue.depth() > 0:
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_SECONDS)
        except StoreUnavailable:
            return False
        return True
