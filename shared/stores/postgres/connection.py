"""One PostgreSQL connection a process: made at first use, bounded in time, made anew when it died or led elsewhere."""

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
    """Return who signs in and with what, where the URL does not say it: `password`, `user`, `sslrootcert`.

    It is good for one connection attempt.

    Raises:
        StoreUnavailable: There is nothing to sign with, or the secret cannot be read.
    """
    if settings.auth == "password":
        return {}
    given = conninfo_to_dict(settings.url)
    # Without a list of its own, libpq looks for one in a home directory that a function does not have.
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
    """Refuse a URL that libpq cannot read, which would otherwise look like a PostgreSQL that is away for ever.

    Raises:
        SettingsError: It cannot; the sentence repeats nothing that may be a password.
    """
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        parameter = _UNKNOWN_PARAMETER.search(str(error))
        reason = f"PostgreSQL has no parameter {parameter[1]}" if parameter else "libpq cannot read it"
        raise SettingsError(f"DATABASE__URL has a value that cannot work: {reason}.") from None


class _Unavailable(StoreUnavailable):
    """No PostgreSQL, or none that takes writes: the next calls skip it."""


class _TimedOut(StoreBusy):
    """Too slow, so that the next calls skip it."""


class _WrongServer(Exception):  # noqa: N818 - named for what is so; never leaves this module
    """The connection leads to a server that takes no writes."""


class _BoundedConnection(psycopg.Connection[DictRow]):
    """Begins its transactions with what they rely on, and gives up each statement on this side, too.

    PostgreSQL ends a statement first, unless it hangs and cannot.
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
                # Given up in the middle of a statement: what still arrives would be taken for the next one's answer.
                self.pgconn.finish()
                self.was_given_up = True
            raise

    def execute(self, query: Any, params: Params | None = None, **how: Any) -> psycopg.Cursor[DictRow]:
        """Run a statement; where `is_one_statement`, in a transaction of its own and in one round trip."""
        if not self.is_one_statement:
            return super().execute(query, params, **how)
        return self.execute_together(((query, params),), **how)

    def execute_together(self, statements: Sequence[tuple[Any, Params | None]], **how: Any) -> psycopg.Cursor[DictRow]:
        """Run statements in a transaction of their own and in one round trip; return what the last one found."""
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
        """Commit, or roll back what a failure has left open."""
        if not self.closed and self.pgconn.transaction_status != TransactionStatus.IDLE:
            super().execute(how)


def execute_locked(
    connection: psycopg.Connection[DictRow], lock: tuple[Any, Params], query: bytes, params: Params
) -> psycopg.Cursor[DictRow]:
    """Run a statement under a lock that it takes first, as one round trip where the work is one statement."""
    if isinstance(connection, _BoundedConnection) and connection.is_one_statement:
        return connection.execute_together((lock, (query, params)))
    connection.execute(*lock)
    return connection.execute(query, params)


def _of_a_beginning(error: psycopg.Error) -> Exception:
    """Return what an error says where no data was sent yet: it is the fault of no record."""
    if isinstance(error, psycopg.errors.FeatureNotSupported):
        # A standby begins no transaction that may write.
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
        settings: Where, and how long a connection attempt and a statement may take, each.
        limits: How long in place of the settings' `timeout_ms`.

    Raises:
        SettingsError: The URL is none that libpq reads.
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
            # The driver takes whole seconds, at least two.
            connect_timeout=max(2, round(self._limits.seconds)),
            autocommit=True,
            # A pooler in front (RDS Proxy, PgBouncer) hands each transaction another server connection.
            prepare_threshold=None,
            row_factory=dict_row,
            client_encoding="utf8",
            # Of the servers behind a name, the one that takes writes: a standby's answers are of the past.
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
            # A refusal is an answer.
            if connection.closed or error_kind(error) not in {ErrorKind.ROW, ErrorKind.REFUSED}:
                raise
        finally:
            # Which rolls back.
            connection.close()

    def run(self, work: _Work[_T], *, is_one_statement: bool = False, is_trial: bool = False) -> _T:
        """Run `work` in one transaction; once more on a new connection if the old one turns out to have died.

        So it is if the old one leads to a server that takes no writes any more, as after a failover behind one name.

        One statement spares the round trips of a beginning and an end. A trial that PostgreSQL ends for its time says
        nothing of the calls that are no trials: they do not skip PostgreSQL for it.

        `work` has to be idempotent: a connection can die after the commit and before its confirmation.

        Raises:
            StoreUnavailable: No answer, or none from a server that takes writes.
            StoreBusy: PostgreSQL ended the statement: it took too long, or another transaction was in its way.
            StatementRefused: PostgreSQL refuses it, for a row in it or for another reason.
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
                # It lost against another transaction, which is over now.
                return self._attempt(work, is_one_statement=is_one_statement)
        except _WrongServer:
            raise _Unavailable("postgres", "read only", state="takes no writes") from None
        except psycopg.Error as error:
            # Without the cause: its detail quotes rows, and a log of the chain would have them.
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
                    # It hangs, or it answered with an error of its own: another connection would fare no better.
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
            # PostgreSQL may or may not have committed.
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
        # What was raised before says what happened; a connection in an unknown state is of no more use.
        connection.close()
