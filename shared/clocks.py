"""How far the clocks of the machines and servers may differ, in seconds."""

from __future__ import annotations

import time
from typing import Final

# Clocks of two machines that are further apart are not both right.
MAX_DIFFERENCE: Final = 120.0
# What a caller's clock may be ahead. An id from further ahead would take its thread, and a deletion, along.
MAX_AHEAD: Final = 10.0
# An order key further ahead than this comes from no clock's skew, and must not drag a thread into its time.
MAX_SKEW: Final = 86_400.0


def is_odd(clock: float) -> bool:
    """Return whether another machine's clock and this one's are so far apart that one was set wrong.

    Then nothing follows from the time that has passed on it.
    """
    return abs(clock - time.time()) > MAX_DIFFERENCE
