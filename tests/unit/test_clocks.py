"""The service uses the median of three machines' clocks, so one wrong clock has no effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from shared.ids import ExchangeIds, milliseconds_of
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue

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
    """If one clock is days off, an exchange has the time on which the other two clocks agree."""

    def off() -> float:
        return time.time() + days * DAY

    made = memory(clock=off if wrong == "agent" else time.time)
    if wrong.startswith("redis"):
        cache._clock = off
    if wrong == "postgres":
        archive.time = off
    Turn(made, "t", None).recall()
    archive.is_down = wrong.endswith("without postgres")
    Turn(made, "t", None).keep("q0", "a0")
    (kept,) = queue.take()
    assert abs(kept.created_at.timestamp() - time.time()) < 600
    assert archive.calls.count("clock") <= 1


@pytest.mark.parametrize("wrong", ["redis", "agent", "postgres", "none"])
@pytest.mark.parametrize("seconds", [2 * DAY, -2 * DAY, 60.0, -60.0])
def test_ids_of_a_caller_whose_clock_is_right(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, wrong: str, seconds: float
) -> None:
    """The service accepts ids of a caller with a correct clock, even if one of its own clocks is wrong.

    The service refuses ids of tomorrow.
    """

    def off() -> float:
        return time.time() + seconds

    made = memory(clock=off if wrong == "agent" else time.time)
    if wrong == "redis":
        cache._clock = off
    if wrong == "postgres":
        archive.time = off
    assert not made.is_ahead(ExchangeIds().new())
    assert not made.is_ahead(ExchangeIds().new(now=time.time() + 5))
    assert made.is_ahead(ExchangeIds().new(now=time.time() + DAY / 2))


def test_ids_while_only_this_machine_has_a_clock(memory: Callable[..., Memory], cache: InMemoryCache) -> None:
    """The process uses its own clock if it cannot read another clock."""
    cache.is_down = True
    assert not memory().is_ahead(ExchangeIds().new())
    assert memory().is_ahead(ExchangeIds().new(now=time.time() + 60))


@pytest.mark.parametrize("days", [2.0, -2.0])
def test_a_clock_that_is_set_while_the_process_runs(memory: Callable[..., Memory], days: float) -> None:
    """The process reads the time again before it refuses an id because of the id's time."""
    offset = [0.0]
    made = memory(clock=lambda: time.time() + offset[0])
    assert not made.is_ahead(ExchangeIds().new())
    offset[0] = days * DAY
    assert not made.is_ahead(ExchangeIds().new())
    assert made.is_ahead(ExchangeIds().new(now=time.time() + 3 * DAY))


@pytest.mark.parametrize("wrong", ["redis", "agent"])
@pytest.mark.parametrize("days", [2.0, -2.0])
def test_two_clocks_while_the_third_does_not_answer(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, wrong: str, days: float
) -> None:
    """If two clocks differ and the third does not respond, the process accepts ids of both times.

    The process reads PostgreSQL's clock as soon as PostgreSQL responds.
    """

    def off() -> float:
        return time.time() + days * DAY

    made = memory(clock=off if wrong == "agent" else time.time)
    if wrong == "redis":
        cache._clock = off
    archive.is_down = True
    assert not made.is_ahead(ExchangeIds().new())
    archive.is_down = False
    Turn(made, "t", None).recall()
    assert abs(made.now() - time.time()) < 600
    assert made.is_ahead(ExchangeIds().new(now=time.time() + DAY / 2))


@pytest.mark.parametrize("named", [True, False])
def test_a_clock_that_was_wrong_for_a_while(
    memory: Callable[..., Memory], cache: InMemoryCache, queue: InMemoryQueue, *, named: bool
) -> None:
    """Ids that were made while the clock was wrong do not affect later ids in any thread."""
    offset = [2 * DAY]
    made = memory(clock=lambda: time.time() + offset[0])
    cache.is_down = True
    Turn(made, "t", None).keep("q0", "a0")
    cache.is_down, offset[0] = False, 0.0
    for thread in ("t", "other"):
        Turn(made, thread, None).keep("q1", "a1", exchange_id=uuid4() if named else None)
    wrong, *right = [exchange.order for exchange in queue.take()]
    assert milliseconds_of(wrong) / 1000 > time.time() + DAY
    assert all(abs(milliseconds_of(order) / 1000 - time.time()) < 600 for order in right)


@pytest.mark.parametrize("days", [-2, 2])
@pytest.mark.parametrize("is_named", [False, True])
def test_a_clock_that_is_set_during_a_turn(memory: Callable[..., Memory], days: float, *, is_named: bool) -> None:
    """If a clock is set during a turn, the exchange has the time on which the other two clocks agree."""
    ahead = 0.0
    turn = Turn(memory(clock=lambda: time.time() + ahead), "t", "ana")
    turn.recall()
    ahead = days * 86_400
    turn.keep("q", "a", exchange_id=uuid4() if is_named else None)
    (message, *_) = Turn(memory(), "t", "ana").recall().messages
    assert message.created_at is not None
    assert abs(message.created_at.timestamp() - time.time()) < 60
