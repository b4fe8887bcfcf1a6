"""The user that the functions sign in as on AWS: made here, because only PostgreSQL can make it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

FUNCTION_USER: Final = "memory"

# Every statement may be repeated. The functions read and write rows; they own nothing and change no table.
_GRANTS: Final = (
    "grant rds_iam to {user}",  # the role by which RDS knows who signs in with a token
    'grant connect on database "{database}" to {user}',
    "grant usage on schema public to {user}",
    "grant select, insert, update, delete on all tables in schema public to {user}",
    "grant usage, select on all sequences in schema public to {user}",
    "revoke all on alembic_version from {user}",
)


def admit(connection: Connection) -> None:
    """Let the functions' user in, and to the rows of every table there is now.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: The database refuses; one that is not RDS has no role `rds_iam`.
    """
    is_there = connection.scalar(text("select count(*) from pg_roles where rolname = :user"), {"user": FUNCTION_USER})
    if not is_there:
        connection.execute(text(f"create role {FUNCTION_USER} login"))
    database = str(connection.scalar(text("select current_database()"))).replace('"', '""')
    for grant in _GRANTS:
        connection.execute(text(grant.format(user=FUNCTION_USER, database=database)))
