"""The stores, and what one process knows of them: clocks, how far threads have got, what it accepted lately."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.clocks import MAX_AHEAD, MAX_DIFFERENCE, MAX_SKEW
from shared.errors import StoreUnavailable, TooLargeForQueue
from shared.ids import ExchangeIds, is_time_ordered, milliseconds_of, timestamp_of
from shared.listed_messages import newest_order
from shared.memory.accepted import AcceptedExchanges
from shared.memory.deletion import Deletion
from shared.models import Exchange
from shared.settings import MemorySettings
from shared.stores.archive import Archive
from shared.stores.cache import CacheLayer, CacheRead
from shared.stores.queue import ExchangeQueue

_MAX_FLOORS: Final = 10_000
_ASK_EVERY: Final = 60.0
# Seconds that this machine's clock may gain on the time that has passed before it counts as set.
_MAX_DRIFT: Final = 1.0


class Memory:
    """The stores and what a process remembers of them; one per process of the function.

    Args:
        clock: Unix seconds; another one than the system's for tests of clocks that differ.

    Attributes:
        accepted: The exchanges that this process accepted lately.
    """

    def __init__(
        self,
        cache: CacheLayer,
        archive: Archive,
        queue: ExchangeQueue,
        settings: MemorySettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cache = cache
        self.archive = archive
        self.queue = queue
        self.settings = settings
        self._ids = ExchangeIds()
        self._floors: OrderedDict[str, UUID] = OrderedDict()
        self.accepted = AcceptedExchanges()
        self._clock = clock
        self._clock_offset: float | None = None
        # What this machine's clock said when it was compared with the others, less the time that no clock can set.
        self._started_at = 0.0
        # How much later it may be than this process says, where two clocks are far apart and the third does not answer.
        self._doubt = 0.0
        self._archive_offset: float | None = None
        self._archive_asked_at = -math.inf

    def observe(self, thread_id: str, *orders: UUID | None) -> None:
        """Remember that the thread has got as far as these: what this process adds has to sort after them."""
        if not any(orders):
            return
        end = self._end_of_skew()
        known = [order for order in (*orders, self._floors.get(thread_id)) if order is not None and order < end]
        if not known:
            return
        self._floors[thread_id] = max(known)
        self._floors.move_to_end(thread_id)
        if len(self._floors) > _MAX_FLOORS:
            self._floors.popitem(last=False)

    def _end_of_skew(self) -> UUID:
        """Return the first order key that only a wrong clock makes."""
        return UUID(int=int((self.now() + MAX_SKEW) * 1000) + 1 << 80)

    def _floor(self, thread_id: str) -> UUID | None:
        """Return how far the thread has got; None also where this process's clock was wrong when it observed that."""
        floor = self._floors.get(thread_id)
        return floor if floor is not None and floor < self._end_of_skew() else None

    def observe_all(self, thread_id: str, cached: CacheRead) -> None:
        """Remember how far L1 and this process know the thread to have got."""
        self.set_clock(cached.state.clock)
        accepted = [*cached.pending, *self.recent(thread_id)]
        self.observe(thread_id, newest_order(cached.messages), *(exchange.order for exchange in accepted))

    def set_clock(self, shared: float | None) -> None:
        """Take over the time of the clock that all processes share, Redis's.

        Where it is far from this machine's, one of the two is wrong, and PostgreSQL's clock decides: the one in the
        middle of the three is taken.
        """
        if shared is None:
            return
        local = self._clock()
        self._started_at = local - time.monotonic()
        self._doubt = 0.0
        if abs(shared - local) > MAX_DIFFERENCE:
            third = self._offset_of_archive(local)
            # While PostgreSQL does not answer, nothing tells which of the two is right: this machine's has to do.
            self._doubt = max(0.0, shared - local) if third is None else 0.0
            shared = sorted([local, shared, local + (third or 0.0)])[1]
        self._clock_offset = shared - local

    def _offset_of_archive(self, local: float) -> float | None:
        """Return how far PostgreSQL's clock is ahead, asked at most once a minute; None while it does not answer."""
        if abs(local - self._archive_asked_at) > _ASK_EVERY:
            # Not answered, it is asked again: what is dated by a wrong clock is so for good.
            self._archive_offset = None
            with suppress(StoreUnavailable):
                self._archive_offset = self.archive.clock() - local
                self._archive_asked_at = local
        return self._archive_offset

    def now(self) -> float:
        """Return Unix seconds, of the shared clock once this process has heard it."""
        return self._clock() + (self._clock_offset or 0.0)

    def new_id(self, thread_id: str | None = None) -> UUID:
        """Return an id that sorts after everything this process has seen of the thread."""
        self._ask_for_clock()
        return self._ids.new(after=self._floor(thread_id or ""), now=self.now())

    def is_ahead(self, exchange_id: UUID) -> bool:
        """Return whether an id that a caller made carries a time that has not come yet."""
        if not is_time_ordered(exchange_id):
            return False
        self._ask_for_clock()
        if milliseconds_of(exchange_id) / 1000 <= self._latest() + MAX_AHEAD:
            return False
        # This machine's clock may have been set since it was compared with the others.
        self._compare_clocks()
        return milliseconds_of(exchange_id) / 1000 > self._latest() + MAX_AHEAD

    def _latest(self) -> float:
        """Return the latest time that it may be for a caller."""
        local, now = self._clock(), self.now()
        # Of two clocks that are a little apart, the caller may go by either.
        return (now if abs(now - local) > MAX_DIFFERENCE else max(now, local)) + self._doubt

    def _ask_for_clock(self) -> None:
        # A clock that was set since, as while Lambda had frozen the process, is compared again.
        if self._clock_offset is None or abs(self._clock() - time.monotonic() - self._started_at) > _MAX_DRIFT:
            self._compare_clocks()

    def _compare_clocks(self) -> None:
        # Without Redis this process's own clock has to do; what it has seen of the thread is respected all the same.
        with suppress(StoreUnavailable):
            self.set_clock(self.cache.clock())

    def name(self, exchange: Exchange) -> Exchange:
        """Return the exchange under a new id."""
        # The id may have to run ahead of the clock, to sort after what another clock has made; the time does not.
        return exchange.with_id(self.new_id(exchange.thread_id), datetime.fromtimestamp(self.now(), UTC))

    def date(self, thread_id: str, exchange_id: UUID) -> datetime:
        """Return when an exchange that its caller named was accepted; after what is known of its thread."""
        self._ask_for_clock()
        now = datetime.fromtimestamp(self.now(), UTC)
        floor = self._floor(thread_id)
        if is_time_ordered(exchange_id) or floor is None:
            return now
        return max(now, timestamp_of(floor) + timedelta(milliseconds=1))

    def remember(self, exchange: Exchange, *, is_durable: bool = True) -> None:
        """Keep an exchange at hand until it is surely drained, should L1 lose it before; or only its outbox have it."""
        self.accepted.add(exchange, self._clock(), is_durable=is_durable)

    def recent(self, thread_id: str) -> list[Exchange]:
        """Return the thread's exchanges that this process accepted lately."""
        return self.accepted.of(thread_id, self._clock())

    def forget(self, deletion: Deletion) -> None:
        """Drop what a deletion reaches of what this process still holds."""
        self.accepted.remove(deletion)

    def forget_exchange(self, thread_id: str, exchange_id: UUID) -> None:
        """Drop what this process still holds of a deleted exchange."""
        self.accepted.remove_exchange(thread_id, exchange_id)

    def retry(self, put: Callable[[Exchange], object]) -> None:
        """Put what only L1's outbox took where a newer exchange was just taken; what fails there stays."""
        with suppress(StoreUnavailable, TooLargeForQueue):
            self.accepted.retry(put)
