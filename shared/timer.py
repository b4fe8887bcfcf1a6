"""Measures the parts of a turn, and how long it waits for PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

POSTGRES: Final = "postgres"
# The seconds that the current request has waited for each store; None if nothing measures them.
_waits: ContextVar[dict[str, float] | None] = ContextVar("waits", default=None)


class Timer:
    """Measures the duration of each part of a turn.

    Attributes:
        seconds: The durations by part, in the order of the parts.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def record(self, part: str) -> None:
        """Record the end of a part; the next part starts now. The durations of a repeated part are added."""
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._started
        self._started = now

    def skip(self) -> None:
        """Let the next part start now; the time since the last part belongs to none."""
        self._started = time.perf_counter()


@contextmanager
def measured_waits() -> Iterator[dict[str, float]]:
    """Collect the seconds that the calls in this block wait for each store; a store without calls is absent."""
    waits: dict[str, float] = {}
    token = _waits.set(waits)
    try:
        yield waits
    finally:
        _waits.reset(token)


@contextmanager
def waiting_for(store: str) -> Iterator[None]:
    """Add the duration of this block to the request's waits for a store."""
    started = time.perf_counter()
    try:
        yield
    finally:
        if (waits := _waits.get()) is not None:
            waits[store] = waits.get(store, 0.0) + time.perf_counter() - started
