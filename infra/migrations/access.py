"""The database user of the functions on AWS, and its privileges."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

FUNCTION_USER: Final = "memory"

# Every statement may be repeated. The functions read and write rows, but do not own or alter tables.
_GRANTS: Final = (
    "grant connect on database {database} to {user}",
    "grant usage on schema public to {user}",
    "grant select, insert, update, delete on all tables in schema public to {user}",
    "grant usage, select on all sequences in schema public to {user}",
    "revoke all on alembic_version from {user}",
)


class NoSuchUserError(Exception):
    """The functions' user does not exist, and the settings forbid creating it."""


def make_user(connection: Connection) -> None:
    """Create the user `memory`, which signs in by IAM, unless it exists.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database refuses, e.g. because it is not RDS and has no role `rds_iam`.
    """
    if not _user_exists(connection, FUNCTION_USER):
        connection.execute(text(f"create role {FUNCTION_USER} login"))
    # Members of this role sign in with an IAM token on RDS.
    connection.execute(text(f"grant rds_iam to {FUNCTION_USER}"))


def grant_access(connection: Connection, user: str) -> None:
    """Grant a user access to the rows of all current tables; the tables' owner needs no grant.

    Raises:
        NoSuchUserError: The user does not exist.
        sqlalchemy.exc.SQLAlchemyError: The database refuses.
    """
    if connection.scalar(text("select current_user")) == user:
        return
    if not _user_exists(connection, user):
        raise NoSuchUserError(f"the database has no user {user}. Create the user, or correct DatabaseFunctionUser")
    database = str(connection.scalar(text("select current_database()")))
    for grant in _GRANTS:
        connection.execute(text(grant.format(user=_quoted(user), database=_quoted(database))))


def _user_exists(connection: Connection, user: str) -> bool:
    return bool(connection.scalar(text("select count(*) from pg_roles where rolname = :user"), {"user": user}))


def _quoted(name: str) -> str:
    # SQLAlchemy would read a colon as the start of a parameter.
    return '"' + name.replace('"', '""').replace(":", "\\:") + '"'
