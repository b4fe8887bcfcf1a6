"""Steps of the sweep that delete rows of deleted threads and users, count messages and purge expired rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, get_args

from shared.clocks import MAX_DIFFERENCE
from shared.errors import StoreUnavailable
from shared.stores.archive import Archive, PurgedTable
from shared.stores.cache import CacheEraser

_logger = logging.getLogger(__name__)
_TABLES: Final[tuple[PurgedTable, ...]] = get_args(PurgedTable)


class Housekeeping:
    """Works in steps until no row is left or the deadline is reached.

    A step processes a limited number of rows in one transaction. Each method runs at least one step. After an
    interruption, the next sweep continues. Two concurrent sweeps process different rows, or the same rows with the same
    result.
    """

    def __init__(self, archive: Archive, cache: CacheEraser) -> None:
        self._archive = archive
        self._cache = cache

    def detach(self, deadline: float) -> None:
        """Detach the threads of deleted users, and delete them from Redis."""
        while (hidden := self._archive.hidden_threads()) is not None:
            try:
                self._cache.forget_threads(hidden.cutoffs)
            except StoreUnavailable as error:
                _logger.warning(
                    "redis did not delete the threads of a deleted user, and the sweep will repeat this",
                    extra={"error": str(error)},
                )
                self._archive.detach(hidden, must_invalidate=True)
            else:
                self._archive.detach(hidden, must_invalidate=False)
            if time.monotonic() > deadline:
                return

    def erase(self, deadline: float) -> int:
        """Delete the rows of deleted threads and users; return their number."""
        return _repeat(self._archive.erase_rows, deadline)

    def count(self, deadline: float) -> int:
        """Count the messages of threads that an earlier release stored; return the number of threads."""
        return _repeat(self._archive.count_messages, deadline)

    def index(self, deadline: float) -> int:
        """Index the exchanges that an earlier release stored, for the search; return their number."""
        return _repeat(self._archive.index_exchanges, deadline)

    def purge(self, deadline: float) -> int:
        """Purge expired rows of each table; return their number.

        Purge nothing if the clocks of PostgreSQL and this machine differ too much. One of them is wrong, and with a
        wrong clock a purge could delete tombstones or idempotency keys that are still needed.
        """
        if abs(self._archive.clock() - time.time()) > MAX_DIFFERENCE:
            _logger.warning("nothing is purged while the clocks of postgres and of this machine differ")
            return 0
        done = 0
        for number, table in enumerate(_TABLES):
            seconds_left = max(0.0, deadline - time.monotonic())
            table_deadline = time.monotonic() + seconds_left / (len(_TABLES) - number)
            done += _repeat(lambda table=table: self._archive.purge(table), table_deadline)  # type: ignore[misc]
        return done


def _repeat(step: Callable[[], int], deadline: float) -> int:
    total = 0
    while done := step():
        total += done
        if time.monotonic() > deadline:
            break
    return total
