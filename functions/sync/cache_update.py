"""Updates the cached lists after the drain has stored a batch."""

from __future__ import annotations

import logging

from shared.errors import StoreUnavailable
from shared.ids import is_time_ordered
from shared.stores.archive import Archive, StoreResult
from shared.stores.cache import Cache

_logger = logging.getLogger(__name__)


class CacheUpdate:
    """Updates L1 after a batch is stored. An error of L1 does not fail the batch."""

    def __init__(self, archive: Archive, cache: Cache) -> None:
        self._archive = archive
        self._cache = cache

    def merge(self, result: StoreResult) -> tuple[bool, bool]:
        """Merge stored exchanges into existing lists of L1.

        Returns:
            Two values: whether L1 is updated now, and whether L1 is updated for certain, either now or later by the
            sweep.
        """
        try:
            unsealed = self._cache.merge_stored(result.effective)
            # What was learned from a replaced text is no longer in PostgreSQL.
            self._cache.forget_memories({each.user_id for each in result.replaced if each.user_id is not None})
        except Exception as error:  # noqa: BLE001 - the batch is stored: an error here must not cause endless redeliveries
            _logger.warning(
                "redis was not updated after a drained batch", extra={"error": f"{type(error).__name__}: {error}"}
            )
            return False, self._log_invalidations({exchange.thread_id for exchange in result.effective})
        # The order key of an id that is not a UUIDv7 is made from `created_at`. If such an exchange was accepted twice,
        # its position in Redis may differ from that in PostgreSQL, and it may have removed another exchange from the
        # window.
        moved_threads = {each.thread_id for each in result.effective if not is_time_ordered(each.exchange_id)}
        if result.duplicates and moved_threads and not self._log_invalidations(moved_threads):
            return True, False
        if unsealed:
            # Let the sweep compare unsealed lists with PostgreSQL. Otherwise they would stay unsealed until a read.
            self._log_invalidations(set(unsealed))
        return True, True

    def _log_invalidations(self, thread_ids: set[str]) -> bool:
        """Ask the sweep to compare the lists with L2. Return whether PostgreSQL recorded the request."""
        try:
            self._archive.log_invalidations("thread", sorted(thread_ids))
        except StoreUnavailable as error:
            _logger.warning("lists in redis are stale, and postgres could not record it", extra={"error": str(error)})
            return False
        return True
