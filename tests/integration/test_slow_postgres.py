"""A backlog is drained even if PostgreSQL is too slow for it."""

from __future__ import annotations

from infra.local.servers import PostgresServer
from tests.bench.slow_postgres import measure


def test_progress_at_an_eighth_of_the_time(postgres: PostgresServer, database_url: str) -> None:
    """The drain stores exchanges and refuses no valid one."""
    assert measure(postgres, database_url, 8, seconds=3, batch=200).per_second > 0
