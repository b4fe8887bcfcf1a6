"""Fixtures that start both releases on one Redis, one queue and one database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from infra.local import PROJECT_ROOT
from infra.local.servers import PostgresServer, ValkeyServer
from tests.support.queues import Queues
from tests.support.servers import admin, database_of
from tests.support.sqs_server import SqsServer
from tests.upgrade.previous import unpack
from tests.upgrade.releases import Release, Releases, migrate


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[Release, Path]:
    """Return the directories of both releases."""
    return {"previous": unpack(tmp_path_factory.mktemp("previous")), "this": PROJECT_ROOT}


@pytest.fixture(scope="session")
def schemas(running_postgres: PostgresServer, roots: dict[Release, Path]) -> tuple[str, str]:
    """Create template databases: one with the previous release's schema, one upgraded by this release."""
    names = ("schema_previous", "schema_upgraded")
    with admin(running_postgres) as connection:
        for name, template in zip(names, ("template1", names[0]), strict=True):
            source = sql.Identifier(template)
            connection.execute(
                sql.SQL("create database {} owner memory template {}").format(sql.Identifier(name), source)
            )
            migrate(roots["this" if template in names else "previous"], database_of(running_postgres, name))
    return names


@pytest.fixture
def start_releases(
    roots: dict[Release, Path], queues: Queues, sqs: SqsServer, valkey: ValkeyServer, tmp_path: Path
) -> Iterator[Callable[[str], Releases]]:
    """Return a function that starts both releases on a database."""
    with ExitStack() as running:

        def start(database_url: str) -> Releases:
            environment = {
                "REDIS__HOST": "127.0.0.1",
                "REDIS__PORT": str(valkey.port),
                # The machine may be busy with other tests.
                "REDIS__TIMEOUT_MS": "5000",
                "DATABASE__URL": database_url,
                "DATABASE__TIMEOUT_MS": "10000",
                "DATABASE__DRAIN_TIMEOUT_MS": "10000",
                "SYNC__QUEUE_URL": queues.url,
                "SYNC__DLQ_URL": queues.dlq_url,
                "AGENT__MODEL": "offline",
                "POWERTOOLS_SERVICE_NAME": "test",
                "POWERTOOLS_METRICS_NAMESPACE": "test",
                "STAGE": "local",
                **sqs.environment(),
            }
            return running.enter_context(Releases(roots, environment, queues, tmp_path))

        yield start


@pytest.fixture
def old_database(new_database: Callable[..., str], schemas: tuple[str, str]) -> str:
    """Return the URL of a new database with the previous release's schema."""
    return new_database(schemas[0])


@pytest.fixture
def upgraded_database(new_database: Callable[..., str], schemas: tuple[str, str]) -> str:
    """Return the URL of a new database that this release has upgraded."""
    return new_database(schemas[1])


@pytest.fixture
def upgraded(start_releases: Callable[[str], Releases], upgraded_database: str) -> Releases:
    """Start both releases on this release's schema."""
    return start_releases(upgraded_database)


@pytest.fixture
def rows(upgraded_database: str) -> Iterator[psycopg.Connection]:
    """Open a connection for reading the rows."""
    with psycopg.connect(upgraded_database, autocommit=True) as connection:
        yield connection
