"""The service uses the median of three machines' clocks, so one wrong clock has no effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from shared.errors import StoreUnavailable
from shared.ids import ExchangeIds, milliseconds_of
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue

DAY = 86_400.0


@pytest.mark.parametrize("wrong_machine", ["redis", "agent", "postgres", "redis, without postgres"])
@pytest.mark.parametrize("days", [2.0, -2.0])
def test_one_wrong_clock_does_not_change_an_exchanges_time(
    memory: Callable[..., Memory],
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    wrong_machine: str,
    days: float,
) -> None:
    """If one clock is days off, an exchange has the time on which the other two clocks agree."""

    def wrong_clock() -> float:
        return time.time() + days * DAY

    process = memory(clock=wrong_clock if wrong_machine == "agent" else time.time)
    if wrong_machine.startswith("redis"):
        cache._clock = wrong_clock
    if wrong_machine == "postgres":
        archive.time = wrong_clock
    Turn(process, "t", None).recall()
    archive.is_down = wrong_machine.endswith("without postgres")
    Turn(process, "t", None).append("q0", "a0")
    (stored,) = queue.take()
    assert abs(stored.created_at.timestamp() - time.time()) < 600
    assert archive.calls.count("clock") <= 1


@pytest.mark.parametrize("wrong_machine", ["redis", "agent", "postgres", "none"])
@pytest.mark.parametrize("seconds", [2 * DAY, -2 * DAY, 60.0, -60.0])
def test_ids_of_a_correct_clock_are_accepted(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, wrong_machine: str, seconds: float
) -> None:
    """The service accepts ids of a caller with a correct clock, even if one of its own clocks is wrong.

    The service refuses an id that is half a day ahead.
    """

    def wrong_clock() -> float:
        return time.time() + seconds

    process = memory(clock=wrong_clock if wrong_machine == "agent" else time.time)
    if wrong_machine == "redis":
        cache._clock = wrong_clock
    if wrong_machine == "postgres":
        archive.time = wrong_clock
    assert not process.is_ahead(ExchangeIds().new())
    assert not process.is_ahead(ExchangeIds().new(now=time.time() + 5))
    assert process.is_ahead(ExchangeIds().new(now=time.time() + DAY / 2))


def test_a_process_uses_its_own_clock_without_other_clocks(memory: Callable[..., Memory], cache: InMemoryCache) -> None:
    """The process uses its own clock if it cannot read another clock."""
    cache.is_down = True
    assert not memory().is_ahead(ExchangeIds().new())
    assert memory().is_ahead(ExchangeIds().new(now=time.time() + 60))


@pytest.mark.parametrize("days", [2.0, -2.0])
def test_the_time_is_read_again_before_an_id_is_refused(memory: Callable[..., Memory], days: float) -> None:
    """The process reads the time again before it refuses an id because of the id's time."""
    offset = [0.0]
    process = memory(clock=lambda: time.time() + offset[0])
    assert not process.is_ahead(ExchangeIds().new())
    offset[0] = days * DAY
    assert not process.is_ahead(ExchangeIds().new())
    assert process.is_ahead(ExchangeIds().new(now=time.time() + 3 * DAY))


@pytest.mark.parametrize("wrong_machine", ["redis", "agent"])
@pytest.mark.parametrize("days", [2.0, -2.0])
def test_ids_of_two_differing_clocks_are_accepted(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, wrong_machine: str, days: float
) -> None:
    """If two clocks differ and the third does not respond, the process accepts ids of both times.

    The process reads PostgreSQL's clock as soon as PostgreSQL responds.
    """

    def wrong_clock() -> float:
        return time.time() + days * DAY

    process = memory(clock=wrong_clock if wrong_machine == "agent" else time.time)
    if wrong_machine == "redis":
        cache._clock = wrong_clock
    archive.is_down = True
    assert not process.is_ahead(ExchangeIds().new())
    archive.is_down = False
    Turn(process, "t", None).recall()
    assert abs(process.now() - time.time()) < 600
    assert process.is_ahead(ExchangeIds().new(now=time.time() + DAY / 2))


@pytest.mark.parametrize("has_id", [True, False])
def test_a_clock_that_was_wrong_does_not_affect_later_ids(
    memory: Callable[..., Memory], cache: InMemoryCache, queue: InMemoryQueue, *, has_id: bool
) -> None:
    """Ids that were made while the clock was wrong do not affect later ids in any thread."""
    offset = [2 * DAY]
    process = memory(clock=lambda: time.time() + offset[0])
    cache.is_down = True
    Turn(process, "t", None).append("q0", "a0")
    cache.is_down, offset[0] = False, 0.0
    for thread in ("t", "other"):
        Turn(process, thread, None).append("q1", "a1", exchange_id=uuid4() if has_id else None)
    wrong_order, *correct_orders = [exchange.order for exchange in queue.take()]
    assert milliseconds_of(wrong_order) / 1000 > time.time() + DAY
    assert all(abs(milliseconds_of(order) / 1000 - time.time()) < 600 for order in correct_orders)


@pytest.mark.parametrize("days", [-2, 2])
@pytest.mark.parametrize("has_id", [False, True])
def test_a_clock_may_be_set_during_a_turn(memory: Callable[..., Memory], days: float, *, has_id: bool) -> None:
    """If a clock is set during a turn, the exchange has the time on which the other two clocks agree."""
    ahead = 0.0
    turn = Turn(memory(clock=lambda: time.time() + ahead), "t", "ana")
    turn.recall()
    ahead = days * 86_400
    turn.append("q", "a", exchange_id=uuid4() if has_id else None)
    (message, *_) = Turn(memory(), "t", "ana").recall().messages
    assert message.created_at is not None
    assert abs(message.created_at.timestamp() - time.time()) < 60


@pytest.mark.parametrize("is_user", [False, True])
@pytest.mark.parametrize("days", [2.0, -2.0])
def test_a_deletion_waits_for_postgres_if_two_clocks_differ(
    memory: Callable[..., Memory], archive: InMemoryArchive, days: float, *, is_user: bool
) -> None:
    """A cutoff cannot be undone, so a deletion never takes its cutoff from a clock that no other clock confirms."""
    right, wrong = memory(), memory(clock=lambda: time.time() + days * DAY)
    Turn(right, "t", "ada").append("q0", "a0")
    deletion: Callable[[], None] = (
        (lambda: Users(wrong).forget("ada")) if is_user else (lambda: Threads(wrong).delete("t"))
    )

    def refused() -> float:
        raise StoreUnavailable("postgres", "the clock was not read")

    archive.time = refused
    with pytest.raises(StoreUnavailable):
        deletion()
    archive.time = time.time
    deletion()
    assert Turn(right, "t", "ada").recall().messages == []
    Turn(right, "t", "ada").append("q1", "a1")
    assert [message.content for message in Turn(memory(), "t", "ada").recall().messages] == ["q1", "a1"]
