"""Exchange ids, the order of a thread's exchanges, and valid ids of threads, users and documents.

An id generated here is a UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds followed by random bits, so that
ids sort by time. A caller may use any UUID. A thread is therefore sorted by the *order key*. If the id is a UUIDv7, the
order key is the id. Otherwise it is the creation time in a UUIDv7's format, followed by the rest of the id.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

MAX_ID_LENGTH: Final = 255
# RFC 3986, section 5.2.4; their encoded forms (%2e) count as well (URL standard, "double-dot URL path segment").
_DOT_SEGMENTS: Final = frozenset({".", ".."})
UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = datetime.resolution
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 74
# The other 52 bits are the microseconds of the acceptance, which fit until the year 2112.
_IMPORT_RANDOM_BITS = 22
_DAY = 86_400_000
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)


def compose_uuid7(milliseconds: int, randomness: int) -> UUID:
    """Return the UUIDv7 of a time in Unix milliseconds. Its other 74 bits are `randomness`."""
    rand_a, rand_b = randomness >> 62, randomness & ((1 << 62) - 1)
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | rand_a << 64 | rand_b)


def milliseconds_of(order_key: UUID) -> int:
    """Return the Unix milliseconds in the first 48 bits of a UUIDv7 or an order key."""
    return order_key.int >> 80


def unix_milliseconds(moment: datetime) -> int:
    """Return the Unix milliseconds of a time, rounded down."""
    return (moment - UNIX_EPOCH) // _MILLISECOND


def is_time_ordered(exchange_id: UUID) -> bool:
    """Return whether the id is a UUIDv7. Only the version digit is checked, as in PostgreSQL."""
    return exchange_id.int >> 76 & 0xF == 7  # noqa: PLR2004 - the version of this module's ids


def order_key(exchange_id: UUID, created_at: datetime) -> UUID:
    """Return the key that sorts an exchange in its thread. PostgreSQL computes the same key in `messages.order_key`.

    Args:
        exchange_id: Any UUID.
        created_at: With a time zone, 1970 or later; used with millisecond precision, only if the id is not a UUIDv7.
    """
    if is_time_ordered(exchange_id):
        return exchange_id
    return UUID(int=unix_milliseconds(created_at) << 80 | exchange_id.int & ((1 << 80) - 1))


def acceptance_key(order: UUID, accepted_at: datetime | None) -> UUID:
    """Return the key that a deletion's cutoff is compared with.

    The key is the order key, except for an import. An import's order key contains the time that the caller gave. So its
    acceptance key contains the millisecond of its acceptance instead, followed by zeros. A cutoff of that millisecond
    includes the import.

    Args:
        order: The exchange's order key.
        accepted_at: When an import was accepted; None for any other exchange.
    """
    if accepted_at is None:
        return order
    return first_key_of(unix_milliseconds(accepted_at))


def first_key_of(milliseconds: int) -> UUID:
    """Return the lowest order key of a millisecond."""
    return UUID(int=milliseconds << 80)


_LAST_MILLISECOND = 253_402_300_799_999  # 48 bits exceed the last year of a datetime


class ExchangeIds:
    """Generates ids that increase within a process and sort after any order key that the caller passes.

    An id is greater than the process' previous ids, even if the clock was set back by less than a day. It is also
    greater than `after`, even if a clock that runs ahead created `after`. If the clock's time is too early for this,
    the id's time is one millisecond after the greatest of these keys.
    """

    def __init__(self) -> None:
        self._last = 0
        self._last_import = 0
        self._lock = threading.Lock()

    def new(self, after: UUID | None = None, now: float | None = None) -> UUID:
        """Return a new UUIDv7.

        Args:
            after: The new id sorts after this order key.
            now: Unix seconds; by default the system clock.
        """
        milliseconds = int((time.time() if now is None else now) * 1000)
        with self._lock:
            if self._last >> 80 > milliseconds + _DAY:
                # A wrong clock created the last id, so later ids must not continue from it.
                self._last = 0
            previous = max(self._last, after.int if after else 0)
            new_id = compose_uuid7(milliseconds, secrets.randbits(_RANDOM_BITS))
            if new_id.int <= previous:
                new_id = compose_uuid7((previous >> 80) + 1, secrets.randbits(_RANDOM_BITS))
            self._last = new_id.int
        return new_id

    def for_import(self, created_at: datetime, accepted_at: datetime) -> UUID:
        """Return a UUIDv7 of the millisecond of `created_at`. It does not affect later ids of `new`.

        The microseconds of the acceptance follow the milliseconds, so that imports with equal times sort in the order
        of their acceptance. Within a process these microseconds increase with every import.
        """
        with self._lock:
            microseconds = (accepted_at - UNIX_EPOCH) // _MICROSECOND
            # If the clock was set back, continue from the last value. If the last value is more than a day ahead, a
            # wrong clock created it, so do not continue from it.
            if microseconds <= self._last_import <= microseconds + _DAY * 1000:
                microseconds = self._last_import + 1
            self._last_import = microseconds
        randomness = microseconds << _IMPORT_RANDOM_BITS | secrets.randbits(_IMPORT_RANDOM_BITS)
        return compose_uuid7(unix_milliseconds(created_at), randomness & ((1 << _RANDOM_BITS) - 1))


def timestamp_of(exchange_id: UUID) -> datetime:
    """Return the creation time in a UUIDv7 with millisecond precision, in UTC; the year 9999 for later times."""
    milliseconds = min(milliseconds_of(exchange_id), _LAST_MILLISECOND)
    return datetime.fromtimestamp(0, UTC) + milliseconds * 1000 * _MICROSECOND


def id_error(value: str) -> str | None:
    """Return why an id is not a valid thread, user or document id, or None."""
    if not 1 <= len(value) <= MAX_ID_LENGTH:
        return f"must have 1 to {MAX_ID_LENGTH} characters"
    if not value.isprintable():
        return "must contain only printable characters"
    return None


def path_id_error(value: str) -> str | None:
    """Return why an id is not a valid thread or user id in a path, or None.

    The API checks this; queued and stored ids need only satisfy `id_error`.
    """
    if value in _DOT_SEGMENTS:
        return "must not be . or .., because browsers and proxies resolve these in a path"
    return id_error(value)
