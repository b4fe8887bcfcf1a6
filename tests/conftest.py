"""What every tier of tests can ask for: in-memory stores, and real servers with a fresh database and an empty cache."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator
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
from shared.settings import AgentSettings, DatabaseSettings, MemorySettings, RedisSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.queue import ExchangeQueue
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.sqs.queue import SqsQueue
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryKeys, InMemoryQueue
from shared.testing.inspectors import InMemoryCacheInspector, InMemoryQueueInspector
from tests.support.api import Api, Current
from tests.support.issuer import Issuer
from tests.support.queues import Queues
from tests.support.scheduling import Scheduling
from tests.support.servers import admin, database_of, in_memory
from tests.support.sqs_server import SqsServer

_TEMPLATE = "migrated"
_numbers = itertools.count(1)
_HERE = Path(__file__).parent
# What takes minutes begins first, so that no process does it while the others have nothing left to do.
_LONGEST = {"model", "mutations"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its folder, so that `-m "unit or fuzz"` selects it, and let the longest begin."""
    for item in items:
        if (folder := _folder(item)) is not None:
            item.add_marker(folder)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _folder(item) not in _LONGEST)


def _folder(item: pytest.Item) -> str | None:
    return item.path.relative_to(_HERE).parts[0] if item.path.is_relative_to(_HERE) else None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Let pytest-xdist divide the tests as they may be."""
    return Scheduling(config, log)


@pytest.fixture(autouse=True, scope="session")
def _one_loader() -> Iterator[None]:
    """Let all AWS clients share what botocore reads of its files: each session reads them anew, ten times as long."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("botocore.session.create_loader", functools.cache(create_loader))
        yield


# --- in memory ---


@pytest.fixture
def cache() -> InMemoryCache:
    """L1's twin, empty."""
    return InMemoryCache()


@pytest.fixture
def archive() -> InMemoryArchive:
    """L2's twin, empty."""
    return InMemoryArchive()


@pytest.fixture
def queue() -> InMemoryQueue:
    """The queue's twin, empty."""
    return InMemoryQueue()


@pytest.fixture
def memory(cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue) -> Callable[..., Memory]:
    """Make the memory of one more process on the in-memory stores."""

    def make(settings: MemorySettings | None = None, clock: Callable[[], float] = time.time) -> Memory:
        return Memory(cache, archive, queue, settings or MemorySettings(), clock)

    return make


@pytest.fixture
def inspection(cache: InMemoryCache, queue: InMemoryQueue) -> Callable[[Memory], Inspection]:
    """Make what looks into a memory on the in-memory stores; the dead-letter queue is empty."""
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
    """The use cases on the in-memory stores and the offline model."""
    runner = AgentRunner(AgentSettings(model="offline"), archive.search)
    keys = Idempotency([InMemoryKeys("redis"), InMemoryKeys("postgres")], Backlog(queue, archive))
    made = memory()
    return Operations(made, runner, keys, inspection(made))


@pytest.fixture(scope="session")
def open_app() -> tuple[FastAPI, Current]:
    """The application without a guard, and its operations; ask for `api` instead."""
    current = Current()
    return create_app(cast("Operations", current)), current


@pytest.fixture
def api(
    open_app: tuple[FastAPI, Current],
    operations: Operations,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
) -> Api:
    """The API on the in-memory stores, open to everybody."""
    app, current = open_app
    current.target = operations
    return Api(app, cache, archive, queue)


# --- who may ---


@pytest.fixture(scope="session")
def running_issuer() -> Iterator[Issuer]:
    """An issuer of tokens and its JWK set; ask for `issuer` instead."""
    with Issuer() as running:
        yield running


@pytest.fixture
def issuer(running_issuer: Issuer) -> Issuer:
    """An issuer of tokens, whose JWK set answers."""
    running_issuer.status, running_issuer.body, running_issuer.delay = 200, None, 0.0
    return running_issuer


@pytest.fixture(scope="session")
def guarded_app() -> tuple[FastAPI, Current, Current]:
    """The application with a guard, its operations, and its verifier of tokens; ask for `guarded_api` instead."""
    current, verifier = Current(), Current()
    return create_app(cast("Operations", current), Guard(cast("TokenVerifier", verifier))), current, verifier


@pytest.fixture
def guarded_api(
    guarded_app: tuple[FastAPI, Current, Current],
    operations: Operations,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    issuer: Issuer,
) -> Api:
    """The API on the in-memory stores, which asks for the issuer's tokens."""
    app, current, verifier = guarded_app
    current.target, verifier.target = operations, TokenVerifier(issuer.settings())
    return Api(app, cache, archive, queue)


# --- real servers, started once ---


@pytest.fixture(scope="session")
def running_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """PostgreSQL with a migrated template database; ask for `postgres` instead."""
    directory = in_memory(tmp_path_factory.mktemp("postgres"))
    with directory as found, PostgresServer(found / "data") as server:
        with admin(server) as connection:
            # Killed processes lose nothing by this; only a killed machine would.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set synchronous_commit = off")
            connection.execute("select pg_reload_conf()")
            connection.execute(sql.SQL("create database {} owner memory").format(sql.Identifier(_TEMPLATE)))
        upgrade(database_of(server, _TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def running_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Valkey; ask for `valkey` instead."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey") / "data") as server:
        yield server


@pytest.fixture
def postgres(running_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """PostgreSQL, which the test may kill or freeze."""
    yield running_postgres
    running_postgres.thaw()
    running_postgres.start()


@pytest.fixture
def valkey(running_valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """An empty Valkey, which the test may kill or freeze."""
    running_valkey.start()
    with redis.Redis(port=running_valkey.port, host="127.0.0.1") as client:
        client.flushall()
    yield running_valkey
    running_valkey.thaw()
    running_valkey.start()


@pytest.fixture
def new_database(postgres: PostgresServer) -> Iterator[Callable[..., str]]:
    """Make a database from a template, by default an empty one, and return its URL."""
    made: list[str] = []

    def make(template: str = "template1") -> str:
        name = f"test_{next(_numbers)}"
        with admin(postgres) as connection:
            connection.execute(
                sql.SQL("create database {} owner memory template {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        made.append(name)
        return database_of(postgres, name)

    yield make
    postgres.thaw()
    postgres.start()
    with admin(postgres) as connection:
        for name in made:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """Return the URL of a fresh, migrated database."""
    return new_database(_TEMPLATE)


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection of the test's own to that database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def redis_client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    """A client of the test's own."""
    with redis.Redis(host="127.0.0.1", port=valkey.port, decode_responses=True) as client:
        yield client


# --- real stores ---


@pytest.fixture
def real_cache(valkey: ValkeyServer) -> Iterator[Callable[..., RedisCache]]:
    """Make L1 as one more process has it; keyword arguments are settings."""
    made: list[RedisConnection] = []

    def make(port: int | None = None, **settings: int) -> RedisCache:
        made.append(RedisConnection(RedisSettings(host="127.0.0.1", port=port or valkey.port)))
        cache = RedisCache(made[-1], MemorySettings(**settings))
        # What a process confirms names the generation of its last read.
        with suppress(StoreUnavailable):
            cache.read(None, "-")
        return cache

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def real_archive(database_url: str) -> Iterator[Callable[..., PostgresArchive]]:
    """Make L2 as one more process has it."""
    made: list[PostgresConnection] = []

    def make(url: str | None = None, timeout_ms: int = 2_000) -> PostgresArchive:
        made.append(PostgresConnection(DatabaseSettings(url=url or database_url, timeout_ms=timeout_ms)))
        return PostgresArchive(made[-1])

    yield make
    for connection in made:
        connection.close()


@pytest.fixture(scope="session")
def running_sqs() -> Iterator[SqsServer]:
    """SQS as moto has it, behind a socket; ask for `sqs` instead."""
    with SqsServer() as server:
        yield server


@pytest.fixture
def sqs(running_sqs: SqsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqsServer]:
    """SQS, which the test may stop or freeze, as the one that the functions' own client finds."""
    for name, value in running_sqs.environment().items():
        monkeypatch.setenv(name, value)
    running_sqs.requests.clear()
    yield running_sqs
    running_sqs.refused.clear()
    running_sqs.thaw()
    running_sqs.start()


@pytest.fixture
def queues(sqs: SqsServer) -> Queues:
    """A fresh exchange queue and its dead-letter queue."""
    client, number = sqs.client(), next(_numbers)
    urls = [client.create_queue(QueueName=f"{kind}-{number}")["QueueUrl"] for kind in ("exchanges", "dead")]
    sqs.requests.clear()
    return Queues(client, *urls)


@pytest.fixture
def real_queue(queues: Queues) -> SqsQueue:
    """The exchange queue as one process has it."""
    return SqsQueue(queues.settings())


@pytest.fixture
def process(
    real_cache: Callable[..., RedisCache], real_archive: Callable[..., PostgresArchive], queue: InMemoryQueue
) -> Callable[..., Memory]:
    """Make the memory of one more process on real PostgreSQL and Valkey; the queue is in memory unless given."""

    def make(exchange_queue: ExchangeQueue | None = None, **settings: int) -> Memory:
        return Memory(
            real_cache(**settings), real_archive(), exchange_queue or queue, MemorySettings.model_validate(settings)
        )

    return make
