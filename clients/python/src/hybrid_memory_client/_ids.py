"""Exchange ids: UUIDv7s that increase within a process and follow the service's clock."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from uuid import UUID

_RANDOM_BITS: Final = 74
# The other 52 bits are the microseconds at which the import was sent.
_IMPORT_RANDOM_BITS: Final = 22
_VERSION_AND_VARIANT: Final = (0x7 << 76) | (0b10 << 62)
_LOW_62: Final = (1 << 62) - 1
# The service rejects ids whose time is more than 10 s in the future.
_MAX_AHEAD_MS: Final = 9_000
_VERSION: Final = 7


def make_uuid7(milliseconds: int, randomness: int) -> UUID:
    """Return a UUIDv7 (RFC 9562, section 5.7) of 48 timestamp bits and 74 random bits."""
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | (randomness >> 62 & 0xFFF) << 64 | randomness & _LOW_62)


def is_time_ordered(exchange_id: UUID) -> bool:
    """Return whether the id is a UUIDv7. As in the service, only the version digit decides."""
    return exchange_id.int >> 76 & 0xF == _VERSION


class ExchangeIds:
    """Generates ids for one deployment.

    Each id is greater than all ids generated before or read from responses, even if the clock is set back. The service
    sorts a thread by these ids and rejects ids from the future. The `Date` header of its responses therefore corrects a
    wrong clock.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0
        self._last_import = 0
        self._offset = 0.0

    def new(self) -> UUID:
        """Return a new id."""
        randomness = secrets.randbits(_RANDOM_BITS)
        with self._lock:
            new_id = make_uuid7(self._now_ms(), randomness)
            if new_id.int <= self._last:
                new_id = make_uuid7((self._last >> 80) + 1, randomness)
            self._last = new_id.int
        return new_id

    def for_import(self, created_at: datetime) -> UUID:
        """Return a new id with the millisecond of `created_at`. Later ids of `new` do not depend on this id.

        Ids for equal times increase with each call.
        """
        epoch = datetime.fromtimestamp(0, UTC)
        with self._lock:
            self._last_import = max(int((self._clock() + self._offset) * 1e6), self._last_import + 1)
            randomness = self._last_import << _IMPORT_RANDOM_BITS | secrets.randbits(_IMPORT_RANDOM_BITS)
        return make_uuid7((created_at.astimezone(UTC) - epoch) // (datetime.resolution * 1000), randomness)

    def observe(self, exchange_ids: Iterable[UUID | None]) -> None:
        """Make later ids sort after these ids. An id whose time is more than 9 s in the future is ignored."""
        with self._lock:
            latest = self._now_ms() + _MAX_AHEAD_MS
            numbers = [
                each.int
                for each in exchange_ids
                if each is not None and is_time_ordered(each) and each.int >> 80 <= latest
            ]
            self._last = max([self._last, *numbers])

    def adjust_clock(self, date: str | None, sent: float) -> None:
        """Correct the clock by the smallest difference that explains a response's `Date`.

        Args:
            date: The header's value, in whole seconds.
            sent: The clock's time before the request was sent.
        """
        try:
            server_time = parsedate_to_datetime(date).timestamp() if date else None
        except (ValueError, OverflowError):
            server_time = None
        if server_time is None:
            return
        lowest, highest = server_time - self._clock(), server_time + 1 - sent
        with self._lock:
            self._offset = max(lowest, min(highest, 0.0))
            if self._last >> 80 > self._now_ms() + _MAX_AHEAD_MS:
                # The clock was ahead when it generated this id. The service would reject the ids after it.
                self._last = 0

    def now(self) -> float:
        """Return the uncorrected clock's time."""
        return self._clock()

    def _now_ms(self) -> int:
        return int((self._clock() + self._offset) * 1000)


# The generators stay after a client is closed, because the next client's ids must sort after the closed client's ids.
_BY_URL: Final[dict[str, ExchangeIds]] = {}
_MAX_URLS: Final = 1_000
_BY_URL_LOCK: Final = threading.Lock()


def ids_for(base_url: str) -> ExchangeIds:
    """Return the id generator that all clients of a deployment share in this process."""
    with _BY_URL_LOCK:
        ids = _BY_URL.pop(base_url, None) or ExchangeIds()
        _BY_URL[base_url] = ids
        while len(_BY_URL) > _MAX_URLS:
            del _BY_URL[next(iter(_BY_URL))]
        return ids


def id_after(exchange_id: UUID, created_at: datetime | None, number: int) -> UUID:
    """Return the id that sorts directly after an exchange in its thread. Equal arguments always give the same id.

    Args:
        exchange_id: The exchange's id.
        created_at: The exchange's creation time, which orders it if its id is not a UUIDv7.
        number: Distinguishes several such ids of one exchange.
    """
    if is_time_ordered(exchange_id):
        key = exchange_id.int
        following = (key & _LOW_62) + 1 + number
        if following <= _LOW_62:
            return UUID(int=(key & ~_LOW_62) | following)
        return make_uuid7((key >> 80) + 1, number)
    moment = created_at or datetime.fromtimestamp(0, UTC)
    milliseconds = (moment - datetime.fromtimestamp(0, UTC)) // (datetime.resolution * 1000)
    # Use the next millisecond: within the same millisecond, other exchanges may sort in between.
    digest = hashlib.sha256(exchange_id.bytes + number.to_bytes(8, "big")).digest()
    return make_uuid7(milliseconds + 1, int.from_bytes(digest[:10], "big"))
