"""Waits for servers during fault injection, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 0.02


def wait_until(condition: Callable[[], bool], seconds: float, server: str) -> None:
    """Wait until a condition holds.

    Args:
        condition: Checks the condition.
        seconds: The timeout.
        server: The server's name, for the error.

    Raises:
        TimeoutError: The condition did not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{server} did not reach the expected state in {seconds} s")
        time.sleep(_PAUSE_SECONDS)
