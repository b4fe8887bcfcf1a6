"""Learning on real servers: two workers, redelivered messages, crashes and deletions. Each statement is stored once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType

import psycopg
import pytest

from functions.derive.learning import LearningDerivation, LearningLimits
from shared.errors import StoreUnavailable
from shared.learning.fold import memories_of
from shared.models import Exchange, ExchangeTexts
from shared.stores.derivations import MEMORIES
from shared.stores.postgres.archive import PostgresArchive
from tests.support.derivers import ScriptedDeriver
from tests.support.exchanges import said
from tests.support.lambda_context import LambdaContext
from tests.support.queues import Queues

_CONTEXT = LambdaContext(remaining_milliseconds=60_000)
_WINDOW = 50
# Ends the session of the first transaction that stores a statement, at its commit.
_CUT = """\
create sequence cuts;
create function cut() returns trigger language plpgsql as
$$ begin if nextval('cuts') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if; return null; end $$;
create constraint trigger cut after insert on memory_statements deferrable initially deferred
for each row execute function cut()"""
MakeArchive = Callable[..., PostgresArchive]


def _once(action: Callable[[], object]) -> Callable[[], object]:
    """Return a function that does something at its first call only."""
    actions = [action]

    def act() -> object:
        return actions.pop()() if actions else None

    return act


@pytest.fixture
def archive(real_archive: MakeArchive) -> PostgresArchive:
    """Return L2, from whose exchanges memories are learned."""
    return real_archive(derives=[MEMORIES])


def _derivation(archive: PostgresArchive, deriver: ScriptedDeriver | None = None, size: int = 20) -> LearningDerivation:
    return LearningDerivation(archive, deriver or ScriptedDeriver(), _WINDOW, lambda _: None, LearningLimits(size))


def _homes(database: psycopg.Connection) -> list[str]:
    rows = database.execute(
        "select s.text from memory_statements s join messages m on m.id = s.message_id order by m.order_key"
    )
    return [row[0] for row in rows.fetchall()]


def _due(database: psycopg.Connection) -> int:
    (count,) = database.execute("select count(*) from due_derivations where kind = 'memories'").fetchone() or (0,)
    return int(count)


def _lived(*places: str) -> list[Exchange]:
    return [said(f"I live in {place}") for place in places]


def test_two_workers_store_each_statement_once(
    archive: PostgresArchive, real_archive: MakeArchive, database: psycopg.Connection
) -> None:
    """Two workers read the same exchanges at the same time. One of them stores the statements, and both finish."""
    archive.store(_lived("Rome", "Oslo"))
    barrier = threading.Barrier(2, timeout=30)
    results: list[bool] = []

    def work() -> None:
        # Only the first reads meet: a worker whose statements are stale reads again.
        deriver = ScriptedDeriver(before=_once(barrier.wait))
        results.append(_derivation(real_archive(), deriver).derive("t", 30))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [True, True]
    assert (_homes(database), _due(database)) == (["Lives in Rome", "Lives in Oslo"], 0)


class _Crash(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("is_stored", [False, True], ids=["before the commit", "after the commit"])
def test_a_crash_loses_and_doubles_nothing(
    archive: PostgresArchive,
    real_archive: MakeArchive,
    database: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    is_stored: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """After a crash, SQS redelivers the message, and another process finishes the work."""
    archive.store(_lived("Rome", "Oslo", "Lima"))
    crashing = real_archive()
    store = crashing.store_statements

    def crash(*arguments: object) -> None:
        if is_stored:
            store(*arguments)  # type: ignore[arg-type] # the arguments of `store_statements`
        raise _Crash

    monkeypatch.setattr(crashing, "store_statements", crash)
    with pytest.raises(_Crash):
        _derivation(crashing, size=2).derive("t", 30)
    assert len(_homes(database)) == (2 if is_stored else 0)
    for _ in range(2):
        assert _derivation(real_archive()).derive("t", 30)
    assert (_homes(database), _due(database)) == (["Lives in Rome", "Lives in Oslo", "Lives in Lima"], 0)


def test_a_lost_commit_is_repeated(
    archive: PostgresArchive, real_archive: MakeArchive, database: psycopg.Connection
) -> None:
    """PostgreSQL ends the session during the commit. The thread stays due, and the next attempt stores each once."""
    archive.store(_lived("Rome", "Oslo"))
    database.execute(_CUT)
    database.commit()
    derivation = _derivation(real_archive())
    try:
        derivation.derive("t", 30)
    except StoreUnavailable:
        assert (_homes(database), _due(database)) == ([], 1)
    (cuts,) = database.execute("select last_value from cuts").fetchone() or (0,)
    assert cuts >= 1
    assert _derivation(real_archive()).derive("t", 30)
    assert (_homes(database), _due(database)) == (["Lives in Rome", "Lives in Oslo"], 0)


def _delete(archive: PostgresArchive, exchange: Exchange) -> None:
    archive.delete_exchange("t", exchange.exchange_id)


def _replace(archive: PostgresArchive, exchange: Exchange) -> None:
    archive.replace_exchange("t", exchange.exchange_id, ExchangeTexts("I live in Lima", "ok"))


def _forget_thread(archive: PostgresArchive, exchange: Exchange) -> None:
    archive.forget_thread("t", exchange.exchange_id)


def _forget_user(archive: PostgresArchive, exchange: Exchange) -> None:
    archive.forget_user("ana", exchange.exchange_id, [])


@pytest.mark.parametrize(
    ("change", "expected"),
    [(_delete, ["Rome"]), (_replace, ["Rome", "Lima"]), (_forget_thread, []), (_forget_user, [])],
)
def test_what_is_deleted_meanwhile_is_not_learned(
    archive: PostgresArchive,
    real_archive: MakeArchive,
    change: Callable[[PostgresArchive, Exchange], None],
    expected: list[str],
) -> None:
    """An exchange is changed between its reading and the storing of its statements: they are not stored."""
    rome, oslo = _lived("Rome", "Oslo")
    archive.store([rome, oslo])
    deriver = ScriptedDeriver(before=_once(lambda: change(archive, oslo)))
    assert _derivation(real_archive(), deriver).derive("t", 30)
    memories = memories_of(archive.knowledge("ana", _WINDOW))
    assert [each.text for each in reversed(memories)] == [f"Lives in {place}" for place in expected]


def test_the_lag_of_learning_is_the_age_of_the_oldest_due_thread(
    archive: PostgresArchive, database: psycopg.Connection
) -> None:
    """Threads that are derived from again have no lag."""
    assert archive.learn_lag() == 0
    archive.store(_lived("Rome"))
    database.execute("update due_derivations set due_at = now() - interval '7 seconds'")
    database.commit()
    assert 7 <= archive.learn_lag() < 60
    archive.mark_user("ana")
    assert archive.learn_lag() == 0


def test_a_text_with_every_character_is_read(archive: PostgresArchive, real_archive: MakeArchive) -> None:
    """Control characters, emoji and combining marks in an exchange do not block its thread."""
    archive.store([said("I live in \x01\u202e"), said("🎉 क्षि \u0301"), *_lived("Rome")])
    assert _derivation(real_archive()).derive("t", 30)
    now = datetime.now(UTC)
    memories = memories_of(archive.knowledge("ana", _WINDOW))
    assert [each.text for each in memories if each.is_current(now)] == ["Lives in Rome"]


@pytest.fixture
def functions(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """Return the sync function and the derive function, whose loggers do not use the stream of `capsys`."""
    monkeypatch.setenv("DERIVE__DELAY_SECONDS", "0")
    return load("functions.sync.handler"), load("functions.derive.handler")


def test_an_accepted_statement_is_learned(
    functions: tuple[ModuleType, ModuleType],
    queues: Queues,
    database: psycopg.Connection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The drain sends the thread, and the derive function stores what the exchange says. A redelivery has no effect."""
    sync, derive = functions
    exchange = said("I live in Rome.")
    queues.client.send_message(QueueUrl=queues.url, MessageBody=exchange.to_wire())
    (drained,) = queues.receive()
    assert sync.handler({"Records": [drained]}, _CONTEXT) == {"batchItemFailures": []}
    (due,) = queues.receive()
    assert json.loads(due["body"]) == {"version": 1, "kind": "memories", "thread_id": exchange.thread_id}
    capsys.readouterr()
    assert derive.handler({"Records": [due]}, _CONTEXT) == {"batchItemFailures": []}
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (metrics["StatementsLearned"], len(metrics["LearnLag"])) == ([1.0], 1)
    homes = _homes(database)
    assert len(homes) == 1
    assert "Rome" in homes[0]
    assert derive.handler({"Records": [due]}, _CONTEXT) == {"batchItemFailures": []}
    assert (_homes(database), _due(database)) == (homes, 0)
