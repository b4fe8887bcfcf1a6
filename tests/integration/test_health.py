"""The health check tests a write to each layer. It does not affect turns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import psycopg
import pytest
import redis

from infra.local.servers import PostgresServer
from shared.errors import StoreUnavailable
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.sqs.queue import SqsQueue
from tests.support.exchanges import exchange
from tests.support.lambda_context import LambdaContext
from tests.support.queues import Queues
from tests.support.servers import admin
from tests.support.sqs_server import SqsServer

Health = Callable[[], dict[str, Any]]
_ALL: dict[str, Any] = {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok", "search": {"unindexed": 0}}


@pytest.fixture
def health(load: Callable[[str], ModuleType]) -> Health:
    """Return a function that runs the health check in a new process."""
    agent = load("functions.agent.handler")
    event = {
        "httpMethod": "GET",
        "resource": "/{proxy+}",
        "path": "/health",
        "headers": {"Host": "api.example"},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {"stage": "prod", "requestId": "r1", "path": "/prod/health", "resourcePath": "/{proxy+}"},
    }
    context: Any = LambdaContext("r1")

    def ask() -> dict[str, str]:
        answer = agent.handler(event, context)
        assert answer["statusCode"] == 200
        states: dict[str, Any] = json.loads(answer["body"])
        return states

    return ask


def test_repeated_health_checks_leave_no_data(health: Health, queues: Queues, database: psycopg.Connection) -> None:
    """Repeated health checks leave no data in PostgreSQL or in the queue."""
    assert [health() for _ in range(3)] == [_ALL] * 3
    assert queues.waiting() == (0, 0, 0)
    for table in ("conversations", "messages", "thread_owners", "cache_repairs"):
        assert database.execute(f"select count(*) from {table}").fetchone() == (0,), table


def test_unindexed_exchanges_are_counted_without_a_degraded_status(
    health: Health, real_archive: Callable[..., PostgresArchive], database: psycopg.Connection
) -> None:
    """The number of exchanges that the sweep has still to index does not change the status."""
    real_archive().store([exchange(number, f"t{number}") for number in range(3)])
    database.execute("update messages set terms_version = null")
    assert health() == {**_ALL, "search": {"unindexed": 3}}


_REFUSALS = {
    "no right to write": "revoke insert on messages from memory",
    "a trigger that refuses everything": (
        "create function refuse() returns trigger language plpgsql as"
        " $$ begin raise exception 'no' using errcode = 'ZZ001'; end $$;"
        " create trigger refuse before insert on messages for each row execute function refuse()"
    ),
    "a table of another release": "alter table messages drop column metadata",
    "a constraint that nothing meets": "alter table messages add constraint never check (false) not valid",
}


@pytest.mark.parametrize("what", _REFUSALS)
def test_a_postgres_that_refuses_writes_is_unavailable(health: Health, database: psycopg.Connection, what: str) -> None:
    """PostgreSQL answers `select 1` and refuses writes. The health check reports it as unavailable."""
    assert health() == _ALL
    database.execute(_REFUSALS[what].encode())
    assert health() == {**_ALL, "status": "degraded", "postgres": "unavailable"}


@pytest.fixture
def locked(database_url: str) -> Iterator[Callable[[], None]]:
    """Return a function that locks a table against writes until the test ends, as maintenance does."""
    with psycopg.connect(database_url) as connection:

        def lock() -> None:
            connection.execute("lock table messages in share mode")

        yield lock


def test_a_locked_table_fails_the_health_check_and_not_reads(
    locked: Callable[[], None], database_url: str, real_archive: Callable[..., PostgresArchive]
) -> None:
    """The health check fails on the locked table. Reads still use PostgreSQL."""
    connection = PostgresConnection(DatabaseSettings(url=database_url, timeout_ms=600))
    archive = PostgresArchive(connection)
    archive.ping()
    real_archive().store([exchange()])
    locked()
    with pytest.raises(StoreUnavailable, match="55P03"):
        archive.ping()
    assert not connection.breaker.is_open
    assert len(archive.window("t", 9).exchanges) == 1
    connection.close()


def test_writes_work_in_sessions_that_are_read_only_by_default(
    health: Health, postgres: PostgresServer, database: psycopg.Connection
) -> None:
    """Each transaction of the functions is declared read-write, so writes work and the health check passes."""
    name = database.info.dbname
    with admin(postgres) as connection:
        connection.execute(f'alter database "{name}" set default_transaction_read_only = on'.encode())
    assert health() == _ALL


def test_a_queue_that_refuses_messages_is_unavailable(health: Health, sqs: SqsServer) -> None:
    """The health check fails even in a process that has sent no message. It passes once the queue accepts messages."""
    assert health() == _ALL
    sqs.refused.add("SendMessage")
    assert health() == {**_ALL, "status": "degraded", "queue": "unavailable"}
    sqs.requests.clear()
    sqs.refused.clear()
    assert any(health() == _ALL for _ in range(50))


def test_an_open_circuit_of_the_queue_fails_the_health_check(real_queue: SqsQueue, sqs: SqsServer) -> None:
    """A turn's failed message opens the queue's circuit. The health check then fails."""
    sqs.refused.add("SendMessage")
    with pytest.raises(StoreUnavailable):
        real_queue.send(exchange())
    with pytest.raises(StoreUnavailable, match="circuit open"):
        real_queue.ping()


@pytest.mark.parametrize("setting", [("maxmemory", "1"), ("min-replicas-to-write", "1")])
def test_a_redis_that_refuses_writes_is_unavailable(
    health: Health, redis_client: redis.Redis, setting: tuple[str, str]
) -> None:
    """Redis answers reads and refuses writes. The health check reports it as unavailable."""
    assert health() == _ALL
    name, value = setting
    redis_client.config_set(name, value)
    try:
        assert health() == {**_ALL, "status": "degraded", "redis": "unavailable"}
    finally:
        redis_client.config_set(name, "0")
