"""A connection to PostgreSQL that sets the settings of each transaction and aborts statements that take too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.abc import Params, PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, TupleRow, tuple_row

from shared.errors import StatementRefused, StoreUnavailable
from shared.stores.postgres.session import ErrorKind, describe, error_kind

_RV = TypeVar("_RV")


class WrongServer(Exception):  # noqa: N818 - named after the state; never leaves the store
    """The connection leads to a server that accepts no writes."""


class BoundedConnection(psycopg.Connection[DictRow]):
    """Begins transactions with the required settings, and limits each statement's time.

    PostgreSQL's own limit is shorter, so the client's limit is only reached if PostgreSQL hangs.
    """

    limit_seconds: float | None = None
    begin_statements: tuple[bytes, bytes] = (b"", b"")
    was_aborted = False
    is_one_statement = False
    is_committing = False

    def wait(self, gen: PQGen[_RV], interval: float = 0.1, timeout: float | None = None) -> _RV:
        """Wait for a reply for at most `limit_seconds`. If a statement takes longer, close the connection."""
        try:
            return super().wait(gen, interval, self.limit_seconds if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # A late reply to this statement must not be read as the reply to the next one.
                self.pgconn.finish()
                self.was_aborted = True
            raise

    def execute(self, query: Any, params: Params | None = None, **options: Any) -> psycopg.Cursor[DictRow]:
        """Run a statement; with `is_one_statement`, in its own transaction and one round trip."""
        if not self.is_one_statement:
            return super().execute(query, params, **options)
        return self.execute_together(((query, params),), **options)

    def execute_together(
        self, statements: Sequence[tuple[Any, Params | None]], **options: Any
    ) -> psycopg.Cursor[DictRow]:
        """Run statements as one transaction in one round trip; return the last statement's result."""
        begin, set_settings = self.begin_statements
        settings_cursor: psycopg.Cursor[DictRow] | None = None
        try:
            with self.pipeline():
                super().execute(begin)
                settings_cursor = super().execute(set_settings)
                for query, params in statements:
                    cursor = super().execute(query, params, **options)
                super().execute("commit")
        except psycopg.Error as error:
            if settings_cursor is not None and settings_cursor.pgresult is None:
                raise _translate_begin_error(error) from None
            raise
        _require_primary(settings_cursor)
        return cursor

    def execute_as_text(self, query: bytes, params: Params) -> psycopg.Cursor[TupleRow]:
        """Run a statement with its values in its text; with `is_one_statement`, in one transaction and round trip.

        The server gets one message for all statements of the transaction. The text must be short, because RDS Proxy
        reserves a session for one client after a text of more than 16 KB.
        """
        cursor = psycopg.ClientCursor(self, row_factory=tuple_row)
        if not self.is_one_statement:
            return cursor.execute(query, params)
        try:
            cursor.execute(b";\n".join((*self.begin_statements, query, b"commit")), params)
        except psycopg.Error as error:
            if error_kind(error) in {ErrorKind.INVALID_DATA, ErrorKind.REFUSED}:
                # Begin a transaction without the statement. If the settings caused the error, this fails again.
                self.end("rollback")
                self.begin()
            raise
        cursor.nextset()
        (is_standby, _) = cursor.fetchone() or (True, 0)
        if is_standby:
            raise WrongServer
        cursor.nextset()
        return cursor

    def begin(self) -> None:
        """Begin a transaction."""
        try:
            settings_cursor = super().execute(b";".join(self.begin_statements))
        except psycopg.Error as error:
            raise _translate_begin_error(error) from None
        settings_cursor.nextset()
        _require_primary(settings_cursor)

    def end(self, statement: str) -> None:
        """Run `commit` or `rollback` if a transaction is open."""
        if not self.closed and self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().execute(statement)


def execute_locked(
    connection: psycopg.Connection[DictRow], lock: tuple[Any, Params], query: bytes, params: Params
) -> psycopg.Cursor[DictRow]:
    """Acquire a lock and run a statement; with `is_one_statement`, in one round trip."""
    if isinstance(connection, BoundedConnection) and connection.is_one_statement:
        return connection.execute_together((lock, (query, params)))
    connection.execute(*lock)
    return connection.execute(query, params)


def execute_as_text(connection: psycopg.Connection[DictRow], query: bytes, params: Params) -> psycopg.Cursor[TupleRow]:
    """Run a statement with its values in its text, which must be short."""
    if isinstance(connection, BoundedConnection):
        return connection.execute_as_text(query, params)
    return psycopg.ClientCursor(connection, row_factory=tuple_row).execute(query, params)


def _translate_begin_error(error: psycopg.Error) -> Exception:
    """Translate an error at the begin of a transaction. No record caused it, because no data was sent before."""
    if isinstance(error, psycopg.errors.FeatureNotSupported):
        # A standby refuses to begin a writing transaction.
        return WrongServer()
    if error_kind(error) in {ErrorKind.INVALID_DATA, ErrorKind.REFUSED}:
        return StoreUnavailable("postgres", describe(error), state=StatementRefused.state)
    return error


def _require_primary(settings_cursor: psycopg.Cursor[DictRow]) -> None:
    row = settings_cursor.fetchone()
    if row is None or row["is_standby"]:
        raise WrongServer
