"""Alembic's entry: connects and runs the migrations, one runner at a time."""

from __future__ import annotations

from typing import Final

from alembic import context
from sqlalchemy import create_engine, pool, text

from infra.schema import Base

_LOCK: Final = 7_215_001


def run() -> None:
    """Run the migrations in one transaction, under a lock that a second runner waits for."""
    engine = create_engine(context.config.attributes["database_url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
        with context.begin_transaction():
            connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            context.run_migrations()


run()
