"""The user that the functions sign in as on AWS, and what it may do: only PostgreSQL can say so."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

FUNCTION_USER: Final = "memory"

# Every statement may be repeated. The functions read and write rows; they own nothing and change no table.
_GRANTS: Final = (
    "grant connect on database {database} to {user}",
    "grant usage on schema public to {user}",
    "grant select, insert, update, delete on all tables in schema public to {user}",
    "grant usage, select on all sequences in schema public to {user}",
    "revoke all on alembic_version from {user}",
)


class NoSuchUserError(Exception):
    """The functions' user is not in the database, and is not this project's to make."""


def make_user(connection: Connection) -> None:
    """Make the user `memory`, who signs in by IAM, unless it is there.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database refuses; one that is not RDS has no role `rds_iam`.
    """
    if not _is_there(connection, FUNCTION_USER):
        connection.execute(text(f"create role {FUNCTION_USER} login"))
    # The role by which RDS knows who signs in with a token.
    connection.execute(text(f"grant rds_iam to {FUNCTION_USER}"))


def admit(connection: Connection, user: str) -> None:
    """Let a user in, and to the rows of every table there is now; nothing is changed for the tables' owner.

    Raises:
        NoSuchUserError: There is no such user.
        sqlalchemy.exc.SQLAlchemyError: The database refuses.
    """
    if connection.scalar(text("select current_user")) == user:
        return
    if not _is_there(connection, user):
        raise NoSuchUserError(f"the database has no user {user}: make it, or correct DatabaseFunctionUser")
    database = str(connection.scalar(text("select current_database()")))
    for grant in _GRANTS:
        connection.execute(text(grant.format(user=_quoted(user), database=_quoted(database))))


def _is_there(connection: Connection, user: str) -> bool:
    return bool(connection.scalar(text("select count(*) from pg_roles where rolname = :user"), {"user": user}))


def _quoted(name: str) -> str:
    # A colon would begin a parameter of SQLAlchemy's.
    return '"' + name.replace('"', '""').replace(":", "\\:") + '"'
