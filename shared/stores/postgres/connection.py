"""A process' PostgreSQL connection, with timeouts. It is replaced if it died or leads to a standby."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import Params, PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from shared.errors import InvalidRecord, SettingsError, StatementRefused, StoreBusy, StoreUnavailable
from shared.settings import DatabaseSettings
from shared.stores.aws_secrets import SecretUnavailableError, read_secret
from shared.stores.aws_tokens import database_token, public_certificates
from shared.stores.breaker import CircuitBreaker
from shared.stores.postgres.session import ErrorKind, Limits, describe, error_kind, is_about_a_row, prepare

_logger = logging.getLogger(__name__)
_PORT: Final = 5432
_UNKNOWN_PARAMETER: Final = re.compile(r'URI query parameter: "(\w+)"')
_RV = TypeVar("_RV")
_T = TypeVar("_T")
_Work = Callable[[psycopg.Connection[DictRow]], _T]


def sql(name: str) -> bytes:
    """Return a statement from the `sql` folder."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_bytes()


def signed_in(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the sign-in parameters that the URL does not contain: `password`, `user`, `sslrootcert`.

    They are valid for one connection attempt.

    Raises:
        StoreUnavailable: There are no credentials, or the secret cannot be read.
    """
    if settings.auth == "password":
        return {}
    given = conninfo_to_dict(settings.url)
    # Otherwise libpq would search for certificates in a home directory, which a function does not have.
    needs_roots = given.get("sslmode") == "verify-full" and "sslrootcert" not in given
    roots = {"sslrootcert": public_certificates()} if needs_roots else {}
    if settings.auth == "secret":
        try:
            secret = read_secret(settings.secret_arn or "")
        except SecretUnavailableError as error:
            # After a timeout, later requests must not wait again.
            raise _Unavailable("postgres", str(error)) from None
        return roots | {"password": secret.password} | ({"user": secret.user} if secret.user else {})
    host, port, user = str(given["host"]), int(given.get("port") or _PORT), str(given["user"])
    return roots | {"password": database_token(host, port, user)}


def _validate(url: str) -> None:
    """Refuse a URL that libpq cannot parse, which would otherwise look like a permanent outage.

    Raises:
        SettingsError: The URL is malformed; the message contains no password.
    """
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        parameter = _UNKNOWN_PARAMETER.search(str(error))
        reason = f"PostgreSQL has no parameter {parameter[1]}" if parameter else "libpq cannot read it"
        raise SettingsError(f"DATABASE__URL has a value that cannot work: {reason}.") from None


class _Unavailable(StoreUnavailable):
    """PostgreSQL is down, or accepts no writes: the circuit opens."""


class _TimedOut(StoreBusy):
    """PostgreSQL is too slow: the circuit opens."""


class _WrongServer(Exception):  # noqa: N818 - named after the state; never leaves this module
    """The connection leads to a server that accepts no writes."""


class _BoundedConnection(psycopg.Connection[DictRow]):
    """Begins transactions with the required settings, and limits each statement's time in the client, too.

    PostgreSQL's own timeout comes first, unless PostgreSQL hangs.
    """

    limit_seconds: float | None = None
    beginning: tuple[bytes, bytes] = (b"", b"")
    was_given_up = False
    is_one_statement = False
    is_committing = False

    def wait(self, gen: PQGen[_RV], interval: float = 0.1, timeout: float | None = None) -> _RV:
        try:
            return super().wait(gen, interval, self.limit_seconds if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # An aborted statement's late reply must not be read as the next statement's.
                self.pgconn.finish()
                self.was_given_up = True
            raise

    def execute(self, query: Any, params: Params | None = None, **how: Any) -> psycopg.Cursor[DictRow]:
        """Run a statement; with `is_one_statement`, in its own transaction and one round trip."""
        if not self.is_one_statement:
            return super().execute(query, params, **how)
        return self.execute_together(((query, params),), **how)

    def execute_together(self, statements: Sequence[tuple[Any, Params | None]], **how: Any) -> psycopg.Cursor[DictRow]:
        """Run statements in their own transaction and one round trip; return the last one's result."""
        begin, pin = self.beginning
        pinned: psycopg.Cursor[DictRow] | None = None
        try:
            with self.pipeline():
                super().execute(begin)
                pinned = super().execute(pin)
                for query, params in statements:
                    cursor = super().execute(query, params, **how)
                super().execute("commit")
        except psycopg.Error as error:
            if pinned is not None and pinned.pgresult is None:
                raise _of_a_beginning(error) from None
            raise
        _require_primary(pinned)
        return cursor

    def begin(self) -> None:
        """Begin a transaction."""
        try:
            begun = super().execute(b";".join(self.beginning))
        except psycopg.Error as error:
            raise _of_a_beginning(error) from None
        begun.nextset()
        _require_primary(begun)

    def end(self, how: str) -> None:
        """Commit, or roll back after a failure."""
        if not self.closed and self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().execute(how)


def execute_locked(
    connection: psycopg.Connection[DictRow], lock: tuple[Any, Params], query: bytes, params: Params
) -> psycopg.Cursor[DictRow]:
    """Acquire a lock and run a statement, in one round trip if the work is one statement."""
    if isinstance(connection, _BoundedConnection) and connection.is_one_statement:
        return connection.execute_together((lock, (query, params)))
    connection.execute(*lock)
    return connection.execute(query, params)


def _of_a_beginning(error: psycopg.Error) -> Exception:
    """Translate an error from before any data was sent: no record caused it."""
    if isinstance(error, psycopg.errors.FeatureNotSupported):
        # A standby refuses to begin a writing transaction.
        return _WrongServer()
    if error_kind(error) in {ErrorKind.ROW, ErrorKind.REFUSED}:
        return StoreUnavailable("postgres", describe(error), state=StatementRefused.state)
    return error


def _require_primary(pinned: psycopg.Cursor[DictRow]) -> None:
    row = pinned.fetchone()
    if row is None or row["is_standby"]:
        raise _WrongServer


class PostgresConnection:
    """Runs work in transactions on one connection.

    Args:
        settings: The address, and the timeout of a connection attempt and of a statement.
        limits: Timeouts that replace the settings' `timeout_ms`.

    Raises:
        SettingsError: libpq cannot parse the URL.
    """

    def __init__(self, settings: DatabaseSettings, limits: Limits | None = None) -> None:
        _validate(settings.url)
        self._settings = settings
        self._limits = limits or Limits(settings.timeout_ms / 1000)
        self._connection: _BoundedConnection | None = None
        self._is_unconfirmed = False
        self.breaker = CircuitBreaker("postgres", self._probe, probe_interval=1.0, grace=self._limits.grace)
        self.check: _Work[object] = lambda connection: connection.execute("select 1")
        """What shows, in a transaction that is rolled back, that PostgreSQL does its work again."""

    def _connect(self) -> _BoundedConnection:
        given = conninfo_to_dict(self._settings.url)
        made = _BoundedConnection.connect(
            self._settings.url,
            # The driver accepts whole seconds, at least two.
            connect_timeout=max(2, round(self._limits.seconds)),
            autocommit=True,
            # A pooler (RDS Proxy, PgBouncer) may use another server connection for each transaction.
            prepare_threshold=None,
            row_factory=dict_row,
            client_encoding="utf8",
            # Of several servers behind a name, use the primary: a standby's data may be old.
            target_session_attrs=given.get("target_session_attrs") or "primary",
            **signed_in(self._settings),
        )
        prepare(made)
        made.limit_seconds = self._limits.seconds
        made.beginning = self._limits.begin(has_schema="search_path" in str(given.get("options")))
        return made

    def _probe(self) -> None:
        connection = self._connect()
        try:
            connection.begin()
            self.check(connection)
        except psycopg.Error as error:
            # A refusal is a response.
            if connection.closed or error_kind(error) not in {ErrorKind.ROW, ErrorKind.REFUSED}:
                raise
        finally:
            # Rolls back.
            connection.close()

    def run(self, work: _Work[_T], *, is_one_statement: bool = False, is_trial: bool = False) -> _T:
        """Run `work` in one transaction; repeat it once on a new connection if the old one has died.

        The old one also counts as dead if its server no longer accepts writes, as after a failover behind one name.

        A single statement saves the round trips of begin and commit. A trial that exceeds its time limit does not open
        the circuit for other calls.

        `work` must be idempotent: a connection can die after the commit and before its confirmation.

        Raises:
            StoreUnavailable: No response from a server that accepts writes.
            StoreBusy: PostgreSQL aborted the statement: it took too long, or another transaction was in its way.
            StatementRefused: PostgreSQL refuses it, because of one row or for another reason.
            InvalidRecord: PostgreSQL refuses the data.
        """
        self._is_unconfirmed = False
        try:
            with self.breaker.guard((_Unavailable, _TimedOut)):
                return self._run(work, is_one_statement=is_one_statement, is_trial=is_trial)
        except StoreUnavailable as error:
            error.is_unconfirmed = self._is_unconfirmed
            raise

    def _run(self, work: _Work[_T], *, is_one_statement: bool, is_trial: bool) -> _T:
        try:
            try:
                return self._attempt(work, is_one_statement=is_one_statement)
            except psycopg.errors.TransactionRollback:
                # It lost against another transaction, which has finished.
                return self._attempt(work, is_one_statement=is_one_statement)
        except _WrongServer:
            raise _Unavailable("postgres", "read only", state="takes no writes") from None
        except psycopg.Error as error:
            # Without the cause, because its detail quotes rows, and a log would include it.
            raise self._translated(error, is_trial=is_trial) from None

    def _attempt(self, work: _Work[_T], *, is_one_statement: bool) -> _T:
        old = self._connection
        if old is not None and not old.closed:
            try:
                return self._transact(old, work, is_one_statement=is_one_statement)
            except _WrongServer:
                old.close()
            except psycopg.Error:
                if old.was_given_up or not old.closed:
                    # It hangs, or responded with an error of its own: a new connection would not help.
                    raise
        self._connection = None
        self._connection = made = self._connect()
        return self._transact(made, work, is_one_statement=is_one_statement)

    def _transact(self, connection: _BoundedConnection, work: _Work[_T], *, is_one_statement: bool) -> _T:
        # One statement is sent together with its commit.
        connection.is_one_statement = connection.is_committing = is_one_statement
        try:
            if is_one_statement:
                return work(connection)
            connection.begin()
            result = work(connection)
            connection.is_committing = True
            connection.end("commit")
        except BaseException as error:
            _roll_back(connection)
            # PostgreSQL may have committed.
            self._is_unconfirmed |= connection.is_committing and connection.closed
            if isinstance(error, psycopg.Error) and error_kind(error) is ErrorKind.ELSEWHERE:
                raise _WrongServer from None
            raise
        else:
            return result

    def _translated(self, error: psycopg.Error, *, is_trial: bool) -> StoreUnavailable | InvalidRecord:
        reason, meaning = describe(error), error_kind(error)
        if self._connection is not None and self._connection.was_given_up:
            return _TimedOut("postgres", reason, state=StoreUnavailable.state)
        if meaning is ErrorKind.LATE and self._limits.is_late_an_outage and not is_trial:
            return _TimedOut("postgres", reason)
        if meaning in {ErrorKind.LATE, ErrorKind.IN_THE_WAY}:
            return StoreBusy("postgres", reason)
        if meaning is ErrorKind.ROW:
            return InvalidRecord("refused_by_postgres", reason)
        if meaning is ErrorKind.REFUSED and self._connection is not None and not self._connection.closed:
            _logger.error("postgres refused a statement", extra={"reason": reason})
            return StatementRefused(reason, is_about_a_row=is_about_a_row(error))
        return _Unavailable("postgres", reason)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _roll_back(connection: _BoundedConnection) -> None:
    try:
        connection.end("rollback")
    except psycopg.Error:
        # The first error describes the failure; a connection in an unknown state is closed.
        connection.close()
