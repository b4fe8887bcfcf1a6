"""The settings of every transaction, independent of the role, the database or a pooler."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

# The role, the database or the server may set other session defaults; these are PostgreSQL's own.
_DEFAULTS: Final = {
    "search_path": '"$user", public',
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "row_security": "on",
    # Statements are short, so compiling a statement would take longer than running it.
    "jit": "off",
    # With another value, the triggers of foreign keys do not run, and foreign keys delete nothing. Only a superuser may
    # reset this setting. For other roles the transaction is refused.
    "session_replication_role": "origin",
    # Since PostgreSQL 17: a limit for all statements of a transaction together.
    "transaction_timeout": "0",
}
# The settings are set for the transaction, because behind RDS Proxy or PgBouncer the next transaction may use another
# session. Settings that already have their value are not set again, and settings that this server does not know are
# left out. With `synchronous_commit` off, a commit could be lost after the queue has deleted the message; all other
# values make commits durable.
_PIN: Final = """\
begin isolation level read committed read write;
select pg_catalog.pg_is_in_recovery() as is_standby, count(pg_catalog.set_config(s.name, s.value, true))
from (values {values}) as s (name, value)
where pg_catalog.current_setting(s.name, true) <> s.value
    and (s.name <> 'synchronous_commit' or pg_catalog.current_setting(s.name) = 'off')"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits for PostgreSQL.

    Attributes:
        seconds: The client's limit for a statement.
        grace: How long a caller waits for a probe of a PostgreSQL that was down.
        is_late_an_outage: Whether a timeout opens the circuit. For the drain it does not, because the drain reduces its
            batches.
    """

    seconds: float
    grace: float = 0.25
    is_late_an_outage: bool = True

    def begin(self, *, has_schema: bool = False) -> tuple[bytes, bytes]:
        """Return the two statements that begin a transaction and set its settings.

        With `has_schema` the connection's URL sets the schema.

        PostgreSQL's limit is a quarter shorter than the client's, so that no statement continues unnoticed and the
        connection stays usable. The limit for locks is shorter still, so that its error identifies a lock.
        """
        milliseconds = round(self.seconds * 1000)
        pinned = _DEFAULTS | {
            "synchronous_commit": "on",
            "statement_timeout": f"{milliseconds * 3 // 4}ms",
            "lock_timeout": f"{milliseconds * 7 // 10}ms",
            "idle_in_transaction_session_timeout": f"{milliseconds * 2}ms",
        }
        if has_schema:
            del pinned["search_path"]
        values = ", ".join(f"('{name}', '{value}')" for name, value in pinned.items())
        begin, _, pin = _PIN.format(values=values).partition(";\n")
        return begin.encode(), pin.encode()


class ErrorKind(enum.Enum):
    """The meaning of a PostgreSQL error."""

    AWAY = "no server, or one that takes no work"
    ELSEWHERE = "this server takes no writes: another one does since a failover"
    LATE = "it was ended because it took too long, or waited too long for a lock"
    IN_THE_WAY = "it lost against another transaction, or against a limit of the server's"
    ROW = "a value in it can never be stored"
    REFUSED = "refused, for a row in it or for all"


_LATE: Final = {"57014", "55P03", "25P03", "25P04"}
_ELSEWHERE: Final = {"25006"}
_CONFLICTS: Final = {"53100", "53200", "53400", "55006"}
# The source locations of errors raised by triggers, with any SQLSTATE, and by row-level-security policies.
_RAISED_BY: Final = {"exec_stmt_raise", "ExecWithCheckOptions"}
# Raised by a trigger (P0), a view's check option (44), a cardinality (21), a limit of an index or of nesting (54).
_OF_A_VALUE: Final = {"22", "23"}
_ABOUT_A_ROW: Final = {"22", "23", "21", "44", "54", "P0"}


def error_kind(error: psycopg.Error) -> ErrorKind:
    """Return an error's meaning; `REFUSED` for unknown errors, so that they stop no other record."""
    state = error.sqlstate or ""
    if is_raised(error) and state[:2] not in _OF_A_VALUE:
        # A trigger may raise the SQLSTATE of a timeout, a deadlock or an outage.
        return ErrorKind.REFUSED
    if state in _LATE:
        return ErrorKind.LATE
    if state in _ELSEWHERE:
        return ErrorKind.ELSEWHERE
    if state in _CONFLICTS or state[:2] in {"40", "58"}:
        return ErrorKind.IN_THE_WAY
    if state[:2] in {"08", "53", "57"} or (not state and isinstance(error, psycopg.OperationalError)):
        return ErrorKind.AWAY
    return ErrorKind.ROW if state[:2] in _OF_A_VALUE else ErrorKind.REFUSED


def is_raised(error: psycopg.Error) -> bool:
    """Return whether a trigger or policy raised the error, which then does not describe the server."""
    return error.diag.source_function in _RAISED_BY


def is_about_a_row(error: psycopg.Error) -> bool:
    """Return whether a trigger, a check or a row's value may have caused the error."""
    return (error.sqlstate or "")[:2] in _ABOUT_A_ROW or is_raised(error)


def describe(error: psycopg.Error) -> str:
    """Return SQLSTATE and primary message only, because the detail quotes data."""
    parts = [error.sqlstate or type(error).__name__, error.diag.message_primary]
    return ": ".join(part for part in parts if part)[:200]


def parse_time(text: str) -> datetime:
    """Return a time that the pinned session has written, in UTC.

    Raises:
        psycopg.DataError: Python has no such time, e.g. `infinity`.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise psycopg.DataError("a time that Python cannot hold") from error


class IsoTimeLoader(Loader):
    """Parses times in the format of this module's transactions.

    The driver's own loader uses the format that the server named at the connection's start, which depends on the role.
    """

    def load(self, data: Buffer) -> datetime:
        """Return the time in UTC.

        Raises:
            psycopg.DataError: Python cannot represent the time, e.g. `infinity`.
        """
        return parse_time(bytes(data).decode())


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make a new connection parse the format of this module's transactions."""
    connection.adapters.register_loader("timestamptz", IsoTimeLoader)
