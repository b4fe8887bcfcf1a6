"""Clocks that are days apart: of the three machines', the one in the middle counts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.memory.turn import Memory
from shared.stores.in_memory import InMemoryArchive, InMemoryCache, InMemoryQueue

DAY = 86_400.0


@pytest.mark.parametrize("wrong", ["redis", "agent", "postgres", "redis, without postgres"])
@pytest.mark.parametrize("days", [2.0, -2.0])
def test_one_clock_that_is_days_off(
    memory: Callable[..., Memory],
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    wrong: str,
    days: float,
) -> None:
    """An exchange is named by the time that two machines agree on."""

    def off() -> float:
        return time.time() + days * DAY

    made = memory(clock=off if wrong == "agent" else time.time)
    if wrong.startswith("redis"):
        cache._clock = off
    if wrong == "postgres":
        archive.time = off
    made.turn("t", None).recall()
    archive.is_down = wrong.endswith("without postgres")
    made.turn("t", None).keep("q0", "a0")
    (kept,) = queue.take()
    assert abs(kept.created_at.timestamp() - time.time()) < 600
    assert archive.calls.count("clock") <= 1
