"""Alembic's entry point: connects and runs the migrations, one runner at a time, each in its own transaction."""

from __future__ import annotations

import time
from typing import Final

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from infra.migrations import MigrationTimeoutError
from infra.migrations.learning_schema import Base
from infra.migrations.pgvector import add_pgvector

_LOCK: Final = 7_215_001
_LOCK_PAUSE_SECONDS: Final = 0.2

# The sessions' settings for migrations, which override those of the role and the database. While a migration waits for
# a table's lock, all other statements on that table wait too. So a migration waits for a second and then retries. An
# index build ends if its runner dies.
_SESSION: Final = {
    "application_name": "hybrid-memory migrate",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "0",
    "client_connection_check_interval": "10s",
    "default_transaction_read_only": "off",
}


def run() -> None:
    """Run the pending migrations, each with its own commit, while holding the runners' lock."""
    attributes = context.config.attributes
    deadline: float | None = attributes.get("deadline")
    engine = create_engine(attributes["database_url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        _prepare(connection, deadline)
        _wait_for_other_runners(connection, attributes["lock_deadline"])
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transactional_ddl=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        if attributes.get("is_full_upgrade"):
            connection.commit()
            add_pgvector(connection)


def _prepare(connection: Connection, deadline: float | None) -> None:
    milliseconds_left = 0 if deadline is None else max(1, int((deadline - time.monotonic()) * 1000))
    for name, value in {**_SESSION, "statement_timeout": str(milliseconds_left)}.items():
        connection.execute(text("select set_config(:name, :value, false)"), {"name": name, "value": value})
    connection.commit()


def _wait_for_other_runners(connection: Connection, deadline: float) -> None:
    """Acquire the runners' lock, which belongs to the session.

    The lock is polled. A statement that waits for it would hold a snapshot, and `create index concurrently` waits for
    all snapshots, so two runners would deadlock.
    """
    while True:
        is_locked = connection.scalar(text("select pg_try_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        if is_locked:
            return
        if time.monotonic() > deadline:
            raise MigrationTimeoutError("Another migration of this database is running.")
        time.sleep(_LOCK_PAUSE_SECONDS)


run()
