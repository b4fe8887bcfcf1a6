"""Times and durations for people: `2 h ago`, and exact times with `--verbose`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

UNKNOWN: Final = "unknown"
_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_JUST_NOW: Final = 10
_UNITS: Final = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s"))
# Times that are at least this many days ago are shown as dates.
_MAX_DAYS: Final = 30


def iso_time(value: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_text(value: str | None, *, is_exact: bool, now: datetime | None = None) -> str | None:
    """Return an ISO 8601 time as people say it, e.g. `2 h ago`.

    Args:
        value: A time with its zone; None if there is none.
        is_exact: Return the time unchanged.
        now: By default the current time.
    """
    if value is None or is_exact:
        return value
    time = datetime.fromisoformat(value).astimezone(UTC)
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    if seconds < -_MINUTE:
        return value  # the two clocks differ
    if seconds < _JUST_NOW:
        return "just now"
    if seconds >= _MAX_DAYS * _DAY:
        return f"{time:%Y-%m-%d}"
    size, unit = next(each for each in _UNITS if seconds >= each[0])
    return f"{seconds // size:.0f} {unit} ago"


def as_of(time: str | None, *, is_exact: bool) -> str:
    """Return the time of a reading as the end of a sentence; nothing unless the user wants exact times."""
    return f", as of {time}" if is_exact else ""


def format_duration(seconds: float | None) -> str:
    """Return a duration in its two largest units, e.g. `3 min 5 s`."""
    if seconds is None:
        return UNKNOWN
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    return f"{seconds // _DAY:.0f} d {seconds % _DAY // _HOUR:.0f} h"
