"""The drain stores a backlog even if PostgreSQL is too slow to store one batch before the timeout."""

from __future__ import annotations

from infra.local.servers import PostgresServer
from tests.bench.slow_postgres import measure


def test_the_drain_stores_exchanges_while_postgres_runs_an_eighth_of_the_time(
    postgres: PostgresServer, database_url: str
) -> None:
    """PostgreSQL runs an eighth of the time. The drain stores exchanges and refuses no valid exchange."""
    assert measure(postgres, database_url, 8, seconds=3, batch_size=200).per_second > 0
