"""The schema's migrations, run by Alembic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """How a database's schema compares with the code's.

    Attributes:
        current: The revision the database is at; None for one without any.
        head: The newest revision there is here.
        pending: What `upgrade` would run, in order, each with what it does.
        is_known: Whether the database's revision is one that is known here; if not, newer code made it.
    """

    current: str | None
    head: str
    pending: list[tuple[str, str]]
    is_known: bool


def config(database_url: str) -> Config:
    """Return the Alembic configuration for one database."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.attributes["database_url"] = sqlalchemy_url(database_url)
    return made


def sqlalchemy_url(database_url: str) -> str:
    """Return the URL with the driver that is installed, psycopg 3, named in it."""
    scheme, rest = database_url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in {"postgres", "postgresql"} else database_url


def upgrade(database_url: str) -> None:
    """Bring the database to the newest schema; two at once wait for each other.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database does not answer or refuses.
    """
    command.upgrade(config(database_url), "head")


def status(database_url: str, timeout_seconds: int = 10) -> SchemaStatus:
    """Compare the database with the code; nothing is changed.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database does not answer or refuses.
    """
    scripts = ScriptDirectory.from_config(config(database_url))
    engine = create_engine(
        sqlalchemy_url(database_url), poolclass=pool.NullPool, connect_args={"connect_timeout": timeout_seconds}
    )
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    revisions = list(scripts.walk_revisions())
    known = [revision.revision for revision in revisions]
    newer = known[: known.index(current)] if current in known else known if current is None else []
    pending = [(each.revision, each.doc) for each in reversed(revisions) if each.revision in newer]
    return SchemaStatus(current, known[0], pending, is_known=current is None or current in known)
