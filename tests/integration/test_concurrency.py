"""Concurrent drains, deletions and changes cause no duplicates, no restored data and no deadlock."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from psycopg.rows import dict_row

from shared.ids import ExchangeIds
from shared.models import Exchange
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.locks import lock_exclusive, lock_shared
from tests.support.exchanges import MOMENT, exchange, exchanges

MakeArchive = Callable[..., PostgresArchive]


def _run_concurrently(actions: Sequence[Callable[[], object]]) -> list[object]:
    """Run all actions concurrently and return their results, or raise the exception of one action."""
    gate = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> object:
        gate.wait(30)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def _count(database: psycopg.Connection, what: str) -> int:
    row = database.execute(f"select count(*) from {what}".encode()).fetchone()
    return int(row[0]) if row else 0


def test_a_batch_stored_by_several_connections_is_counted_once(
    real_archive: MakeArchive, database: psycopg.Connection
) -> None:
    """Three connections store the same batch. Each exchange counts as new for one connection only."""
    batch = [exchange(number, f"t{number % 7}") for number in range(200)]
    archives = [real_archive() for _ in range(3)]
    for archive in archives:
        archive.ping()
    results = _run_concurrently([lambda archive=archive: archive.store(batch).stored for archive in archives])  # type: ignore[misc]
    assert sum(int(str(result)) for result in results) == 200
    assert _count(database, "messages") == 400


def test_the_earlier_of_two_concurrent_versions_stays(real_archive: MakeArchive) -> None:
    """Two connections store two versions of an exchange. The earlier version stays, in any order of the commits."""
    archives = [real_archive(), real_archive()]
    for number in range(10):
        exchange_id = ExchangeIds().new()
        versions = [
            exchange(side, f"t{number}", exchange_id=exchange_id, created_at=MOMENT + timedelta(seconds=side))
            for side in (0, 1)
        ]
        _run_concurrently([lambda a=a, v=v: a.store([v]) for a, v in zip(archives, versions, strict=True)])  # type: ignore[misc]
        assert archives[0].window(f"t{number}", 5).exchanges == versions[:1]


def test_drains_that_share_threads_do_not_deadlock(real_archive: MakeArchive, database: psycopg.Connection) -> None:
    """Concurrent batches with the same threads in different orders succeed."""
    threads = [f"t{number}" for number in range(12)]

    def drain(seed: int) -> None:
        random_generator = random.Random(seed)  # noqa: S311 - no secret depends on it
        archive = real_archive(timeout_ms=20_000)
        for _ in range(15):
            batch = [exchange(seed, thread, f"u{seed}") for thread in threads * 3]
            random_generator.shuffle(batch)
            archive.store(batch)

    _run_concurrently([lambda seed=seed: drain(seed) for seed in range(4)])  # type: ignore[misc]
    assert _count(database, "messages") == 4 * 15 * 36 * 2
    assert _count(database, "conversations") == 12


def test_exchanges_up_to_a_concurrent_deletions_cutoff_are_deleted(
    real_archive: MakeArchive, database: psycopg.Connection
) -> None:
    """Drains and deletions run concurrently. At the end, only exchanges after a thread's last deletion are stored."""
    created = {f"t{number}": exchanges(40, f"t{number}", "ana") for number in range(4)}
    cutoffs: dict[str, int] = {}

    def drain() -> None:
        archive = real_archive(timeout_ms=20_000)
        for start in range(0, 40, 4):
            archive.store([each for batch in created.values() for each in batch[start : start + 4]])

    def delete() -> None:
        archive = real_archive(timeout_ms=20_000)
        for at in (5, 15, 25):
            for thread, batch in created.items():
                cutoffs[thread] = archive.forget_thread(thread, batch[at].order)[1].int

    _run_concurrently([drain, drain, delete])
    for thread, batch in created.items():
        remaining = {each.exchange_id for each in batch if each.order.int > cutoffs[thread]}
        rows = database.execute(
            "select distinct exchange_id from messages join conversations c on c.id = conversation_id"
            " where thread_id = %s",
            (thread,),
        )
        assert {exchange_id for (exchange_id,) in rows} == remaining


def test_a_deletion_waits_for_a_running_batch_of_its_thread(
    real_archive: MakeArchive, database_url: str, database: psycopg.Connection
) -> None:
    """A deletion waits for a running batch and then deletes the batch's exchanges."""
    archive, deleter = real_archive(), real_archive(timeout_ms=20_000)
    old_exchange = exchange(1)
    archive.store([old_exchange])
    completed = threading.Event()
    with psycopg.connect(database_url) as drain:
        # This connection is a drain in the middle of its transaction. It holds the lock that every drain acquires.
        drain.execute("select pg_advisory_xact_lock_shared(7215002)")
        late_exchange = _insert_by_hand(drain, old_exchange)

        def delete() -> None:
            deleter.forget_thread("t", ExchangeIds().new(after=late_exchange.order))
            completed.set()

        runner = threading.Thread(target=delete)
        runner.start()
        while _count(database, "pg_locks where locktype = 'advisory' and not granted") == 0:
            assert not completed.is_set()
        drain.commit()
    runner.join(30)
    assert completed.is_set()
    assert (_count(database, "messages"), archive.store([old_exchange, late_exchange]).tombstoned) == (0, 2)
    assert archive.window("t", 5).exchanges == []


def test_a_deletion_does_not_wait_for_drains_of_other_threads(
    real_archive: MakeArchive, database_url: str, database: psycopg.Connection
) -> None:
    """A deletion does not wait for other threads' drains and does not block them. Drains of its own thread wait."""
    archive = real_archive()
    archive.store([exchange(1), exchange(2, "other", "ana")])
    with (
        psycopg.connect(database_url, row_factory=dict_row) as drain,
        psycopg.connect(database_url, row_factory=dict_row) as deletion,
    ):
        lock_shared(drain, ["other"], ["ana"])
        assert archive.forget_thread("t", ExchangeIds().new())[0]
        lock_exclusive(deletion, ["t"])
        drain.execute("set lock_timeout = '100ms'")
        lock_shared(drain, ["another"], ["ana", "bob"])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            lock_shared(drain, ["t"])
    assert _count(database, "messages") == 2


def test_writes_wait_for_the_global_lock_of_the_previous_release(
    real_archive: MakeArchive, database_url: str, database: psycopg.Connection
) -> None:
    """The previous release's deletions use a global lock. While that release may run, small writes also acquire it."""
    archive = real_archive(timeout_ms=20_000)
    database.execute("insert into lock_transition values (now() + interval '1 day')")
    completed = threading.Event()

    def store() -> None:
        archive.store([exchange(1)])
        completed.set()

    with psycopg.connect(database_url) as deletion:
        deletion.execute("select pg_advisory_xact_lock(7215002)")
        runner = threading.Thread(target=store)
        runner.start()
        while _count(database, "pg_locks where locktype = 'advisory' and not granted") == 0:
            assert not completed.is_set()
        deletion.commit()
    runner.join(30)
    assert completed.is_set()


def _insert_by_hand(connection: psycopg.Connection, like: Exchange) -> Exchange:
    late_exchange = exchange(2, exchange_id=ExchangeIds().new(after=like.order))
    connection.execute(
        "insert into messages (conversation_id, exchange_id, position, role, content, created_at)"
        " select id, %s, 0, 'user', 'q2', %s from conversations",
        (late_exchange.exchange_id, late_exchange.created_at),
    )
    return late_exchange


@pytest.mark.parametrize("changes", [30])
def test_concurrent_preferences_end_equal_in_both_layers(changes: int, real_archive: MakeArchive) -> None:
    """After concurrent changes, the preferences that were passed to Redis last equal PostgreSQL's preferences."""
    published: list[dict[str, str]] = []

    def publish(found: dict[str, str]) -> bool:
        published.append(found)
        return True

    def change(key: str) -> None:
        archive = real_archive(timeout_ms=20_000)
        for number in range(changes):
            value = None if number % 5 == 4 else str(number)
            archive.change_preferences("ana", {key: value}, replace=False, update_cache=publish)

    _run_concurrently([lambda key=key: change(key) for key in "abc"])  # type: ignore[misc]
    assert published[-1] == real_archive().preferences("ana")
