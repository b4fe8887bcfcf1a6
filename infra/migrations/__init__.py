"""The schema's migrations, with Alembic."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable, QueryCanceled
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import OperationalError

LOCK_WAIT_SECONDS: Final = 300
"""The time limit for acquiring a migration's locks and for waiting for another runner."""

_RETRY_PAUSE_SECONDS: Final = 2
# The time of one more attempt: the pause, and one second of waiting for a lock.
_NEXT_TRY_SECONDS: Final = _RETRY_PAUSE_SECONDS + 1


class MigrationTimeoutError(Exception):
    """A migration did not acquire its locks or did not finish in time."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The database's schema compared with the code's.

    Attributes:
        current: The database's revision; None if the database has no schema.
        head: The newest revision of this code.
        pending: The revisions that `upgrade` would run, in order, each with its description.
        is_known: Whether this code knows the database's revision. If not, a newer release created it.
    """

    current: str | None
    head: str
    pending: list[tuple[str, str]]
    is_known: bool


def config(database_url: str) -> Config:
    """Return the Alembic configuration for a database."""
    alembic_config = Config()
    alembic_config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    alembic_config.attributes["database_url"] = sqlalchemy_url(database_url)
    alembic_config.attributes["lock_deadline"] = time.monotonic() + LOCK_WAIT_SECONDS
    return alembic_config


def sqlalchemy_url(database_url: str) -> str:
    """Return the URL with psycopg 3 as its driver."""
    scheme, rest = database_url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else database_url


def upgrade(database_url: str, seconds: float | None = None) -> None:
    """Upgrade the database to the newest schema; concurrent calls run one after the other.

    Each migration has its own transaction. After a failure, the completed migrations stay, and the next call continues
    with the failed one. Each call also looks for pgvector, which the database may have got since the last one.

    Args:
        database_url: The URL of PostgreSQL.
        seconds: The time limit. Without it, only waiting for locks is limited, to `LOCK_WAIT_SECONDS`.

    Raises:
        MigrationTimeoutError: Another runner or a long transaction holds a lock, or `seconds` have passed.
        sqlalchemy.exc.SQLAlchemyError: The database does not respond or refuses.
    """
    started = time.monotonic()
    alembic_config = config(database_url)
    lock_deadline = started + min(LOCK_WAIT_SECONDS, LOCK_WAIT_SECONDS if seconds is None else seconds)
    alembic_config.attributes |= {
        "lock_deadline": lock_deadline,
        "deadline": None if seconds is None else started + seconds,
        "is_full_upgrade": True,
    }
    while True:
        try:
            return command.upgrade(alembic_config, "head")
        except OperationalError as error:
            if isinstance(error.orig, QueryCanceled) and seconds is not None:
                raise MigrationTimeoutError(
                    f"The migration did not end within {seconds:.0f} s. Completed steps stay. Run it again, or without "
                    "this limit: hybrid-memory migrate up."
                ) from error
            if not isinstance(error.orig, LockNotAvailable):
                raise
            if time.monotonic() + _NEXT_TRY_SECONDS > lock_deadline:
                raise MigrationTimeoutError(
                    f"A migration did not acquire its locks within {lock_deadline - started:.0f} s, because a long "
                    "transaction uses the table (see pg_stat_activity). Completed steps stay. Run it again."
                ) from error
        time.sleep(_RETRY_PAUSE_SECONDS)


def status(database_url: str, timeout_seconds: int = 10) -> SchemaStatus:
    """Compare the database with the code, without changes.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database does not respond or refuses.
    """
    scripts = ScriptDirectory.from_config(config(database_url))
    engine = create_engine(
        sqlalchemy_url(database_url), poolclass=pool.NullPool, connect_args={"connect_timeout": timeout_seconds}
    )
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    revisions = list(scripts.walk_revisions())
    names = [revision.revision for revision in revisions]
    newer = names[: names.index(current)] if current in names else names if current is None else []
    pending = [(each.revision, each.doc) for each in reversed(revisions) if each.revision in newer]
    return SchemaStatus(current, names[0], pending, is_known=current is None or current in names)
