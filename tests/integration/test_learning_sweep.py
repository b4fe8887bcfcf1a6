"""The sweep of learned memory on a real PostgreSQL: the threads it marks, and the log of deleted statements."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime

import psycopg
import pytest

from functions.derive.learning import LearningDerivation, LearningLimits
from shared.learning.memories import Forgotten
from shared.models import Exchange
from shared.stores.derivations import MEMORIES
from shared.stores.postgres.archive import PostgresArchive
from tests.support.derivers import ScriptedDeriver
from tests.support.exchanges import said

MakeArchive = Callable[..., PostgresArchive]
_ADD_STATEMENTS = """\
insert into memory_statements (id, message_id, conversation_id, deriver, kind, slot, value, text, quote, role)
select gen_random_uuid(), m.id, m.conversation_id, 'd', 'fact', 's', 'v', 't', 'q', 'user'
from messages m cross join generate_series(1, %s)"""


def _derivation(archive: PostgresArchive) -> LearningDerivation:
    return LearningDerivation(archive, ScriptedDeriver(), 50, lambda _: None, LearningLimits(20))


def _mark_all(archive: PostgresArchive, name: str = "scripted:1") -> list[str]:
    """Run a pass of the sweep, as far as there is one to run, and return the threads that are due."""
    while archive.mark_old_threads(MEMORIES, name):
        pass
    return sorted(archive.due_threads(MEMORIES, -1, -1, 9))


@pytest.fixture
def read_once(real_archive: MakeArchive, database: psycopg.Connection) -> PostgresArchive:
    """Return L2 after a first pass. The thread "old" was used a day before."""
    archive = real_archive()
    archive.store([said("I live in Rome", thread_id="used"), said("I live in Oslo", thread_id="old")])
    database.execute("update conversations set updated_at = now() - interval '1 day' where thread_id = 'old'")
    database.commit()
    assert _mark_all(archive) == ["old", "used"]
    for thread_id in ("used", "old"):
        assert _derivation(archive).derive(thread_id, 30)
    assert _mark_all(archive) == []
    return archive


@pytest.mark.parametrize(("minutes", "expected"), [(5, []), (20, ["used"])])
def test_after_a_rollback_the_used_threads_are_read(
    read_once: PostgresArchive, database: psycopg.Connection, minutes: int, expected: list[str]
) -> None:
    """A release that does not learn has stored an exchange. The next sweep after it marks the thread, and no others."""
    database.execute("update derivation_progress set ended_at = now() - make_interval(mins => %s)", (minutes,))
    database.commit()
    assert _mark_all(read_once) == expected
    database.execute("delete from due_derivations")
    database.commit()
    assert _mark_all(read_once) == []
    assert _mark_all(read_once, "scripted:2") == ["old", "used"]


@pytest.mark.parametrize("is_import", [False, True])
def test_what_an_earlier_release_stored_beside_the_first_pass_is_read(
    read_once: PostgresArchive,
    database: psycopg.Connection,
    is_import: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A second pass, 20 minutes after the start of the first one, marks the threads that were used meanwhile, once."""
    read_once.store([said("I live in Lima", thread_id="beside")])
    if is_import:
        database.execute("update conversations set updated_at = '2020-01-01' where thread_id = 'beside'")
        database.execute(
            "update conversations set last_import = (select order_key from messages order by order_key desc limit 1)"
            " where thread_id = 'beside'"
        )
        database.commit()
    assert _mark_all(read_once) == []
    database.execute("update derivation_progress set repeat_from = now() - interval '21 minutes'")
    database.execute("update conversations set updated_at = '2020-01-01' where thread_id = 'used'")
    database.commit()
    assert _mark_all(read_once) == ["beside"]
    assert _derivation(read_once).derive("beside", 30)
    for _ in range(2):
        assert _mark_all(read_once) == []


def test_a_pass_after_a_pause_has_pages(
    read_once: PostgresArchive, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many threads were used during the pause, a statement reads a limited number of them."""
    monkeypatch.setattr("shared.stores.postgres.vectors._THREADS", 1)
    database.execute("update conversations set updated_at = now()")
    database.execute("update derivation_progress set ended_at = now() - interval '1 day'")
    database.commit()
    steps = [read_once.mark_old_threads(MEMORIES, "scripted:1") for _ in range(3)]
    assert (steps, len(read_once.due_threads(MEMORIES, -1, -1, 9))) == ([1, 1, 0], 2)


def _updates(database: psycopg.Connection) -> int:
    """Return the number of versions of log rows that the current transaction has written."""
    (count,) = database.execute(
        "select n_tup_ins + n_tup_upd from pg_stat_xact_user_tables where relname = 'cache_repairs'"
    ).fetchone() or (0,)
    return int(count)


@pytest.mark.parametrize(
    "deletion",
    ["delete from memory_statements", "delete from messages", "update messages set content = content || '.'"],
)
def test_deleted_statements_are_logged_once_per_user(
    real_archive: MakeArchive, database: psycopg.Connection, deletion: str
) -> None:
    """A transaction writes one log row per user, however many statements it deletes, so its time is linear."""
    archive = real_archive()
    archive.store([said(f"text {number}", thread_id=f"t{number % 2}") for number in range(100)])
    database.execute(_ADD_STATEMENTS, (20,))
    database.execute("delete from cache_repairs")
    database.commit()
    database.execute(deletion)
    assert _updates(database) == 1
    database.commit()
    assert database.execute("select kind, id from cache_repairs").fetchall() == [("user", "ana")]
    assert database.execute("select from memory_statements").fetchall() == []


def test_a_deletion_is_logged_again_by_the_next_transaction(
    real_archive: MakeArchive, database: psycopg.Connection
) -> None:
    """The sweep may have read the earlier log row, so the row gets a new time."""
    real_archive().store([said("one"), said("two")])
    database.execute(_ADD_STATEMENTS, (1,))
    database.commit()
    times = []
    for _ in range(2):
        database.execute("delete from memory_statements where ctid = (select ctid from memory_statements limit 1)")
        database.commit()
        times += database.execute("select noted_at from cache_repairs where id = 'ana'").fetchall()
    assert times[0] < times[1]


def _stored(archive: PostgresArchive, prefix: str) -> list[Exchange]:
    exchanges = [said("text", thread_id=f"{prefix}{number}", user_id=f"user-{number}") for number in range(40)]
    archive.store(exchanges)
    return exchanges


def test_deletions_for_the_same_users_do_not_deadlock(real_archive: MakeArchive, database: psycopg.Connection) -> None:
    """Two transactions delete statements of the same users, in opposite orders, in one statement each."""
    for prefix in "ab":
        _stored(real_archive(), prefix)
    database.execute(_ADD_STATEMENTS, (1,))
    database.commit()
    barrier = threading.Barrier(2, timeout=30)
    errors: list[psycopg.Error] = []

    def delete(prefix: str, order: str) -> None:
        statement = (
            "with chosen as materialized (select s.ctid as place from memory_statements s"
            " join conversations c on c.id = s.conversation_id"
            f" where c.thread_id like '{prefix}%' order by c.user_id {order})"
            " delete from memory_statements s using chosen where s.ctid = chosen.place"
        )
        with psycopg.connect(database.info.dsn, password=database.info.password) as connection:
            barrier.wait()
            try:
                connection.execute(statement)
            except psycopg.Error as error:
                errors.append(error)

    workers = [threading.Thread(target=delete, args=each) for each in (("a", "asc"), ("b", "desc"))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert database.execute("select from memory_statements").fetchall() == []


def test_nothing_is_stored_about_a_user_who_was_deleted_meanwhile(
    real_archive: MakeArchive, database: psycopg.Connection
) -> None:
    """The user is deleted between two steps of a deletion of memories, or while a worker reads the user's exchanges."""
    archive = real_archive()
    exchange = said("I live in Rome")
    archive.store([exchange])
    assert archive.hash_key("ana")
    archive.forget_user("ana", exchange.exchange_id, [])
    deleted = Forgotten(b"s", b"v", exchange.exchange_id, exchange.exchange_id, datetime.now(UTC))
    archive.forget_memories("ana", [deleted], [], [])
    assert not archive.take_budget("ana", date(2026, 1, 1), 1, 100)
    for table in ("forgotten_memories", "learning_users"):
        assert database.execute(f"select from {table}").fetchall() == []
