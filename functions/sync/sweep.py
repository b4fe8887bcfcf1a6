"""The scheduled sweep: empties the outbox, tells L1 what it missed, forgets old idempotency keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from functions.sync.drain import NOT_THE_OWNER
from shared.errors import InvalidRecord, StoreUnavailable
from shared.models import Exchange
from shared.stores.base import Archive, Cache, Repair

_logger = logging.getLogger(__name__)
_OUTBOX_BATCH: Final = 200
_REPAIRS: Final = 500
_FILLS: Final = 2_000
_MOST_ROUNDS: Final = 50


@dataclass(slots=True)
class Swept:
    """What a sweep did.

    Attributes:
        removed: Threads with an exchange that a drain of the release before stored again after its deletion.
        filled: Lists that an exchange had begun and that now hold the window.
        skipped: Layers that did not answer, so that the rest waits for the next sweep.
    """

    stored: int = 0
    refused: int = 0
    removed: int = 0
    repaired: int = 0
    filled: int = 0
    purged: int = 0
    skipped: list[str] = field(default_factory=list)


class Sweep:
    """Finishes what an outage left unfinished.

    Args:
        window: How many exchanges of a thread L1 keeps.
        bury: Puts a body that can never be stored on the dead-letter queue; raises `StoreUnavailable`.
        purge: Forgets old idempotency keys and returns how many.
    """

    def __init__(
        self,
        archive: Archive,
        cache: Cache,
        window: int,
        bury: Callable[[str, InvalidRecord], None],
        purge: Callable[[], int],
    ) -> None:
        self._archive = archive
        self._cache = cache
        self._window = window
        self._bury = bury
        self._purge = purge

    def run(self) -> Swept:
        """Do what can be done, and say what."""
        swept = Swept()
        for step in (self._beat, self._empty_outbox, self._remove_deleted, self._repair, self._fill, self._forget_keys):
            try:
                step(swept)
            except StoreUnavailable as error:
                swept.skipped.append(error.layer)
                _logger.warning("sweep left for the next one", extra={"layer": error.layer})
        return swept

    def _beat(self, _: Swept) -> None:
        self._archive.beat()

    def _empty_outbox(self, swept: Swept) -> None:
        for _ in range(_MOST_ROUNDS):
            bodies = self._cache.outbox(_OUTBOX_BATCH)
            if not bodies:
                return
            good: list[Exchange] = []
            for body in bodies:
                try:
                    good.append(Exchange.from_wire(body))
                except InvalidRecord as error:
                    self._bury(body, error)
                    swept.refused += 1
            self._store(good, swept)
            # Last, so that a sweep that dies before leaves them for the next one, which stores none of them twice.
            self._cache.remove_from_outbox(bodies)

    def _store(self, exchanges: Sequence[Exchange], swept: Swept) -> None:
        """Store a batch; if the data of one is refused, halve until it stands alone."""
        if not exchanges:
            return
        try:
            result = self._archive.store(exchanges)
        except InvalidRecord as error:
            if len(exchanges) == 1:
                self._bury(exchanges[0].to_wire(), error)
                swept.refused += 1
                return
            middle = len(exchanges) // 2
            self._store(exchanges[:middle], swept)
            self._store(exchanges[middle:], swept)
            return
        swept.stored += result.stored
        for exchange in result.foreign:
            self._bury(exchange.to_wire(), NOT_THE_OWNER)
            swept.refused += 1
        self._cache.merge_stored(result.effective)

    def _remove_deleted(self, swept: Swept) -> None:
        swept.removed = self._archive.remove_deleted()

    def _repair(self, swept: Swept) -> None:
        for repair in self._archive.repairs(_REPAIRS):
            self._repair_one(repair)
            self._archive.repaired(repair)
            swept.repaired += 1

    def _fill(self, swept: Swept) -> None:
        for thread_id in self._cache.begun(_FILLS):
            self._repair_thread(thread_id)
            swept.filled += 1

    def _repair_thread(self, thread_id: str) -> None:
        self._cache.repair_thread(thread_id, self._archive.window(thread_id, self._window))

    def _repair_one(self, repair: Repair) -> None:
        if repair.kind == "thread":
            self._repair_thread(repair.id)
        else:
            self._archive.preferences(repair.id, lambda found: self._cache.set_preferences(repair.id, found))

    def _forget_keys(self, swept: Swept) -> None:
        swept.purged = self._purge()
