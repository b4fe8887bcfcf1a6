"""The scheduled sweep: drains the outbox, updates stale caches, and deletes rows of deleted data and expired rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from functions.sync.batch_store import BatchStore, read_exchange
from functions.sync.cache_update import CacheUpdate
from functions.sync.drain import NOT_THE_OWNER, in_chunks
from functions.sync.due_work import DueWork
from functions.sync.housekeeping import Housekeeping
from shared.errors import InvalidRecord, StatementRefused, StoreBusy, StoreUnavailable
from shared.memory.deletion import deleted_with_users, drained_among, users_in
from shared.models import Exchange
from shared.stores.archive import Archive, Invalidation
from shared.stores.cache import CacheLayer

_logger = logging.getLogger(__name__)
_OUTBOX_BATCH: Final = 200
_INVALIDATIONS_BATCH: Final = 500
_MAX_ROUNDS: Final = 50
_SECONDS: Final = 8.0


@dataclass(slots=True)
class SweepResult:
    """The counts of a sweep.

    Attributes:
        stored: Exchanges of the outbox that were stored.
        refused: Exchanges of the outbox that were sent to the dead-letter queue.
        removed: Threads with an exchange that a drain of the previous release stored again after its deletion.
        repaired: Caches that were updated.
        erased: Rows of deleted threads and users that were deleted.
        purged: Expired rows that were deleted.
        indexed: Exchanges that were indexed for the search.
        due: Threads that were sent to the derive function, because they were missed before.
        skipped: Layers that did not respond. The next sweep does their work.
    """

    stored: int = 0
    refused: int = 0
    removed: int = 0
    repaired: int = 0
    erased: int = 0
    purged: int = 0
    indexed: int = 0
    due: int = 0
    skipped: list[str] = field(default_factory=list)


class Sweep:
    """Finishes the work that an outage has interrupted.

    Args:
        window: The number of exchanges of a thread in L1.
        due_work: The derivations; None if nothing is derived.
        dead_letter_body: Sends an invalid body to the dead-letter queue; raises `StoreUnavailable`.
    """

    def __init__(
        self,
        archive: Archive,
        cache: CacheLayer,
        window: int,
        dead_letter_body: Callable[[str, InvalidRecord, str | None], None],
        due_work: DueWork | None = None,
    ) -> None:
        self._store = BatchStore(archive)
        self._update = CacheUpdate(archive, cache)
        self._archive = archive
        self._cache = cache
        self._window = window
        self._dead_letter_body = dead_letter_body
        self._housekeeping = Housekeeping(archive, cache)
        self._due_work = due_work
        self._deadline = 0.0

    def run(self, seconds: float = _SECONDS) -> SweepResult:
        """Run for about `seconds`, and return the counts.

        Each part gets an equal share of the remaining time, so that a slow part leaves time for the others. An error of
        one part does not stop the others.

        Raises:
            Exception: The first unexpected error, after all parts have run.
        """
        swept = SweepResult()
        unexpected: list[Exception] = []
        ends = time.monotonic() + seconds
        parts: tuple[Callable[[SweepResult], None], ...] = (
            self._heartbeat,
            self._empty_outbox,
            self._remove_deleted,
            self._update_caches,
            self._detach,
            self._erase,
            self._purge,
            self._count,
            self._index,
            self._send_due,
        )
        for number, part in enumerate(parts):
            now = time.monotonic()
            self._deadline = now + max(0.0, ends - now) / (len(parts) - number)
            try:
                part(swept)
            except StoreUnavailable as error:
                swept.skipped.append(error.layer)
                _logger.warning("a part of the sweep is left for the next sweep", extra={"layer": error.layer})
            except Exception as error:
                _logger.exception("a part of the sweep failed")
                unexpected.append(error)
        if unexpected:
            raise unexpected[0]
        return swept

    def _heartbeat(self, _: SweepResult) -> None:
        self._archive.heartbeat()

    def _empty_outbox(self, swept: SweepResult) -> None:
        skip = 0
        for _ in range(_MAX_ROUNDS):
            bodies = self._cache.outbox(_OUTBOX_BATCH, skip)
            if not bodies:
                return
            undrained = self._drain(bodies, swept)
            done = list(bodies)
            for body in undrained:
                done.remove(body)
            # The entries are removed last. If the sweep ends earlier, the next sweep stores them again, which has no
            # effect.
            self._cache.remove_from_outbox(done)
            # Skip the entries that stay, so that they do not block later entries.
            skip += len(undrained)
            is_postgres_down = not done and "postgres" in swept.skipped
            if is_postgres_down or time.monotonic() > self._deadline:
                return

    def _drain(self, bodies: Sequence[str], swept: SweepResult) -> list[str]:
        """Store the valid exchanges, then dead-letter the others. Return the entries that stay in the outbox."""
        good: list[Exchange] = []
        body_of: dict[int, str] = {}
        dead: list[tuple[str, InvalidRecord, Exchange | None]] = []
        for body in bodies:
            try:
                good.append(read_exchange(body))
                body_of[id(good[-1])] = body
            except InvalidRecord as error:
                dead.append((body, error, None))
        drained = self._store.store(good, self._deadline - time.monotonic())
        result = drained.merged()
        refused = [*drained.refused, *((exchange, NOT_THE_OWNER) for exchange in result.rejected_owner)]
        waiting = drained.waiting
        swept.stored += result.stored
        if waiting:
            swept.skipped.append("postgres")
        if drained.stored and not self._update.merge(result)[1]:
            others = {id(exchange) for exchange in [*waiting, *(exchange for exchange, _ in refused)]}
            waiting = [*waiting, *(exchange for exchange in good if id(exchange) not in others)]
        dead += [(body_of[id(exchange)], error, exchange) for exchange, error in refused]
        others = {id(exchange) for exchange in [*waiting, *(exchange for exchange, _ in refused)]}
        done = [each.request_id for each in good if id(each) not in others and each.request_id is not None]
        for part in in_chunks(done):
            _logger.info("outbox drained", extra={"correlation_ids": part})
        return [body_of[id(exchange)] for exchange in waiting] + self._dead_letter(dead, swept)

    def _dead_letter(self, dead: Sequence[tuple[str, InvalidRecord, Exchange | None]], swept: SweepResult) -> list[str]:
        """Send bodies to the dead-letter queue; return those that it did not accept."""
        for done, (body, error, exchange) in enumerate(dead):
            request_id = exchange.request_id if exchange else None
            # An entry of the outbox has the request id in its body, and a dead letter has it in an attribute.
            dead_letter = exchange.to_wire() if exchange and request_id else body
            try:
                self._dead_letter_body(dead_letter, error, request_id)
            except StoreUnavailable as outage:
                swept.skipped.append(outage.layer)
                return [body for body, *_ in dead[done:]]
            swept.refused += 1
            fields = {"reason": error.reason, "correlation_id": request_id}
            _logger.error("exchange of the outbox sent to the dead-letter queue", extra=fields)
        return []

    def _remove_deleted(self, swept: SweepResult) -> None:
        swept.removed = self._archive.remove_deleted()

    def _update_caches(self, swept: SweepResult) -> None:
        while self._update_some_caches(swept):
            if time.monotonic() > self._deadline:
                return

    def _update_some_caches(self, swept: SweepResult) -> int:
        """Update the caches of the oldest invalidations; return their number."""
        done = 0
        for invalidation in self._archive.invalidations(_INVALIDATIONS_BATCH):
            try:
                self._update_cache(invalidation)
            except (StoreBusy, StatementRefused) as error:
                # The error concerns only this cache, so continue with the others.
                swept.skipped.append(error.layer)
                _logger.warning("a cache update is left for the next sweep", extra={"error": str(error)})
                continue
            self._archive.clear_invalidation(invalidation)
            done += 1
            if time.monotonic() > self._deadline:
                break
        swept.repaired += done
        return done

    def _update_thread(self, thread_id: str) -> None:
        window = self._archive.window(thread_id, self._window)
        cached = self._cache.peek(thread_id)
        if users := users_in(cached):
            # The drain does not store exchanges of a deleted user, so only this step removes them from Redis' list.
            deleted_ids = deleted_with_users(cached, self._archive.user_cutoffs(sorted(users)))
            window = replace(window, deleted=window.deleted | deleted_ids)
        drained = [*drained_among(cached.undrained, window.exchanges), *cached.outdated]
        self._cache.recheck_thread(thread_id, window, drained)

    def _update_cache(self, invalidation: Invalidation) -> None:
        if invalidation.kind == "thread":
            self._update_thread(invalidation.id)
            return
        cutoff = self._archive.user_cutoffs([invalidation.id]).get(invalidation.id)
        if cutoff is not None:
            # A queued exchange of the user may be in a thread that only Redis has.
            self._archive.log_invalidations("thread", self._cache.forget_user(invalidation.id, cutoff))
            self._cache.forget_index(invalidation.id, cutoff)
        self._cache.forget_memories([invalidation.id])
        self._archive.preferences(
            invalidation.id, lambda preferences: self._cache.set_preferences(invalidation.id, preferences)
        )

    def _detach(self, _: SweepResult) -> None:
        self._housekeeping.detach(self._deadline)

    def _erase(self, swept: SweepResult) -> None:
        swept.erased = self._housekeeping.erase(self._deadline)

    def _purge(self, swept: SweepResult) -> None:
        swept.purged = self._housekeeping.purge(self._deadline)

    def _count(self, _: SweepResult) -> None:
        self._housekeeping.count(self._deadline)

    def _index(self, swept: SweepResult) -> None:
        swept.indexed = self._housekeeping.index(self._deadline)

    def _send_due(self, swept: SweepResult) -> None:
        if self._due_work is not None:
            swept.due = self._due_work.sweep(self._archive, self._deadline)
