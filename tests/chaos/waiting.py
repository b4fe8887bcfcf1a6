"""Waits for servers during fault injection, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 0.02


def wait(is_so: Callable[[], bool], seconds: float, who: str) -> None:
    """Wait until a condition holds.

    Args:
        is_so: Checks the condition.
        seconds: The timeout.
        who: The server's name, for the error.

    Raises:
        TimeoutError: The condition did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{who} did not do what it was asked for")
        time.sleep(_PAUSE_SECONDS)
