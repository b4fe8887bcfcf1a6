"""Waits for servers while chaos changes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_PAUSE_SECONDS: Final = 0.02


def wait(is_so: Callable[[], bool], seconds: float, who: str) -> None:
    """Wait until something is so.

    Args:
        is_so: Asks the server.
        seconds: How long to wait, at most.
        who: Which server it is.

    Raises:
        TimeoutError: It never was.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{who} did not do what it was asked for")
        time.sleep(_PAUSE_SECONDS)
