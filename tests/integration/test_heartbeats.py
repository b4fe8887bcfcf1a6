"""The uptime of PostgreSQL and the sweep. Tests with the fixture `clocked` run on L2 and on the in-memory L2."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import psycopg
import pytest

from infra.local.servers import PostgresServer
from shared.redelivery import LONG_OUTAGE_DELAY, MAX_DRAIN_AGE, SHORT_OUTAGE_SECONDS
from shared.stores.archive import Archive
from shared.stores.postgres.archive import PostgresArchive
from shared.testing import InMemoryArchive

_MINUTE: Final = 60
_HOUR: Final = 3_600
# How long a test may take between two heartbeats.
_TOLERANCE: Final = 30


# Functions of PostgreSQL, with a clock that a test sets ahead.
_CLOCK: Final = """
create schema test_clock;
create table test_clock.ahead as select 0::float8 as seconds;
create function test_clock.clock_timestamp() returns timestamptz language sql as
    'select pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => seconds) from test_clock.ahead'"""


class Clocked:
    """An L2 with a clock that the test sets.

    Args:
        pass_time: Sets the clock ahead by a number of seconds.
    """

    def __init__(self, archive: Archive, pass_time: Callable[[float], object]) -> None:
        self._archive = archive
        self.down = pass_time

    def beat(self) -> float:
        """Write a heartbeat, and return the uptime after it."""
        self._archive.heartbeat()
        return self.uptime()

    def up(self, seconds: float) -> float:
        """Write a heartbeat every minute for this time, and return the uptime at its end."""
        for _ in range(int(seconds // _MINUTE)):
            self.down(_MINUTE)
            self._archive.heartbeat()
        self.down(seconds % _MINUTE)
        return self.uptime()

    def uptime(self) -> float:
        """Return the uptime."""
        uptime = self._archive.uptime_seconds()
        assert self._archive.window("t", 1).uptime == _seconds(uptime)
        return uptime


def _seconds(expected: float) -> object:
    """Return an object that equals about this uptime."""
    return pytest.approx(expected, abs=_TOLERANCE)


@pytest.fixture(params=["real", "in memory"])
def clocked(request: pytest.FixtureRequest) -> Clocked:
    """Return L2 or the in-memory L2, without a heartbeat."""
    if request.param == "in memory":
        in_memory = InMemoryArchive()
        passed = [0.0]
        in_memory.time = lambda: time.time() + sum(passed)
        return Clocked(in_memory, passed.append)
    database: psycopg.Connection = request.getfixturevalue("database")
    database.execute(_CLOCK)
    make: Callable[[str], PostgresArchive] = request.getfixturevalue("real_archive")
    url: str = request.getfixturevalue("database_url")
    return Clocked(
        make(f"{url}?options=-csearch_path%3Dtest_clock,pg_catalog,public"),
        lambda seconds: database.execute("update test_clock.ahead set seconds = seconds + %s", [seconds]),
    )


def test_the_uptime_is_zero_without_a_recent_heartbeat(clocked: Clocked) -> None:
    """The uptime is zero before the first heartbeat, and while heartbeats are missing."""
    assert clocked.uptime() == 0
    clocked.beat()
    assert clocked.up(30 * _MINUTE) > MAX_DRAIN_AGE
    clocked.down(5 * _MINUTE)
    assert clocked.uptime() == 0


def test_the_first_heartbeat_counts_as_the_end_of_a_long_outage(clocked: Clocked) -> None:
    """Before the first heartbeat, messages may have waited for any time."""
    assert clocked.beat() == _seconds(-LONG_OUTAGE_DELAY)
    assert clocked.up(11 * _MINUTE) == _seconds(11 * _MINUTE - LONG_OUTAGE_DELAY)


def test_after_a_short_outage_the_uptime_starts_at_once(clocked: Clocked) -> None:
    """A message has few receives then, so its next delivery is at most a minute later."""
    clocked.beat()
    clocked.up(30 * _MINUTE)
    for outage in (5 * _MINUTE, SHORT_OUTAGE_SECONDS - 10 * _MINUTE):
        clocked.down(outage)
        assert clocked.beat() == _seconds(0)
        assert clocked.up(3 * _MINUTE) == _seconds(3 * _MINUTE)
        clocked.up(_HOUR)


def test_after_a_long_outage_the_uptime_starts_later(clocked: Clocked) -> None:
    """A message has many receives then, so its next delivery is up to ten minutes later."""
    clocked.beat()
    clocked.up(30 * _MINUTE)
    clocked.down(4 * _HOUR)
    assert clocked.beat() == _seconds(-LONG_OUTAGE_DELAY)
    assert clocked.up(9 * _MINUTE) <= MAX_DRAIN_AGE
    assert clocked.up(4 * _MINUTE) > MAX_DRAIN_AGE


def test_a_short_outage_does_not_shorten_the_wait_after_a_long_outage(clocked: Clocked) -> None:
    """A message that failed in both outages still has its many receives."""
    clocked.beat()
    clocked.up(30 * _MINUTE)
    clocked.down(4 * _HOUR)
    clocked.beat()
    for _ in range(2):
        clocked.up(8 * _MINUTE)
        clocked.down(3 * _MINUTE)
        assert clocked.beat() == _seconds(-LONG_OUTAGE_DELAY)
    # The drain then stores all messages, so a later short outage is only a short outage.
    assert clocked.up(15 * _MINUTE) > MAX_DRAIN_AGE
    clocked.down(3 * _MINUTE)
    assert clocked.beat() == _seconds(0)


def test_outages_without_a_drain_between_them_count_as_one(clocked: Clocked) -> None:
    """Outages of an hour, with uptimes that are too short for the drain, add up to a long outage."""
    clocked.beat()
    clocked.up(30 * _MINUTE)
    found = []
    for _ in range(4):
        clocked.down(_HOUR)
        found.append(clocked.beat())
        clocked.up(MAX_DRAIN_AGE - _MINUTE)
    assert found == [_seconds(expected) for expected in (0, 0, -LONG_OUTAGE_DELAY, -LONG_OUTAGE_DELAY)]


def test_outages_with_a_drain_between_them_count_separately(clocked: Clocked) -> None:
    """The drain stores every earlier message between two outages, so no message fails in both."""
    clocked.beat()
    clocked.up(30 * _MINUTE)
    for _ in range(5):
        clocked.down(_HOUR)
        assert clocked.beat() == _seconds(0)
        clocked.up(5 * _MINUTE)


def test_a_corrected_clock_counts_as_a_long_outage(clocked: Clocked) -> None:
    """PostgreSQL's clock was ahead and was corrected, so the length of the last outage is unknown."""
    clocked.down(48 * _HOUR)
    clocked.beat()
    clocked.up(30 * _MINUTE)
    clocked.down(-48 * _HOUR)
    assert clocked.beat() == _seconds(-LONG_OUTAGE_DELAY)


def test_a_restart_between_two_heartbeats_resets_the_uptime(
    real_archive: Callable[..., PostgresArchive], database: psycopg.Connection, postgres: PostgresServer
) -> None:
    """A restart of PostgreSQL sets the uptime to zero, although no heartbeat is missing. It is a short outage."""
    archive = real_archive()
    archive.heartbeat()
    database.execute("update drain_health set healthy_since = now() - interval '1 year'")
    archive.heartbeat()
    assert min(archive.uptime_seconds(), archive.window("t", 1).uptime) > 1e7
    postgres.stop()
    postgres.start()
    assert (archive.uptime_seconds(), archive.window("t", 1).uptime) == (0, 0)
    archive.heartbeat()
    for seconds in (archive.uptime_seconds(), archive.window("t", 1).uptime):
        assert 0 <= seconds < _TOLERANCE


def test_a_heartbeat_of_the_previous_release_is_continued(
    real_archive: Callable[..., PostgresArchive], database: psycopg.Connection
) -> None:
    """The previous release's heartbeat does not record which exchanges are drained. The next heartbeat does."""
    database.execute("insert into drain_health (id, healthy_since, beat_at) values (1, now() - interval '1 h', now())")
    archive = real_archive()
    archive.heartbeat()
    assert archive.uptime_seconds() == _seconds(_HOUR)
    database.execute("update drain_health set beat_at = beat_at - interval '5 min'")
    archive.heartbeat()
    assert archive.uptime_seconds() == _seconds(0)
