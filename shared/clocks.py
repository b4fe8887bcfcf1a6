"""How far the clocks of the machines and servers may differ, in seconds."""

from __future__ import annotations

from typing import Final

# Clocks of two machines that are further apart are not both right.
MAX_DIFFERENCE: Final = 120.0
# What a caller's clock may be ahead. An id from further ahead would take its thread, and a deletion, along.
MAX_AHEAD: Final = 10.0
# An order key further ahead than this comes from no clock's skew, and must not drag a thread into its time.
MAX_SKEW: Final = 86_400.0
