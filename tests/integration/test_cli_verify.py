from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
import redis
from typer.testing import CliRunner, Result

from cli.main import app
from cli.stores.postgres_verify import PostgresVerify, StatementCounts
from infra.local.servers import ValkeyServer
from shared.models import Exchange
from shared.settings import DatabaseSettings
from shared.stores.derivations import MEMORIES
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.session import Limits
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.entries import encode
from tests.support.exchanges import exchange
from tests.support.learning import learn

Verify = Callable[..., Result]


@pytest.fixture
def verify(valkey: ValkeyServer, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Return a function that runs `verify` on the test's stores."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        where = ["--redis-url", valkey.url, "--database-url", database_url]
        return CliRunner().invoke(app, ["verify", *where, *words])

    return run


@pytest.fixture
def both(real_cache: Callable[..., RedisCache], real_archive: Callable[..., PostgresArchive]) -> list[Exchange]:
    """Store three threads of three exchanges, an hour old, in both layers."""
    start = datetime.now(UTC) - timedelta(hours=1)
    created = [
        exchange(f"{number} 'é\u2028\U0001f600", f"thread:{thread}", "u", created_at=start + timedelta(seconds=number))
        for number in range(3)
        for thread in range(3)
    ]
    real_archive().store(created)
    cache = real_cache()
    for each in created:
        cache.read(each.thread_id, None)
        cache.append(each, is_drained=True)
    return created


def _run_json(result: Result, code: int) -> Any:
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def _only_difference(result: Result) -> tuple[str, str, str]:
    (difference,) = _run_json(result, 1)["differences"]
    return difference["thread_id"], difference["kind"], difference["exchange_id"]


def test_an_empty_redis_has_no_difference(verify: Verify) -> None:
    """If Redis has no cached thread, `verify` reports no difference."""
    assert _run_json(verify("--json"), 0)["threads"] == 0


def test_two_deployments_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey: ValkeyServer
) -> None:
    """An option names a Redis. `verify` refuses to compare it with a local stack's PostgreSQL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE__URL", raising=False)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps({"database_url": "postgresql://me@127.0.0.1:1/memory"}))
    result = CliRunner().invoke(app, ["verify", "--redis-url", valkey.url])
    assert result.exit_code == 2
    assert "two deployments" in result.stderr


def test_equal_layers_have_no_difference(verify: Verify, both: list[Exchange]) -> None:
    """`verify` reports no difference if both layers have the same exchanges."""
    answer = _run_json(verify("--json"), 0)
    assert (answer["threads"], answer["exchanges"], answer["differences"]) == (3, len(both), [])
    result = verify()
    assert result.exit_code == 0
    assert "0 differ, 0 exchanges pending" in result.stdout
    assert "\x1b" not in result.stdout


def test_an_exchange_that_postgresql_lacks_is_reported(
    verify: Verify, both: list[Exchange], database: psycopg.Connection
) -> None:
    """`verify` reports an exchange that PostgreSQL lacks. The output has no text of the exchange."""
    deleted_exchange = both[4]
    database.execute("delete from messages where exchange_id = %s", (deleted_exchange.exchange_id,))
    assert _only_difference(verify("--json")) == (
        deleted_exchange.thread_id,
        "not_stored",
        str(deleted_exchange.exchange_id),
    )
    result = verify()
    assert (result.exit_code, "not_stored" in result.stdout, "'é" in result.stdout) == (1, True, False)


def test_each_exchange_of_a_thread_that_postgresql_lacks_is_reported(
    verify: Verify, both: list[Exchange], database: psycopg.Connection
) -> None:
    """PostgreSQL lacks a thread. `verify` reports each exchange of the thread."""
    database.execute("delete from conversations where thread_id = %s", (both[0].thread_id,))
    answer = _run_json(verify("--json"), 1)
    assert [difference["kind"] for difference in answer["differences"]] == ["not_stored"] * 3
    assert answer["differing_threads"] == 1


def test_a_queued_exchange_is_pending_during_the_grace_period(
    verify: Verify, both: list[Exchange], real_cache: Callable[..., RedisCache]
) -> None:
    """`verify` reports a queued exchange as pending during the grace period, and as a difference after it."""
    waiting = exchange("waiting", both[0].thread_id, "u", created_at=datetime.now(UTC))
    real_cache().append(waiting, is_drained=True)
    answer = _run_json(verify("--json"), 0)
    assert (answer["pending"], answer["differences"]) == (1, [])
    assert _only_difference(verify("--json", "--grace", "0")) == (
        waiting.thread_id,
        "not_stored",
        str(waiting.exchange_id),
    )


def test_an_exchange_that_redis_lacks_is_reported(
    verify: Verify, both: list[Exchange], real_archive: Callable[..., PostgresArchive]
) -> None:
    """`verify` reports an exchange that Redis lacks."""
    late_exchange = exchange("late", both[0].thread_id, "u", created_at=datetime.now(UTC) - timedelta(minutes=5))
    real_archive().store([late_exchange])
    assert _only_difference(verify("--json")) == (late_exchange.thread_id, "missing", str(late_exchange.exchange_id))


def test_an_exchange_with_other_content_is_reported(
    verify: Verify, both: list[Exchange], database: psycopg.Connection
) -> None:
    """`verify` reports an exchange with one different byte."""
    changed_exchange = both[4]
    database.execute(
        "update messages set content = content || ' ' where exchange_id = %s and position = 1",
        (changed_exchange.exchange_id,),
    )
    assert _only_difference(verify("--json")) == (
        changed_exchange.thread_id,
        "content",
        str(changed_exchange.exchange_id),
    )


def test_entries_in_another_order_are_reported(verify: Verify, both: list[Exchange], redis_client: redis.Redis) -> None:
    """`verify` reports equal entries in another order."""
    key = f"thread:{both[0].thread_id}:messages"
    entries: Any = redis_client.lrange(key, 0, -1)
    redis_client.delete(key)
    redis_client.rpush(key, *entries[2:4], *entries[:2], *entries[4:])
    assert "order" in {difference["kind"] for difference in _run_json(verify("--json"), 1)["differences"]}


def test_foreign_entries_are_reported(verify: Verify, both: list[Exchange], redis_client: redis.Redis) -> None:
    """`verify` reports foreign entries, keys and threads, and continues the comparison."""
    redis_client.rpush(f"thread:{both[0].thread_id}:messages", '{"role": "user", "content": "x"}')
    redis_client.set("thread:text:messages", "x")
    redis_client.rpush("thread:\x00:messages", "x")
    redis_client.rpush(b"thread:\xff:messages", "x")
    answer = _run_json(verify("--json"), 1)
    assert {difference["kind"] for difference in answer["differences"]} == {"unreadable"}
    assert answer["differing_threads"] == 4
    assert answer["threads"] == 6


def test_all_pages_of_lists_are_compared(
    verify: Verify, redis_client: redis.Redis, real_archive: Callable[..., PostgresArchive]
) -> None:
    """`verify` compares all lists, even if it reads them in several pages."""
    moment = datetime.now(UTC) - timedelta(hours=1)
    created = [exchange(0, f"many-{number}", created_at=moment) for number in range(230)]
    real_archive().store(created[:-1])
    with redis_client.pipeline(transaction=False) as pipe:
        for each in created:
            pipe.rpush(f"thread:{each.thread_id}:messages", *encode(each))
        pipe.execute()
    answer = _run_json(verify("--json"), 1)
    assert (answer["threads"], answer["partial_threads"]) == (230, 230)
    assert [difference["thread_id"] for difference in answer["differences"]] == ["many-229"]


def test_a_list_longer_than_the_window_is_compared(
    verify: Verify, real_cache: Callable[..., RedisCache], real_archive: Callable[..., PostgresArchive]
) -> None:
    """`verify` compares the newest exchanges, even if the functions' window is smaller."""
    start = datetime.now(UTC) - timedelta(hours=1)
    created = [exchange(number, created_at=start + timedelta(seconds=number)) for number in range(120)]
    real_archive().store(created)
    cache = real_cache(max_thread_messages=100)
    cache.read("t", None)
    for each in created:
        cache.append(each, is_drained=True)
    answer = _run_json(verify("--json"), 0)
    assert (answer["exchanges"], answer["partial_threads"]) == (100, 0)


def test_a_layer_that_is_down_has_exit_code_3(verify: Verify) -> None:
    """If a layer is down, `verify` prints one error and has exit code 3."""
    result = verify("--redis-url", "redis://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "Error: Redis cannot be reached at 127.0.0.1:1 (ConnectionError).\n"


def test_a_database_without_tables_is_reported_with_postgresqls_error(
    verify: Verify, both: list[Exchange], new_database: Callable[..., str]
) -> None:
    """If the database has no tables, `verify` prints PostgreSQL's own error."""
    assert both
    result = verify("--database-url", new_database())
    assert result.exit_code == 3
    assert "PostgreSQL refused this at " in result.stderr
    assert 'relation "live_conversations" does not exist' in result.stderr
    assert result.stderr.count("\n") == 1


_BREAKS = {
    "unquoted": "update memory_statements set quote = quote || '!'",
    "doubled": (
        "insert into memory_statements (id, message_id, conversation_id, deriver, kind, slot, value, text, quote, role)"
        " select gen_random_uuid(), message_id, conversation_id, deriver, kind, slot, value, text, quote, role"
        " from memory_statements"
    ),
    "orphaned": "update memory_statements set conversation_id = gen_random_uuid()",
    "overdue": (
        "insert into due_derivations (conversation_id, kind, due_at)"
        " select id, 'memories', clock_timestamp() - interval '2 hours' from conversations"
    ),
}


@pytest.mark.parametrize("name", _BREAKS)
def test_learned_statements_are_checked(
    name: str, verify: Verify, real_archive: Callable[..., PostgresArchive], database_url: str
) -> None:
    """A statement that is wrong, and a thread that is due for long, are counted, and the exit code is 1."""
    archive = real_archive(derives=[MEMORIES])
    archive.store([replace(exchange(0, "t", "ana"), user_message="Rome é")])
    learn(archive)
    healthy = {"statements": 1, "unquoted": 0, "doubled": 0, "orphaned": 0, "overdue": 0}
    assert _run_json(verify("--json"), 0)["learned"] == healthy
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(_BREAKS[name])
    learned = _run_json(verify("--json"), 1)["learned"]
    assert {each: count for each, count in learned.items() if count and each != "statements"} == {name: 1}
    result = verify()
    assert result.exit_code == 1
    assert f"1 threads {name}" in result.stdout if name == "overdue" else f"1 {name}" in result.stdout


@pytest.mark.parametrize("page_size", [1, 2, 3, 9, 10, 11])
def test_learned_statements_are_read_in_pages_of_one_snapshot(
    page_size: int, real_archive: Callable[..., PostgresArchive], database_url: str
) -> None:
    """Each statement is counted once, also beside an equal one on the page before, and as it was at the first page."""
    archive = real_archive(derives=[MEMORIES])
    archive.store([replace(exchange(number, "t", "ana"), user_message=f"Rome {number}") for number in range(5)])
    learn(archive)
    limits = Limits(10.0, isolation="repeatable read")
    connection = PostgresConnection(DatabaseSettings(url=database_url), limits)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(_BREAKS["doubled"])
        verifying = PostgresVerify(cast("PostgresConnection", _Changing(connection, other)), page_size)
        expected = StatementCounts(statements=10, doubled=5)
        assert verifying.statements(3_600) == expected
        assert verifying.statements(3_600) == StatementCounts()
    connection.close()


class _Changing:
    """Runs work on a connection. After its first statement, another connection deletes the learned statements."""

    def __init__(self, connection: PostgresConnection, other: psycopg.Connection) -> None:
        self._connection, self._other = connection, other

    def run(self, work: Callable[[Any], StatementCounts]) -> StatementCounts:
        def changing(connection: psycopg.Connection[Any]) -> StatementCounts:
            def execute(*statement: Any) -> psycopg.Cursor[Any]:
                cursor = connection.execute(*statement)
                self._other.execute("delete from memory_statements")
                return cursor

            return work(SimpleNamespace(execute=execute))

        return self._connection.run(changing)
