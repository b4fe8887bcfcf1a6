"""The schema's migrations, run by Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config


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
