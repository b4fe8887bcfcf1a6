"""Measures the parts of a turn."""

from __future__ import annotations

import time


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
