"""Processes reuse connections between calls. They replace connections that a server has closed."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
import redis

from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import StoreUnavailable
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.settings import MemorySettings, RedisSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from tests.support.exchanges import contents_of, exchange, exchanges, texts
from tests.support.servers import admin

MakeProcess = Callable[..., Memory]


def _kill_sessions(postgres: PostgresServer) -> int:
    with admin(postgres) as connection:
        killed = connection.execute(
            "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where usename = 'memory'"
        ).fetchone()
        return int(killed[0]) if killed else 0


def _clients(client: redis.Redis) -> set[str]:
    return {one["id"] for one in client.client_list() if one["id"] != str(client.client_id())}


def test_connections_are_reused(process: MakeProcess, redis_client: redis.Redis, database: psycopg.Connection) -> None:
    """All turns of a process use one connection to Redis and one connection to PostgreSQL."""
    memory = process()
    assert len(_clients(redis_client)) == 1
    seen = set()
    for number in range(5):
        Turn(memory, f"t{number}", "ana").recall()
        Turn(memory, f"t{number}", "ana").append("q", "a")
        sessions = database.execute(
            "select pid from pg_stat_activity where usename = 'memory' and pid <> pg_backend_pid()"
        ).fetchall()
        seen.add((tuple(_clients(redis_client)), tuple(sessions)))
    assert len(seen) == 1
    assert [len(each) for each in seen.pop()] == [1, 1]


def test_closed_redis_connections_are_replaced(process: MakeProcess, redis_client: redis.Redis) -> None:
    """Redis has closed the connections. The next read and the next write succeed."""
    memory = process()
    for number in range(3):
        turn = Turn(memory, "t", None)
        context = turn.recall()
        assert (texts(context.messages), context.degraded) == (contents_of(*range(number)), [])
        redis_client.client_kill_filter(_type="normal", skipme=True)
        append_result = turn.append(f"q{number}", f"a{number}")
        assert (append_result.cached, append_result.degraded) == (True, [])
        redis_client.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize("command", ["time", "hmget", "lrange", "smembers", "get", "hset", "info", "eval", "evalsha"])
def test_a_turn_continues_if_redis_forbids_a_command(
    process: MakeProcess, redis_client: redis.Redis, valkey: ValkeyServer, command: str
) -> None:
    """One command is forbidden to the Redis user. A turn continues without Redis, in a running and in a new process."""
    memory = process()
    Turn(memory, "t", "ana").append("q0", "a0")
    redis_client.acl_setuser("default", enabled=True, commands=[f"-{command}"])
    try:
        for each in (memory, memory, process()):
            for _ in range(2):
                context = Turn(each, "t", "ana").recall()
                assert texts(context.messages) == contents_of(0) or context.degraded
                assert Turn(each, "u", "ana").append("q1", "a1").durability == "queue"
    finally:
        with redis.Redis(host="127.0.0.1", port=valkey.port) as client:
            client.acl_setuser("default", enabled=True, categories=["+@all"])
    assert texts(Turn(process(), "t", "ana").recall().messages) == contents_of(0)


def test_a_redis_that_refuses_the_connection_counts_as_down(valkey: ValkeyServer) -> None:
    """A Redis that refuses the connection counts as down. For example, a cluster refuses databases other than 0."""
    connection = RedisConnection(RedisSettings(host="127.0.0.1", port=valkey.port, db=99))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="redis"):
            RedisCache(connection, MemorySettings()).ping()
    connection.close()


def test_closed_postgres_connections_are_replaced(
    real_archive: Callable[..., PostgresArchive], postgres: PostgresServer
) -> None:
    """If PostgreSQL has closed the connection, each method connects again."""
    archive = real_archive()
    archive.ping()
    for number in range(3):
        assert _kill_sessions(postgres) > 0
        assert archive.store([exchange(number)]).stored == 1
        assert _kill_sessions(postgres) > 0
        assert len(archive.window("t", 9).exchanges) == number + 1


def test_an_operation_is_repeated_if_its_session_ends(
    real_archive: Callable[..., PostgresArchive], postgres: PostgresServer
) -> None:
    """A session ends in the middle of an operation. The process repeats the whole operation on a new connection."""
    archive = real_archive()
    seen: list[dict[str, str]] = []

    def publish(found: dict[str, str]) -> bool:
        seen.append(found)
        if len(seen) == 1:
            _kill_sessions(postgres)
        return True

    assert archive.change_preferences("ana", {"tone": "dry"}, replace=True, update_cache=publish) == {"tone": "dry"}
    assert seen == [{"tone": "dry"}] * 2
    assert archive.preferences("ana") == {"tone": "dry"}


def test_the_turn_after_a_restart_of_the_servers_succeeds(
    process: MakeProcess, valkey: ValkeyServer, postgres: PostgresServer
) -> None:
    """If the servers restart between two turns, the next turn succeeds."""
    memory = process()
    memory.archive.store(exchanges(2))
    assert texts(Turn(memory, "t", None).recall().messages) == contents_of(0, 1)
    for server in (valkey, postgres):
        server.stop()
        server.start()
    context = Turn(memory, "t", None).recall()
    assert (texts(context.messages), context.degraded) == (contents_of(0, 1), [])


@pytest.mark.parametrize("port", [1])
def test_connections_are_opened_at_first_use(
    port: int, real_cache: Callable[..., RedisCache], real_archive: Callable[..., PostgresArchive]
) -> None:
    """A function starts without its stores. Each use of a store then raises `StoreUnavailable`."""
    cache, archive = real_cache(port), real_archive(f"postgresql://memory@127.0.0.1:{port}/memory")
    with pytest.raises(StoreUnavailable, match=r"^redis did not answer"):
        cache.ping()
    with pytest.raises(StoreUnavailable, match=r"^postgres did not answer"):
        archive.ping()


def test_a_missing_table_counts_as_an_outage(
    real_archive: Callable[..., PostgresArchive], new_database: Callable[..., str]
) -> None:
    """A missing table counts as an outage of PostgreSQL, not as an error of a record. The reason quotes no data."""
    archive = real_archive(new_database())
    for ask in (lambda: archive.window("t", 1), lambda: archive.store(exchanges(1)), archive.ping):
        with pytest.raises(StoreUnavailable, match="42P01"):
            ask()
