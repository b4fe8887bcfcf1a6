"""Brings Redis' lists up to what PostgreSQL has just stored, or has that done later."""

from __future__ import annotations

import logging

from shared.errors import StoreUnavailable
from shared.ids import is_time_ordered
from shared.stores.archive import Archive, StoreResult
from shared.stores.cache import Cache

_logger = logging.getLogger(__name__)


class CacheUpdate:
    """Updates L1 after a store; a failure of L1, of whatever kind, never fails what is stored already."""

    def __init__(self, archive: Archive, cache: Cache) -> None:
        self._archive = archive
        self._cache = cache

    def merge(self, result: StoreResult) -> tuple[bool, bool]:
        """Merge what is now in L2 into the lists that L1 has.

        Returns whether L1 has it, and whether it surely will: if not now, then because the sweep compares the lists.
        """
        try:
            unsealed = self._cache.merge_stored(result.effective)
        except Exception as error:  # noqa: BLE001 - it is stored: an error here must not bring the batch back for ever
            _logger.warning(
                "redis was not told of a drained batch", extra={"error": f"{type(error).__name__}: {error}"}
            )
            return False, self._note({exchange.thread_id for exchange in result.effective})
        # Only an exchange named by another id than a version 7 has its place by the time of its acceptance; a
        # repetition may have come to the list at another place than its first has, and the window have lost one to it.
        moved = {each.thread_id for each in result.effective if not is_time_ordered(each.exchange_id)}
        if result.duplicates and moved and not self._note(moved):
            return True, False
        if unsealed:
            # A reader asks PostgreSQL beside such a list; that the two are equal need not wait for a reader.
            self._note(set(unsealed))
        return True, True

    def _note(self, thread_ids: set[str]) -> bool:
        """Have the lists compared with L2 by the sweep; return whether that was noted."""
        try:
            self._archive.note_repairs("thread", sorted(thread_ids))
        except StoreUnavailable as error:
            _logger.warning("lists in redis are behind, and postgres cannot note it", extra={"error": str(error)})
            return False
        return True
