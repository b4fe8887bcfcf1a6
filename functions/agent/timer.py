"""How long the parts of a turn take."""

from __future__ import annotations

import time


class Timer:
    """Says how long each part of a turn took.

    Attributes:
        seconds: By the part's name, in the order of the parts.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def record(self, part: str) -> None:
        """Note the end of a part, or of one more piece of it, and with that the beginning of the next."""
        now = time.perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._started
        self._started = now
