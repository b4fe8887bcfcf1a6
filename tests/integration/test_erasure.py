"""A deletion of any size takes effect immediately. The sweep then deletes the rows in steps and does its other work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from cli.stores.postgres_user_data import PostgresUserData
from cli.stores.postgres_verify import PostgresVerify
from functions.sync.sweep import Sweep
from shared.errors import StoreUnavailable, ThreadNotFound
from shared.ids import ExchangeIds
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.search_keys import query_terms
from shared.settings import DatabaseSettings
from shared.stores.postgres import erasure as postgres_erasure
from shared.stores.postgres import purge as postgres_purge
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.search import SearchScope
from tests.support.exchanges import MOMENT, contents_of, exchange, exchanges, texts

Process = Callable[..., Memory]
_TABLES_OF_DELETIONS = (
    "conversations",
    "messages",
    "conversation_documents",
    "thread_owners",
    "erasures",
    "user_erasures",
)


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit a step to two threads, two conversations and six messages, so that little data needs many steps."""
    for name, value in (("_THREADS", 2), ("_CONVERSATIONS", 2), ("_ROWS", 6)):
        monkeypatch.setattr(postgres_erasure, name, value)


@pytest.fixture
def archive(real_archive: Callable[..., PostgresArchive]) -> PostgresArchive:
    """Return PostgreSQL's store."""
    return real_archive()


@pytest.fixture
def user_data(database_url: str) -> Iterator[PostgresUserData]:
    """Return the operator's counts of a user's data."""
    connection = PostgresConnection(DatabaseSettings(url=database_url))
    yield PostgresUserData(connection)
    connection.close()


def _count(database: psycopg.Connection, table: str) -> int:
    row = database.execute(f"select count(*) from {table}".encode()).fetchone()
    return int(row[0]) if row else 0


def _rows(database: psycopg.Connection) -> dict[str, int]:
    return {table: count for table in _TABLES_OF_DELETIONS if (count := _count(database, table))}


def _sweep(memory: Memory, seconds: float = 8.0) -> int:
    return Sweep(memory.archive, memory.cache, window=50, dead_letter_body=lambda *_: None).run(seconds).erased


def _sweep_all(memory: Memory) -> None:
    for _ in range(100):
        if not _sweep(memory, 0.0) and memory.archive.hidden_threads() is None:
            return
    raise AssertionError("the sweep makes no progress")


def _fill(archive: PostgresArchive, threads: int, user_id: str = "ana", length: int = 5) -> list[str]:
    names = [f"{user_id}-{number}" for number in range(threads)]
    for name in names:
        archive.claim_ownership(name, user_id)
        archive.store(exchanges(length, name, user_id))
    return names


def _load(archive: PostgresArchive, name: str, user_id: str = "ana") -> list[Any]:
    """Return all of a thread's data that any reader finds."""
    found = [
        archive.window(name, 50).exchanges,
        archive.messages(name, 50, None, descending=False),
        archive.messages(name, 50, None, descending=True, owner=user_id),
        archive.thread(name),
        archive.threads(user_id, 50, None),
        archive.matches(SearchScope(user_id), query_terms("question q0 q1 answer hello").keys).keys,
        archive.preferences(user_id),
        archive.rename(name, "new", None),
        archive.owner(name).is_known,
        archive.stored(exchanges(1, name, user_id)),
    ]
    return [each for each in found if each]


@pytest.mark.usefixtures("small_steps")
def test_a_large_thread_is_deleted_in_steps_and_never_shown(
    archive: PostgresArchive, database: psycopg.Connection
) -> None:
    """No reader finds a deleted thread. Steps of six messages delete its rows, documents and stored responses."""
    created = exchanges(10)
    late = exchange(20, document_ids=tuple(str(number) for number in range(15)))
    archive.store([late, *created])
    database.execute(
        "insert into idempotency_keys (key, body_hash, exchange_id, answer) values ('k', 'b', %s, 'what was said')",
        (created[-1].exchange_id,),
    )
    other = exchanges(3, "other")
    archive.store(other)
    assert archive.forget_thread("t", created[0].order) == (True, late.order)
    assert _load(archive, "t", "another") == []
    assert _count(database, "messages") == 22 + 6 - 6
    assert archive.store(created).tombstoned == 10
    steps = 0
    while archive.erase_rows():
        steps += 1
    assert 3 <= steps <= 6
    assert _rows(database) == {"conversations": 1, "messages": 6}
    assert database.execute("select answer from idempotency_keys").fetchone() == ("{}",)
    assert archive.window("other", 50).exchanges == other


@pytest.mark.usefixtures("small_steps")
def test_a_users_deletion_hides_all_data_of_the_user_immediately(
    archive: PostgresArchive, database: psycopg.Connection, user_data: PostgresUserData, database_url: str
) -> None:
    """After a user's deletion no reader finds data of the user. Another user's data is complete."""
    names = _fill(archive, 7)
    _fill(archive, 2, "bob")
    archive.change_preferences("ana", {"a": "1"}, replace=True, update_cache=lambda _: True)
    before = archive.threads("bob", 9, None)
    _, deleted = archive.forget_user("ana", ExchangeIds().new(), ["ana-3"])
    assert "ana-3" in deleted
    assert 2 <= len(deleted) < 7
    for name in names:
        assert _load(archive, name) == []
    counts = user_data.counts("ana")
    assert {name: count for name, count in counts.items() if count} == {"erasing": 7}
    assert user_data.thread_ids("ana", "", 9) == []
    connection = PostgresConnection(DatabaseSettings(url=database_url))
    assert PostgresVerify(connection).windows(names, 9) == {name: [] for name in names}
    connection.close()
    while (hidden := archive.hidden_threads()) is not None:
        archive.detach(hidden, must_invalidate=False)
        assert all(_load(archive, name) == [] for name in names)
    while archive.erase_rows():
        assert all(_load(archive, name) == [] for name in names)
    assert _rows(database) == {"conversations": 2, "messages": 20, "thread_owners": 2}
    assert user_data.counts("ana")["erasing"] == 0
    assert archive.threads("bob", 9, None) == before


@pytest.mark.usefixtures("small_steps")
def test_exchanges_that_a_user_stores_during_the_deletion_stay(
    archive: PostgresArchive, database: psycopg.Connection
) -> None:
    """During the deletion, the user writes to deleted and to new threads. Readers see only these later exchanges."""
    names = _fill(archive, 7)
    archive.forget_user("ana", ExchangeIds().new(), [])
    later = [exchange(1, name, "ana", exchange_id=ExchangeIds().new()) for name in [*names, "new"]]
    assert archive.claim_ownership("ana-5", "ana").user_id == "ana"
    result = archive.store(later[:-1])
    assert (result.stored, result.tombstoned) == (7, 0)
    assert archive.claim_ownership("new", "ana").user_id == "ana"
    while (hidden := archive.hidden_threads()) is not None:
        archive.detach(hidden, must_invalidate=False)
        archive.store(later)
    while archive.erase_rows():
        assert {thread.thread_id for thread, _ in archive.threads("ana", 50, None)} == {*names, "new"}
    for each in later:
        assert archive.window(each.thread_id, 9).exchanges == [each]
        thread = archive.thread(each.thread_id)
        assert thread is not None
        assert thread.message_count == 2
    assert {"ana-5", "new"} <= {name for (name,) in database.execute("select thread_id from thread_owners")}
    assert _count(database, "messages") == 16


@pytest.mark.usefixtures("small_steps")
def test_another_user_may_claim_a_deleted_thread_immediately(archive: PostgresArchive) -> None:
    """A deleted thread has no owner, even before its rows are deleted. The next user of its id owns a new thread."""
    names = _fill(archive, 7)
    archive.forget_user("ana", ExchangeIds().new(), [])
    for name in names:
        assert archive.owner(name).is_known is False
        assert archive.claim_ownership(name, "bob").user_id == "bob"
        assert archive.claim_ownership(name, "ana").user_id == "bob"
    bobs_exchanges = [exchange(1, name, "bob", exchange_id=ExchangeIds().new()) for name in names]
    assert archive.store(bobs_exchanges).stored == 7
    while (hidden := archive.hidden_threads()) is not None:
        archive.detach(hidden, must_invalidate=False)
    while archive.erase_rows():
        pass
    assert [archive.window(each.thread_id, 9).exchanges for each in bobs_exchanges] == [
        [each] for each in bobs_exchanges
    ]
    assert {archive.owner(name).user_id for name in names} == {"bob"}


@pytest.mark.usefixtures("small_steps")
def test_a_deleted_threads_id_may_be_used_again_immediately(archive: PostgresArchive) -> None:
    """A deleted thread's id is used again immediately. The rows of the deleted and of the new thread are separate."""
    ids = ExchangeIds()
    for number in range(3):
        archive.store([exchange(each, exchange_id=ids.new()) for each in range(10)])
        archive.forget_thread("t", ids.new())
        stored = exchange(number, exchange_id=ids.new())
        archive.store([stored])
        assert archive.window("t", 50).exchanges == [stored]
    while archive.erase_rows():
        assert archive.window("t", 50).exchanges == [stored]
    thread = archive.thread("t")
    assert thread is not None
    assert thread.message_count == 2


@pytest.mark.usefixtures("small_steps")
def test_a_redelivered_exchange_with_an_id_ahead_of_the_clock_stays_deleted(archive: PostgresArchive) -> None:
    """A redelivered exchange of a deleted user stays deleted, although the time in its id is after the deletion."""
    ahead = exchange(1, "ana-0", "ana", exchange_id=ExchangeIds().new(now=MOMENT.timestamp() + 10**8))
    archive.store([ahead])
    _fill(archive, 6)
    archive.forget_user("ana", ExchangeIds().new(), [])
    assert archive.store([ahead]).tombstoned == 1


@pytest.mark.usefixtures("small_steps")
def test_a_second_deletion_includes_later_exchanges(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """A second deletion also hides the exchanges that were stored after the first deletion."""
    names = _fill(archive, 7)
    archive.forget_user("ana", ExchangeIds().new(), [])
    archive.store([exchange(1, name, "ana", exchange_id=ExchangeIds().new()) for name in names])
    archive.forget_user("ana", ExchangeIds().new(), [])
    assert all(_load(archive, name) == [] for name in names)
    while (hidden := archive.hidden_threads()) is not None:
        archive.detach(hidden, must_invalidate=False)
    while archive.erase_rows():
        pass
    assert _rows(database) == {}


@pytest.mark.usefixtures("small_steps")
def test_a_deletion_of_an_already_deleted_thread_sets_its_cutoff(archive: PostgresArchive) -> None:
    """The user's deletion has already deleted the thread. A deletion of the thread only sets its cutoff."""
    _fill(archive, 7)
    archive.forget_user("ana", ExchangeIds().new(), [])
    hidden = archive.hidden_threads()
    assert hidden is not None
    name = next(iter(hidden.cutoffs))
    existed, cutoff = archive.forget_thread(name, ExchangeIds().new())
    assert not existed
    assert archive.window(name, 9).cutoff == cutoff
    archive.claim_ownership("mine", "bob")
    with pytest.raises(ThreadNotFound):
        archive.forget_thread("mine", cutoff, "ana")


class _DiedError(Exception):
    """Simulates the end of a process."""


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("statements", range(1, 30))
def test_a_deletion_interrupted_at_any_statement_is_finished(
    archive: PostgresArchive, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, statements: int
) -> None:
    """A process dies at any statement of a deletion. After the first commit, another process finishes the deletion."""
    names = _fill(archive, 5)
    remaining, execute = statements, psycopg.Connection.execute

    def count(self: psycopg.Connection[Any], *arguments: Any, **options: Any) -> Any:
        nonlocal remaining
        if self is not database:
            remaining -= 1
            if remaining < 0:
                raise _DiedError
        return execute(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", count)
        try:
            archive.forget_user("ana", ExchangeIds().new(), [])
            while (hidden := archive.hidden_threads()) is not None:
                archive.detach(hidden, must_invalidate=True)
            while archive.erase_rows():
                pass
        except _DiedError:
            pass
    # The process' connection ends, so PostgreSQL rolls the open transaction back.
    archive._connection.close()
    if not archive.user_cutoffs(["ana"]):
        assert len(archive.threads("ana", 9, None)) == 5
        return
    assert all(_load(archive, name) == [] for name in names)
    while (hidden := archive.hidden_threads()) is not None:
        archive.detach(hidden, must_invalidate=True)
    while archive.erase_rows():
        pass
    assert _rows(database) == {}
    assert {repair.id for repair in archive.invalidations(20)} == {*names, "ana"}


@pytest.mark.usefixtures("small_steps")
def test_two_concurrent_sweeps_delete_old_rows_only(process: Process, database: psycopg.Connection) -> None:
    """Two sweeps and writers run concurrently. Both sweeps finish, delete every old row, and delete no new row."""
    memories = [process() for _ in range(3)]
    names = _fill(memories[0].archive, 12)  # type: ignore[arg-type]
    memories[0].archive.forget_user("ana", ExchangeIds().new(), [])
    later = [exchange(1, name, "ana", exchange_id=ExchangeIds().new()) for name in names]
    errors: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - the test checks it
            errors.append(error)

    def write() -> None:
        for each in later:
            memories[2].archive.store([each])

    actions = [lambda: _sweep_all(memories[0]), lambda: _sweep_all(memories[1]), write]
    runners = [threading.Thread(target=run, args=(action,)) for action in actions]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join(60)
    assert errors == []
    _sweep_all(memories[0])
    assert {name: memories[0].archive.window(name, 9).exchanges for name in names} == {
        each.thread_id: [each] for each in later
    }
    assert _rows(database) == {"conversations": 12, "messages": 24}


@pytest.mark.usefixtures("small_steps")
def test_the_sweep_deletes_lists_from_redis(process: Process) -> None:
    """The sweep deletes a thread's cached list, even if the thread was not in the user's index."""
    memory = process()
    for name in _fill(memory.archive, 6):  # type: ignore[arg-type]
        Turn(memory, name, "ana").recall()
    memory.cache.forget_user("ana", UUID(int=0))
    Users(memory).forget("ana")
    _sweep_all(memory)
    for number in range(6):
        assert Turn(memory, f"ana-{number}", "ana").recall().messages == []
    other = process()
    with pytest.raises(ThreadNotFound):
        Threads(other).get("ana-5")


@pytest.mark.usefixtures("small_steps")
def test_rows_are_deleted_without_redis(process: Process, database: psycopg.Connection) -> None:
    """Redis is down. The sweep deletes PostgreSQL's rows."""
    memory = process()
    _fill(memory.archive, 6)  # type: ignore[arg-type]
    memory.archive.forget_user("ana", ExchangeIds().new(), [])

    def raise_unavailable(*_: object) -> None:
        raise StoreUnavailable("redis", "away")

    memory.cache.forget_threads = raise_unavailable  # type: ignore[method-assign,assignment]
    for _ in range(10):
        _sweep(memory, 0.0)
    assert _rows(database) == {}


def test_a_failed_part_of_the_sweep_does_not_stop_the_others(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """One part of the sweep fails unexpectedly. The other parts still finish."""
    memory = process()
    _fill(memory.archive, 3)  # type: ignore[arg-type]
    memory.archive.forget_user("ana", ExchangeIds().new(), [])
    with monkeypatch.context() as patched:
        patched.setattr(memory.archive, "invalidations", lambda _limit: 1 // 0)
        patched.setattr(postgres_erasure, "_ROWS", 1)
        with pytest.raises(ZeroDivisionError):
            _sweep(memory, 2.0)
    assert memory.archive.hidden_threads() is None
    assert memory.archive.erase_rows() == 0


def test_each_sweep_deletes_some_old_rows(
    archive: PostgresArchive, database: psycopg.Connection, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each short sweep deletes some old rows of every table. Young rows stay."""
    monkeypatch.setattr("shared.stores.postgres.purge._ROWS", 10)
    database.execute(
        "insert into idempotency_keys (key, body_hash, exchange_id, claimed_at)"
        " select n, '', gen_random_uuid(), now() - interval '1 h' * n from generate_series(1, 60) n"
    )
    for table, column in (("thread_tombstones", "thread_id"), ("user_tombstones", "user_id")):
        database.execute(
            f"insert into {table} ({column}, cutoff, deleted_at)"
            " select n, gen_random_uuid(), now() - interval '3 days' * n from generate_series(1, 60) n".encode()
        )
    database.execute(
        "insert into cache_epochs (began_at) select now() - interval '100 days' * n from generate_series(1, 60) n"
    )
    sweeps = 0
    memory = process()
    while Sweep(archive, memory.cache, window=50, dead_letter_body=lambda *_: None).run(0.0).purged:
        sweeps += 1
    assert sweeps == 6
    remaining = {
        table: _count(database, table) for table in ("idempotency_keys", "thread_tombstones", "user_tombstones")
    }
    assert remaining == {"idempotency_keys": 23, "thread_tombstones": 29, "user_tombstones": 29}
    assert _count(database, "cache_epochs") == 1
    assert archive.log_empty_cache() is False


def test_postgresql_maintains_message_counts(archive: PostgresArchive, database: psycopg.Connection) -> None:
    """PostgreSQL maintains each thread's message count. The sweep sets counts that an older release left empty."""
    created = [exchange(number, f"t{number % 2}", "ana") for number in range(6)]
    archive.store(created)
    archive.store([*created, exchange(9, "t0", "ana")])
    assert database.execute("select thread_id, message_count from conversations order by 1").fetchall() == [
        ("t0", 8),
        ("t1", 6),
    ]
    database.execute("delete from messages where exchange_id = %s", (created[1].exchange_id,))
    database.execute("update conversations set message_count = null where thread_id = 't0'")
    archive.store([exchange(10, "t0", "ana")])
    assert [thread.message_count for thread, _ in archive.threads("ana", 9, None)] == [10, 4]
    assert (archive.count_messages(), archive.count_messages()) == (1, 0)
    archive.store([exchange(11, "t0", "ana")])
    assert [thread.message_count for thread, _ in archive.threads("ana", 9, None)] == [12, 4]
    assert _count(database, "conversations where message_count is null") == 0


def _plan(connection: psycopg.Connection, statement: bytes, parameters: dict[str, Any]) -> list[str]:
    with connection.transaction(force_rollback=True):
        # PostgreSQL scans small tables completely. Without sequential scans, the plan shows whether an index exists.
        connection.execute("set local enable_seqscan = off")
        rows = connection.execute(b"explain " + statement, parameters).fetchall()
    return [line for (line,) in rows]


_ANY = UUID(int=7)
_STATEMENTS: dict[str, dict[str, Any]] = {
    "forget_thread": {"thread_id": "t", "cutoff": _ANY, "end": _ANY, "later": [_ANY]},
    "forget_user": {
        "user_id": "u",
        "cutoff": _ANY,
        "end": _ANY,
        "later_threads": ["t"],
        "later": [_ANY],
        "thread_limit": 1000,
    },
    "hidden_threads": {"user_id": "u", "limit": 1000},
    "detach": {"thread_ids": ["t"], "user_id": "u", "extra_threads": ["s"]},
    "end_erasure": {"user_id": "u"},
    "erase_rows": {"only": None, "conversations": 500, "rows": 2000},
    "erase_conversations": {"conversation_ids": [_ANY]},
    "threads": {"user_id": "u", "rows": 50, "before_time": MOMENT + timedelta(days=1), "before_id": _ANY},
    "window": {"thread_id": "t", "rows": 101, "deleted": 100, "users": [], "gap": 100},
}


@pytest.mark.parametrize("name", _STATEMENTS)
def test_each_statement_of_a_deletion_uses_an_index(
    archive: PostgresArchive, database: psycopg.Connection, name: str
) -> None:
    """Each statement of a deletion accesses its tables by an index only."""
    for number in range(20):
        archive.store(exchanges(5, f"t{number}", f"u{number % 3}"))
    database.execute(
        "insert into idempotency_keys (key, body_hash, exchange_id)"
        " select n, '', gen_random_uuid() from generate_series(1, 3000) n"
    )
    database.execute("analyze")
    plan = _plan(database, sql(name), _STATEMENTS[name])
    assert [line for line in plan if "Seq Scan" in line] == []
    if name == "threads":
        assert [line for line in plan if "Sort" in line] == []


def test_old_idempotency_keys_are_deleted(
    database_url: str, archive: PostgresArchive, database: psycopg.Connection
) -> None:
    """The sweep deletes an old key. A request may then acquire the key again."""
    connection = PostgresConnection(DatabaseSettings(url=database_url))
    keys = PostgresKeys(connection)
    for key in ("old", "new"):
        keys.answer(key, "body", _ANY, "{}")
    database.execute("update idempotency_keys set claimed_at = now() - interval '25 h' where key = 'old'")
    assert (archive.purge("idempotency_keys"), archive.purge("idempotency_keys")) == (1, 0)
    assert database.execute("select key from idempotency_keys").fetchall() == [("new",)]
    connection.close()


def test_a_turn_after_a_users_deletion_starts_a_new_thread(process: Process) -> None:
    """After the response to the deletion, a turn in an old thread starts a new thread."""
    memory = process()
    Turn(memory, "t", "ana").append("q0", "a0")
    memory.archive.store(memory.queue.take())  # type: ignore[attr-defined]
    Users(memory).forget("ana")
    Turn(memory, "t", "ana").append("q1", "a1")
    memory.archive.store(memory.queue.take())  # type: ignore[attr-defined]
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(1)


def test_the_sweep_deletes_rows_that_an_older_release_stored_again(
    archive: PostgresArchive, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older release has stored deleted exchanges again. The sweep deletes their rows and records invalidations."""
    monkeypatch.setattr(postgres_purge, "_ROWS", 2)
    created = [exchange(number, f"t{number}") for number in range(5)]
    archive.store(created)
    for number, each in enumerate(created[:4]):
        database.execute(
            "insert into exchange_tombstones (thread_id, exchange_id, deleted_at) values (%s, %s, %s::timestamptz)",
            (each.thread_id, each.exchange_id, datetime.now(UTC) - timedelta(hours=number // 3)),
        )
    assert [archive.remove_deleted() for _ in range(4)] == [2, 2, 0, 0]
    assert _count(database, "messages") == 2
    assert {repair.id for repair in archive.invalidations(10)} == {"t0", "t1", "t2", "t3"}
    archive.store(created[4:])
    database.execute("insert into exchange_tombstones select 't4', %s", (created[4].exchange_id,))
    assert sum(archive.remove_deleted() for _ in range(4)) == 1
    assert _count(database, "messages") == 0
