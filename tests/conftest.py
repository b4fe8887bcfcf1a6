"""Fixtures of all tests provide in-memory stores, and real servers with a new database and an empty cache."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import redis
from botocore.loaders import create_loader
from fastapi import FastAPI
from psycopg import sql

from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.http.auth import Guard
from functions.agent.http.auth_tokens import TokenVerifier
from functions.agent.operations import Operations
from infra.local.servers import PostgresServer, ValkeyServer
from infra.migrations import upgrade
from shared.errors import StoreUnavailable
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.settings import AgentSettings, DatabaseSettings, MemorySettings, RedisSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.queue import ExchangeQueue
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.sqs.queue import SqsQueue
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryKeys, InMemoryQueue
from shared.testing.inspectors import InMemoryCacheInspector, InMemoryQueueInspector
from tests.support.api import Api, ReplaceableTarget
from tests.support.issuer import Issuer
from tests.support.queues import Queues
from tests.support.scheduling import Scheduling
from tests.support.servers import admin, database_of, in_memory
from tests.support.sqs_server import SqsServer

_TEMPLATE = "migrated"
_numbers = itertools.count(1)
_HERE = Path(__file__).parent
# Tests that take minutes start first. Otherwise one process would still run such a test while the others are idle.
_LONGEST_FOLDERS = {"model", "mutations"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its folder for `-m "unit or fuzz"`, and move the slowest tests to the front."""
    for item in items:
        if (folder := _folder(item)) is not None:
            item.add_marker(folder)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _folder(item) not in _LONGEST_FOLDERS)


def _folder(item: pytest.Item) -> str | None:
    return item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Let pytest-xdist distribute the tests by this project's rules."""
    return Scheduling(config, log)


@pytest.fixture(autouse=True, scope="session")
def _share_file_loader() -> Iterator[None]:
    """Share botocore's file loader between all sessions, because each session would otherwise read the files again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", functools.cache(create_loader))
        yield


# --- in memory ---


@pytest.fixture
def cache() -> InMemoryCache:
    """Return an empty in-memory implementation of L1."""
    return InMemoryCache()


@pytest.fixture
def archive() -> InMemoryArchive:
    """Return an empty in-memory implementation of L2."""
    return InMemoryArchive()


@pytest.fixture
def queue() -> InMemoryQueue:
    """Return an empty in-memory implementation of the queue."""
    return InMemoryQueue()


@pytest.fixture
def memory(cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue) -> Callable[..., Memory]:
    """Return a function that creates the memory of another process on the in-memory stores."""

    def make(settings: MemorySettings | None = None, clock: Callable[[], float] = time.time) -> Memory:
        return Memory(cache, archive, queue, settings or MemorySettings(), clock)

    return make


@pytest.fixture
def inspection(cache: InMemoryCache, queue: InMemoryQueue) -> Callable[[Memory], Inspection]:
    """Return a function that creates an inspector of a memory. The dead-letter queue is empty."""
    return lambda memory: Inspection(
        memory, InMemoryCacheInspector(cache), InMemoryQueueInspector(queue), InMemoryQueueInspector(InMemoryQueue())
    )


@pytest.fixture
def operations(
    memory: Callable[..., Memory],
    inspection: Callable[[Memory], Inspection],
    archive: InMemoryArchive,
    queue: InMemoryQueue,
) -> Operations:
    """Return the operations on the in-memory stores and the offline model."""
    process = memory()
    runner = AgentRunner(AgentSettings(model="offline"), Search(process).conversations)
    keys = Idempotency([InMemoryKeys("redis"), InMemoryKeys("postgres")], Backlog(queue, archive))
    return Operations(process, runner, keys, inspection(process))


@pytest.fixture(scope="session")
def open_app() -> tuple[FastAPI, ReplaceableTarget]:
    """Return the application without authentication, and its operations. Tests use `api` instead."""
    current = ReplaceableTarget()
    return create_app(cast("Operations", current)), current


@pytest.fixture
def api(
    open_app: tuple[FastAPI, ReplaceableTarget],
    operations: Operations,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
) -> Api:
    """Return the API on the in-memory stores, without authentication."""
    app, current = open_app
    current.target = operations
    return Api(app, cache, archive, queue)


# --- authentication ---


@pytest.fixture(scope="session")
def running_issuer() -> Iterator[Issuer]:
    """Start an issuer of tokens with its JWK set. Tests use `issuer` instead."""
    with Issuer() as running:
        yield running


@pytest.fixture
def issuer(running_issuer: Issuer) -> Issuer:
    """Return an issuer of tokens whose JWK set is available."""
    running_issuer.status, running_issuer.body, running_issuer.delay = 200, None, 0.0
    return running_issuer


@pytest.fixture(scope="session")
def guarded_app() -> tuple[FastAPI, ReplaceableTarget, ReplaceableTarget]:
    """Return the application with authentication, its operations and its verifier. Tests use `guarded_api` instead."""
    current, verifier = ReplaceableTarget(), ReplaceableTarget()
    return create_app(cast("Operations", current), Guard(cast("TokenVerifier", verifier))), current, verifier


@pytest.fixture
def guarded_api(
    guarded_app: tuple[FastAPI, ReplaceableTarget, ReplaceableTarget],
    operations: Operations,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    issuer: Issuer,
) -> Api:
    """Return the API on the in-memory stores. It requires the issuer's tokens."""
    app, current, verifier = guarded_app
    current.target, verifier.target = operations, TokenVerifier(issuer.settings())
    return Api(app, cache, archive, queue)


# --- real servers, started once ---


@pytest.fixture(scope="session")
def running_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start PostgreSQL with a migrated template database. Tests use `postgres` instead."""
    directory = in_memory(tmp_path_factory.mktemp("postgres"))
    with directory as path, PostgresServer(path / "data") as server:
        with admin(server) as connection:
            # Without fsync, a killed process loses no data. Only a power failure would lose data.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set synchronous_commit = off")
            connection.execute("select pg_reload_conf()")
            connection.execute(sql.SQL("create database {} owner memory").format(sql.Identifier(_TEMPLATE)))
        upgrade(database_of(server, _TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def running_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Start Valkey. Tests use `valkey` instead."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey") / "data") as server:
        yield server


@pytest.fixture
def postgres(running_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """Return PostgreSQL. A test may kill or freeze it."""
    yield running_postgres
    running_postgres.thaw()
    running_postgres.start()


@pytest.fixture
def valkey(running_valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """Return an empty Valkey. A test may kill or freeze it."""
    running_valkey.start()
    with redis.Redis(port=running_valkey.port, host="127.0.0.1") as client:
        client.flushall()
    yield running_valkey
    running_valkey.thaw()
    running_valkey.start()


@pytest.fixture
def new_database(postgres: PostgresServer) -> Iterator[Callable[..., str]]:
    """Return a function that creates a database and returns its URL. By default, the database is empty."""
    names: list[str] = []

    def make(template: str = "template1") -> str:
        name = f"test_{next(_numbers)}"
        with admin(postgres) as connection:
            connection.execute(
                sql.SQL("create database {} owner memory template {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        names.append(name)
        return database_of(postgres, name)

    yield make
    postgres.thaw()
    postgres.start()
    with admin(postgres) as connection:
        for name in names:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """Return the URL of a new, migrated database."""
    return new_database(_TEMPLATE)


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """Open a separate connection to the test's database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def redis_client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    """Return a separate Redis client."""
    with redis.Redis(host="127.0.0.1", port=valkey.port, decode_responses=True) as client:
        yield client


# --- real stores ---


@pytest.fixture
def real_cache(valkey: ValkeyServer) -> Iterator[Callable[..., RedisCache]]:
    """Return a function that creates the L1 of another process. Keyword arguments are settings."""
    connections: list[RedisConnection] = []

    def make(port: int | None = None, **settings: Any) -> RedisCache:
        connections.append(RedisConnection(RedisSettings(host="127.0.0.1", port=port or valkey.port)))
        cache = RedisCache(connections[-1], MemorySettings(**settings))
        # Read once, because a process sends the generation of its last read with every write.
        with suppress(StoreUnavailable):
            cache.read(None, "-")
        return cache

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture
def real_archive(database_url: str) -> Iterator[Callable[..., PostgresArchive]]:
    """Return a function that creates the L2 of another process."""
    connections: list[PostgresConnection] = []

    def make(url: str | None = None, timeout_ms: int = 2_000, derives: Sequence[str] = ()) -> PostgresArchive:
        connections.append(PostgresConnection(DatabaseSettings(url=url or database_url, timeout_ms=timeout_ms)))
        return PostgresArchive(connections[-1], derives)

    yield make
    for connection in connections:
        connection.close()


@pytest.fixture(scope="session")
def running_sqs() -> Iterator[SqsServer]:
    """Start moto's SQS on a socket. Tests use `sqs` instead."""
    with SqsServer() as server:
        yield server


@pytest.fixture
def sqs(running_sqs: SqsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqsServer]:
    """Return SQS, and set the environment of the functions' client. A test may stop or freeze SQS."""
    for name, value in running_sqs.environment().items():
        monkeypatch.setenv(name, value)
    running_sqs.requests.clear()
    yield running_sqs
    running_sqs.refused.clear()
    running_sqs.thaw()
    running_sqs.start()


@pytest.fixture
def queues(sqs: SqsServer) -> Queues:
    """Create a new exchange queue and its dead-letter queue."""
    client, number = sqs.client(), next(_numbers)
    urls = [client.create_queue(QueueName=f"{kind}-{number}")["QueueUrl"] for kind in ("exchanges", "dead")]
    sqs.requests.clear()
    return Queues(client, *urls)


@pytest.fixture
def real_queue(queues: Queues) -> SqsQueue:
    """Return the exchange queue of a process."""
    return SqsQueue(queues.settings())


@pytest.fixture
def process(
    real_cache: Callable[..., RedisCache], real_archive: Callable[..., PostgresArchive], queue: InMemoryQueue
) -> Callable[..., Memory]:
    """Return a function that creates the memory of another process on real PostgreSQL and Valkey.

    By default, the queue is in memory.
    """

    def make(exchange_queue: ExchangeQueue | None = None, **settings: int) -> Memory:
        return Memory(
            real_cache(**settings), real_archive(), exchange_queue or queue, MemorySettings.model_validate(settings)
        )

    return make
