"""The sweep drains the outbox, updates L1, and leaves failed work for the next sweep."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from functions.sync.sweep import Sweep, SweepResult
from shared.errors import InvalidRecord, StoreUnavailable
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, exchanges, texts

MakeMemory = Callable[..., Memory]


@pytest.fixture
def dead_letters() -> list[tuple[str, str]]:
    """Return the list that records the dead letters."""
    return []


@pytest.fixture
def run(
    archive: InMemoryArchive, cache: InMemoryCache, dead_letters: list[tuple[str, str]]
) -> Callable[[], SweepResult]:
    """Return a function that runs one sweep."""

    def dead_letter_body(body: str, error: InvalidRecord, _: str | None) -> None:
        dead_letters.append((body, error.reason))

    archive.expired_rows = {"idempotency_keys": 3}
    return Sweep(archive, cache, window=50, dead_letter_body=dead_letter_body).run


def test_a_sweep_without_work_deletes_old_rows(run: Callable[[], SweepResult]) -> None:
    """If no work waits, the sweep only deletes old rows."""
    assert run() == SweepResult(purged=3)


@pytest.mark.parametrize("days", [-2, 2])
def test_no_rows_are_deleted_while_a_clock_is_wrong(
    run: Callable[[], SweepResult], archive: InMemoryArchive, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """While PostgreSQL's clock is days off, the sweep does not delete rows by their age."""
    monkeypatch.setattr(archive, "clock", lambda: time.time() + days * 86_400)
    assert run() == SweepResult()
    monkeypatch.undo()
    assert run() == SweepResult(purged=3)


def test_the_outbox_is_stored_in_batches(
    run: Callable[[], SweepResult], cache: InMemoryCache, archive: InMemoryArchive, dead_letters: list[tuple[str, str]]
) -> None:
    """The sweep empties the outbox in batches.

    The sweep stores a repeated exchange once, and dead-letters invalid entries.
    """
    stored = exchanges(450)
    for each in [*stored, stored[0]]:
        cache.append(each, is_drained=False, in_outbox=True)
    cache.outbox_bodies.insert(5, "no json")
    result = run()
    assert (result.stored, result.refused, result.skipped) == (450, 1, [])
    assert dead_letters == [("no json", "not_json")]
    assert (cache.outbox_bodies, archive.exchanges("t")) == ([], stored)


def test_entries_wait_for_the_dead_letter_queue(archive: InMemoryArchive, cache: InMemoryCache) -> None:
    """Entries that the dead-letter queue refuses stay in the outbox. The sweep stores the entries after them."""

    def dead_letter_body(*_: object) -> None:
        raise StoreUnavailable("queue", "SYNC__DLQ_URL is not set")

    invalid = [f"no json {number}" for number in range(450)]
    cache.outbox_bodies.extend(invalid)
    valid = exchanges(250)
    for each in valid:
        cache.append(each, is_drained=False, in_outbox=True)
    result = Sweep(archive, cache, window=50, dead_letter_body=dead_letter_body).run()
    assert (result.stored, result.refused, set(result.skipped)) == (250, 0, {"queue"})
    assert (cache.outbox_bodies, archive.exchanges("t")) == (invalid, valid)


def test_the_outbox_waits_for_l2(
    run: Callable[[], SweepResult], cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """The sweep removes only stored exchanges from the outbox."""
    cache.append(exchange(), is_drained=False, in_outbox=True)
    archive.is_down = True
    assert "postgres" in run().skipped
    assert len(cache.outbox_bodies) == 1
    archive.is_down = False
    assert run().stored == 1


def test_an_interrupted_sweep_stores_nothing_twice(
    run: Callable[[], SweepResult], cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """If a sweep ends before it removes stored exchanges, the next sweep stores no exchange twice."""
    cache.append(exchange(), is_drained=False, in_outbox=True)
    remove = cache.remove_from_outbox

    def fail(*_: object) -> None:
        raise StoreUnavailable("redis", "gone")

    cache.remove_from_outbox = fail  # type: ignore[method-assign,assignment]
    assert run().stored == 1
    cache.remove_from_outbox = remove  # type: ignore[method-assign]
    assert run().stored == 0
    assert (cache.outbox_bodies, len(archive.exchanges("t"))) == ([], 1)


def test_lists_are_updated_after_an_outage_of_l1(
    run: Callable[[], SweepResult],
    memory: MakeMemory,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
) -> None:
    """The sweep adds to L1's lists the exchanges that L2 stored while L1 was down."""
    process = memory()
    Turn(process, "t", None).recall()
    Turn(process, "t", None).append("q0", "a0")
    archive.store(queue.take())
    queue.is_down = cache.is_down = True
    turn = Turn(memory(), "t", None)
    turn.recall()
    turn.append("q1", "a1")
    cache.is_down = False
    cache._missed.clear()  # the process that stored the exchange has ended
    result = run()
    assert (result.repaired, result.skipped) == (1, [])
    assert [content for _, content in cache.contents("t")] == contents_of(0, 1)
    assert texts(Turn(process, "t", None).recall().messages) == contents_of(0, 1)
    assert run().repaired == 0
    assert archive.invalidations(9) == []


def test_preferences_are_updated_after_an_outage_of_l1(
    run: Callable[[], SweepResult], memory: MakeMemory, cache: InMemoryCache
) -> None:
    """L1 gets the preferences that were set while L1 was down."""
    users = Users(memory())
    users.replace("ana", {"a": "1"})
    cache.is_down = True
    users.replace("ana", {"a": "2"})
    cache.is_down = False
    assert run().repaired == 1
    assert cache.hashes["ana"] == {"a": "2"}


def test_updates_wait_for_l1(run: Callable[[], SweepResult], cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If L1 is down, the needed updates stay recorded, and the sweep does its other work."""
    archive.log_invalidations("thread", ["t1", "t2"])
    cache.is_down = True
    result = run()
    assert set(result.skipped) == {"redis"}
    assert (result.repaired, result.purged, len(archive.invalidations(9))) == (0, 3, 2)
