"""The settings of every transaction, and the kinds of PostgreSQL's errors.

The settings do not depend on the role, the database or a pooler.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

# PostgreSQL's own defaults. The role, the database or the server may set other defaults.
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
    # Starting another process takes longer than most searches, and there are few of these processes for all sessions.
    "max_parallel_workers_per_gather": "0",
    # With another value, the triggers of foreign keys do not run, and foreign keys delete nothing. Only a superuser may
    # reset this setting; PostgreSQL refuses the transaction of any other role.
    "session_replication_role": "origin",
    # Since PostgreSQL 17, this setting limits the duration of a whole transaction.
    "transaction_timeout": "0",
}
# The settings apply to one transaction, because behind RDS Proxy or PgBouncer the next transaction may use another
# session. The statement skips settings that already have their value or that this server does not know. With
# `synchronous_commit` off, PostgreSQL could lose a commit after the queue has deleted the message; all other values
# make commits durable.
_BEGIN: Final = """\
begin isolation level {isolation} read write;
select pg_catalog.pg_is_in_recovery() as is_standby, count(pg_catalog.set_config(s.name, s.value, true))
from (values {values}) as s (name, value)
where pg_catalog.current_setting(s.name, true) <> s.value
    and (s.name <> 'synchronous_commit' or pg_catalog.current_setting(s.name) = 'off')"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits and the isolation of transactions for PostgreSQL.

    Attributes:
        seconds: The client's limit for a statement.
        grace: How many seconds a caller waits for a probe while PostgreSQL is down.
        timeout_opens_circuit: Whether a timeout opens the circuit. The drain sets False, because it retries with
            smaller batches.
        isolation: With `repeatable read`, all statements of a transaction see the same data.
    """

    seconds: float
    grace: float = 0.25
    timeout_opens_circuit: bool = True
    isolation: Literal["read committed", "repeatable read"] = "read committed"

    def begin(self, *, has_schema: bool = False) -> tuple[bytes, bytes]:
        """Return the two statements that begin a transaction and set its settings.

        With `has_schema`, the connection's URL sets the schema, and the statements do not change it.

        PostgreSQL's limit is a quarter shorter than the client's: PostgreSQL then ends a slow statement, and the
        connection stays usable. The limit for waiting for a lock is shorter than the limit for a statement, so that the
        error shows that a lock caused the delay.
        """
        milliseconds = round(self.seconds * 1000)
        settings = _DEFAULTS | {
            "synchronous_commit": "on",
            "statement_timeout": f"{milliseconds * 3 // 4}ms",
            "lock_timeout": f"{milliseconds * 7 // 10}ms",
            "idle_in_transaction_session_timeout": f"{milliseconds * 2}ms",
        }
        if has_schema:
            del settings["search_path"]
        values = ", ".join(f"('{name}', '{value}')" for name, value in settings.items())
        begin, _, set_settings = _BEGIN.format(isolation=self.isolation, values=values).partition(";\n")
        return begin.encode(), set_settings.encode()


class ErrorKind(enum.Enum):
    """The kind of a PostgreSQL error."""

    UNAVAILABLE = "the server is down or accepts no work"
    READ_ONLY = "the server accepts no writes, because after a failover another server accepts them"
    TIMEOUT = "the server ended the statement because it ran or waited for a lock for too long"
    CONFLICT = "the statement conflicted with another transaction or exceeded a limit of the server"
    INVALID_DATA = "a value of the statement can never be stored"
    REFUSED = "the server refused the statement, because of one row or for another reason"


_TIMEOUTS: Final = {"57014", "55P03", "25P03", "25P04"}
_READ_ONLY: Final = {"25006"}
_CONFLICTS: Final = {"53100", "53200", "53400", "55006"}
# The source locations of errors raised by triggers, with any SQLSTATE, and by row-level-security policies.
_RAISED_BY: Final = {"exec_stmt_raise", "ExecWithCheckOptions"}
# Classes of SQLSTATE: 22 and 23 are invalid values. P0 comes from a trigger, 44 from a view's check option, 21 from a
# cardinality, and 54 from a limit of an index or of nesting.
_INVALID_DATA: Final = {"22", "23"}
_ABOUT_A_ROW: Final = {*_INVALID_DATA, "21", "44", "54", "P0"}


def error_kind(error: psycopg.Error) -> ErrorKind:
    """Return an error's kind; `REFUSED` for an unknown error, which then does not stop other records."""
    state = error.sqlstate or ""
    if is_raised(error) and state[:2] not in _INVALID_DATA:
        # A trigger may raise the SQLSTATE of a timeout, a deadlock or an outage.
        return ErrorKind.REFUSED
    if state in _TIMEOUTS:
        return ErrorKind.TIMEOUT
    if state in _READ_ONLY:
        return ErrorKind.READ_ONLY
    if state in _CONFLICTS or state[:2] in {"40", "58"}:
        return ErrorKind.CONFLICT
    if state[:2] in {"08", "53", "57"} or (not state and isinstance(error, psycopg.OperationalError)):
        return ErrorKind.UNAVAILABLE
    return ErrorKind.INVALID_DATA if state[:2] in _INVALID_DATA else ErrorKind.REFUSED


def is_raised(error: psycopg.Error) -> bool:
    """Return whether a trigger or a policy raised the error. Such an error does not describe the server."""
    return error.diag.source_function in _RAISED_BY


def is_about_a_row(error: psycopg.Error) -> bool:
    """Return whether a trigger, a check or a row's value may have caused the error."""
    return (error.sqlstate or "")[:2] in _ABOUT_A_ROW or is_raised(error)


def describe(error: psycopg.Error) -> str:
    """Return the SQLSTATE and the primary message. The error's detail is left out, because it quotes data."""
    parts = [error.sqlstate or type(error).__name__, error.diag.message_primary]
    return ": ".join(part for part in parts if part)[:200]


def parse_time(text: str) -> datetime:
    """Parse a time in the format of this module's transactions, and return it in UTC.

    Raises:
        psycopg.DataError: Python cannot represent the time, e.g. `infinity`.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError as error:
        raise psycopg.DataError("Python cannot represent this time") from error


class IsoTimeLoader(Loader):
    """Parses times in the format of this module's transactions.

    The driver's own loader uses the format that the server reported at the connection's start. That format depends on
    the role.
    """

    def load(self, data: Buffer) -> datetime:
        """Return the time in UTC.

        Raises:
            psycopg.DataError: Python cannot represent the time, e.g. `infinity`.
        """
        return parse_time(bytes(data).decode())


def configure(connection: psycopg.Connection[Any]) -> None:
    """Register this module's time parser on a new connection."""
    connection.adapters.register_loader("timestamptz", IsoTimeLoader)
