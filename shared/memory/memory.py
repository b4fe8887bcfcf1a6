"""The stores, and one process' state: clocks, the latest order key of each thread, recently accepted exchanges."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
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

# The maximum number of threads whose latest order key this process remembers. New exchanges sort after this key.
_MAX_LATEST_ORDERS: Final = 10_000
# The minimum time between two reads of PostgreSQL's clock.
_ARCHIVE_CLOCK_SECONDS: Final = 60.0
# If this machine's clock and the monotonic clock drift apart by more seconds than this, this machine's clock was set.
_MAX_DRIFT: Final = 1.0


class Memory:
    """The stores and the process' state; one instance per process of the function.

    Args:
        clock: Unix seconds; tests pass other clocks than the system's.

    Attributes:
        accepted: The exchanges that this process accepted recently.
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
        self._latest_orders: OrderedDict[str, UUID] = OrderedDict()
        self.accepted = AcceptedExchanges()
        self._clock = clock
        self._clock_offset: float | None = None
        # The difference of this machine's clock and the monotonic clock at the last comparison with the other clocks.
        self._monotonic_offset = 0.0
        # The seconds by which this process' time may be behind, if two clocks differ and PostgreSQL does not respond.
        self._max_behind = 0.0
        # Whether two clocks differ and PostgreSQL's clock, which would decide, is unknown.
        self._is_time_uncertain = False
        self._archive_offset: float | None = None
        self._archive_read_at = -math.inf

    def observe(self, thread_id: str, *orders: UUID | None) -> None:
        """Record order keys of a thread: new exchanges must sort after them."""
        if not any(orders):
            return
        end = self._first_skewed_order()
        if max(filter(None, orders)) >= end:
            # Perhaps the wrong clock is this process' clock.
            self._refresh_clock()
            end = self._first_skewed_order()
        earlier_orders = [
            order for order in (*orders, self._latest_orders.get(thread_id)) if order is not None and order < end
        ]
        if not earlier_orders:
            return
        self._latest_orders[thread_id] = max(earlier_orders)
        self._latest_orders.move_to_end(thread_id)
        if len(self._latest_orders) > _MAX_LATEST_ORDERS:
            self._latest_orders.popitem(last=False)

    def _first_skewed_order(self) -> UUID:
        """Return the lowest order key that is so far in the future that only a wrong clock can have created it."""
        return UUID(int=int((self.now() + MAX_SKEW) * 1000) + 1 << 80)

    def is_skewed(self, order: UUID) -> bool:
        """Return whether an order key is so far in the future that only a wrong clock can have created it."""
        return order >= self._first_skewed_order()

    def _latest_order(self, thread_id: str) -> UUID | None:
        """Return the thread's latest order key; None without one, or if the key comes from a wrong clock."""
        latest_order = self._latest_orders.get(thread_id)
        return latest_order if latest_order is not None and latest_order < self._first_skewed_order() else None

    def observe_all(self, thread_id: str, cached: CacheRead) -> None:
        """Record the thread's exchanges in L1 and in this process."""
        self.set_clock(cached.state.clock)
        accepted = [*cached.undrained, *self.recent(thread_id)]
        imported = [message.acceptance for message in cached.messages if message.accepted_at is not None]
        self.observe(thread_id, newest_order(cached.messages), *imported, *(each.acceptance for each in accepted))

    def set_clock(self, redis_time: float | None) -> None:
        """Adopt the time of Redis' clock, which all processes share.

        If Redis' clock differs much from this machine's, one of them is wrong. Then the median of three clocks is used:
        Redis', this machine's and PostgreSQL's.
        """
        if redis_time is None:
            return
        local = self._clock()
        self._monotonic_offset = local - time.monotonic()
        self._max_behind, self._is_time_uncertain = 0.0, False
        time_now = redis_time
        if abs(redis_time - local) > MAX_DIFFERENCE:
            archive_offset = self._read_archive_offset(local)
            # While PostgreSQL does not respond, no clock can be confirmed, and this machine's clock is used.
            self._is_time_uncertain = archive_offset is None
            self._max_behind = max(0.0, redis_time - local) if archive_offset is None else 0.0
            time_now = sorted([local, redis_time, local + (archive_offset or 0.0)])[1]
        self._clock_offset = time_now - local

    def _read_archive_offset(self, local: float) -> float | None:
        """Return PostgreSQL's clock offset, read at most once a minute; None while PostgreSQL does not respond."""
        if abs(local - self._archive_read_at) > _ARCHIVE_CLOCK_SECONDS:
            # After a failure, the next call reads the clock again, because a wrong time in an exchange is permanent.
            self._archive_offset = None
            with suppress(StoreUnavailable):
                self._set_archive_offset()
        return self._archive_offset

    def _set_archive_offset(self) -> None:
        local = self._clock()
        self._archive_offset = self.archive.clock() - local
        self._archive_read_at = local

    def now(self) -> float:
        """Return the Unix seconds of Redis' clock; of this machine's clock before the first read of Redis' clock."""
        return self._clock() + (self._clock_offset or 0.0)

    def new_id(self, thread_id: str | None = None) -> UUID:
        """Return an id that sorts after all of the thread's exchanges known to this process."""
        self._refresh_clock()
        return self._ids.new(after=self._latest_order(thread_id or ""), now=self.now())

    def new_cutoff(self, thread_id: str | None = None) -> UUID:
        """Return the cutoff of a deletion that starts now.

        Raises:
            StoreUnavailable: Redis' clock and this machine's differ, and PostgreSQL, whose clock decides, did not
                respond. A cutoff that is too early would keep exchanges; a cutoff that is too late would delete
                exchanges of the following days.
        """
        self._refresh_clock()
        if self._is_time_uncertain:
            self._set_archive_offset()
            self._compare_clocks()
        return self.new_id(thread_id)

    def is_ahead(self, exchange_id: UUID) -> bool:
        """Return whether a caller's id has a time in the future."""
        return is_time_ordered(exchange_id) and self.is_future(milliseconds_of(exchange_id) / 1000)

    def is_future(self, seconds: float) -> bool:
        """Return whether a caller's time, in Unix seconds, is in the future."""
        self._refresh_clock()
        if seconds <= self._latest_client_time() + MAX_AHEAD:
            return False
        # This machine's clock may have been set since the last comparison.
        self._compare_clocks()
        return seconds > self._latest_client_time() + MAX_AHEAD

    def _latest_client_time(self) -> float:
        """Return the latest time that a caller's clock may have."""
        local, now = self._clock(), self.now()
        # If Redis' clock and this machine's differ only slightly, the caller may have used either, so the later time is
        # used.
        return (now if abs(now - local) > MAX_DIFFERENCE else max(now, local)) + self._max_behind

    def _refresh_clock(self) -> None:
        # The clocks are compared again if this machine's clock was set, e.g. while Lambda had frozen the process, or if
        # PostgreSQL's clock was unknown at the last comparison and would have decided.
        is_set = abs(self._clock() - time.monotonic() - self._monotonic_offset) > _MAX_DRIFT
        if self._clock_offset is None or self._is_time_uncertain or is_set:
            self._compare_clocks()

    def _compare_clocks(self) -> None:
        # Without Redis, this machine's clock is used. New ids still sort after the thread's known exchanges.
        with suppress(StoreUnavailable):
            self.set_clock(self.cache.clock())

    def with_new_id(self, exchange: Exchange) -> Exchange:
        """Return the exchange with a new id."""
        # The id's time may be ahead of the clock, so that the id sorts after ids that another machine's clock created.
        # The creation time is never ahead of the clock.
        return exchange.with_id(self.new_id(exchange.thread_id), datetime.fromtimestamp(self.now(), UTC))

    def acceptance_time(self, thread_id: str, exchange_id: UUID | None = None) -> datetime:
        """Return the time of acceptance for a new exchange.

        The time is later than the thread's known exchanges and deletions. If the caller chose a UUIDv7 as the id, the
        current time is returned: the time in the id decides the order and which deletions include the exchange.

        Args:
            thread_id: The exchange's thread.
            exchange_id: The caller's id; None for an import, whose id has another time.
        """
        self._refresh_clock()
        now = datetime.fromtimestamp(self.now(), UTC)
        latest_order = self._latest_order(thread_id)
        if latest_order is None or (exchange_id is not None and is_time_ordered(exchange_id)):
            return now
        return max(now, timestamp_of(latest_order) + timedelta(milliseconds=1))

    def import_id(self, created_at: datetime, accepted_at: datetime) -> UUID:
        """Return a new id for an import. The id sorts by `created_at`."""
        return self._ids.for_import(created_at, accepted_at)

    def remember(self, exchange: Exchange, *, is_durable: bool = True) -> None:
        """Record an accepted exchange, in case L1 loses its list or its outbox."""
        self.accepted.add(exchange, self._clock(), is_durable=is_durable)

    def recent(self, thread_id: str) -> list[Exchange]:
        """Return the thread's exchanges that this process accepted recently."""
        return self.accepted.of(thread_id, self._clock())

    def recent_of_user(self, user_id: str) -> list[Exchange]:
        """Return the user's exchanges that this process accepted recently."""
        return self.accepted.of_user(user_id, self._clock())

    def forget(self, deletion: Deletion, later: Mapping[str, Collection[UUID]] | None = None) -> None:
        """Remove the exchanges that a deletion includes, and each thread's exchanges in `later`, from this process."""
        self.accepted.remove(deletion)
        for thread_id, exchange_ids in (later or {}).items():
            for exchange_id in exchange_ids:
                self.forget_exchange(thread_id, exchange_id)

    def forget_exchange(self, thread_id: str, exchange_id: UUID) -> None:
        """Remove a deleted exchange from this process' state."""
        self.accepted.remove_exchange(thread_id, exchange_id)

    def retry(self, send: Callable[[Exchange], object]) -> None:
        """Send the exchanges that only the outbox has. Call this after `send` has succeeded. Failed exchanges stay."""
        with suppress(StoreUnavailable, TooLargeForQueue):
            self.accepted.retry(send)
