"""Updates the cached lists after the drain has stored a batch."""

from __future__ import annotations

import logging

from shared.errors import StoreUnavailable
from shared.ids import is_time_ordered
from shared.stores.archive import Archive, StoreResult
from shared.stores.cache import Cache

_logger = logging.getLogger(__name__)


class CacheUpdate:
    """Updates L1 after a store. An error of L1 never fails the batch, which is stored already."""

    def __init__(self, archive: Archive, cache: Cache) -> None:
        self._archive = archive
        self._cache = cache

    def merge(self, result: StoreResult) -> tuple[bool, bool]:
        """Merge stored exchanges into existing lists of L1.

        Returns whether L1 has them, or is sure to get them because the sweep compares the lists.
        """
        try:
            unsealed = self._cache.merge_stored(result.effective)
        except Exception as error:  # noqa: BLE001 - the batch is stored: an error here must not cause endless redeliveries
            _logger.warning(
                "redis was not updated after a drained batch", extra={"error": f"{type(error).__name__}: {error}"}
            )
            return False, self._note({exchange.thread_id for exchange in result.effective})
        # The order key of an id that is not a UUIDv7 depends on the time of acceptance. A repeated exchange may
        # therefore be in the list at another position than the first copy, and may have removed another exchange from
        # the window.
        moved = {each.thread_id for each in result.effective if not is_time_ordered(each.exchange_id)}
        if result.duplicates and moved and not self._note(moved):
            return True, False
        if unsealed:
            # Let the sweep compare an unsealed list with PostgreSQL, so that this does not depend on the next reader.
            self._note(set(unsealed))
        return True, True

    def _note(self, thread_ids: set[str]) -> bool:
        """Let the sweep compare the lists with L2; return whether that was recorded."""
        try:
            self._archive.log_invalidations("thread", sorted(thread_ids))
        except StoreUnavailable as error:
            _logger.warning("lists in redis are stale, and postgres could not record it", extra={"error": str(error)})
            return False
        return True
