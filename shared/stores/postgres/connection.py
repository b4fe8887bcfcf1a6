"""A process' PostgreSQL connection with timeouts. A connection that died or leads to a standby is replaced."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from shared.errors import InvalidRecord, SettingsError, StatementRefused, StoreBusy, StoreUnavailable
from shared.settings import DatabaseSettings
from shared.stores.aws_secrets import SecretUnavailableError, read_secret
from shared.stores.aws_tokens import database_token, public_certificates
from shared.stores.breaker import CircuitBreaker
from shared.stores.postgres.bounded import BoundedConnection, WrongServer
from shared.stores.postgres.session import ErrorKind, Limits, configure, describe, error_kind, is_about_a_row
from shared.timer import POSTGRES, waiting_for

_logger = logging.getLogger(__name__)
_PORT: Final = 5432
_UNKNOWN_PARAMETER: Final = re.compile(r'URI query parameter: "(\w+)"')
_T = TypeVar("_T")
_Work = Callable[[psycopg.Connection[DictRow]], _T]


def sql(name: str) -> bytes:
    """Return a statement from the `sql` folder."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_bytes()


def utc(moment: datetime | None) -> datetime | None:
    """Return a row's time in UTC. psycopg returns it in the session's time zone."""
    return None if moment is None else moment.astimezone(UTC)


def sign_in_parameters(settings: DatabaseSettings) -> dict[str, Any]:
    """Return the sign-in parameters that the URL does not contain: `password`, `user` and `sslrootcert`.

    They are valid for one connection attempt.

    Raises:
        StoreUnavailable: The process has no AWS credentials, or the secret cannot be read.
    """
    if settings.auth == "password":
        return {}
    url_parameters = conninfo_to_dict(settings.url)
    # Without this parameter, libpq searches for certificates in the home directory, which a Lambda function lacks.
    needs_certificates = url_parameters.get("sslmode") == "verify-full" and "sslrootcert" not in url_parameters
    certificates = {"sslrootcert": public_certificates()} if needs_certificates else {}
    if settings.auth == "secret":
        try:
            secret = read_secret(settings.secret_arn or "")
        except SecretUnavailableError as error:
            # Open the circuit, so that later requests do not wait for Secrets Manager again.
            raise _Unavailable("postgres", str(error)) from None
        return certificates | {"password": secret.password} | ({"user": secret.user} if secret.user else {})
    host, port = str(url_parameters["host"]), int(url_parameters.get("port") or _PORT)
    return certificates | {"password": database_token(host, port, str(url_parameters["user"]))}


def _validate(url: str) -> None:
    """Check that libpq can parse the URL. Without this check, a malformed URL looks like a permanent outage.

    Raises:
        SettingsError: The URL is malformed; the message contains no password.
    """
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        parameter = _UNKNOWN_PARAMETER.search(str(error))
        reason = f"PostgreSQL has no parameter {parameter[1]}" if parameter else "libpq cannot read it"
        raise SettingsError(f"DATABASE__URL is invalid: {reason}.") from None


class _Unavailable(StoreUnavailable):
    """PostgreSQL is down or accepts no writes. The circuit opens."""


class _Hangs(StoreBusy):
    """PostgreSQL does not respond in time. The circuit opens."""


class _TimedOut(StoreBusy):
    """PostgreSQL aborted the statement because it took too long. The circuit opens for calls of this kind."""


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
        self._connection: BoundedConnection | None = None
        self._is_unconfirmed = False
        self.check: _Work[object] = lambda connection: connection.execute("select 1")
        """The work that a probe runs and rolls back. PostgreSQL counts as recovered if it succeeds."""
        self.breaker = self.breaker_for()

    def breaker_for(self, check: _Work[object] | None = None) -> CircuitBreaker:
        """Return a circuit breaker whose probe runs `check`, or else `self.check`, and rolls it back."""
        return CircuitBreaker("postgres", lambda: self._probe(check), probe_interval=1.0, grace=self._limits.grace)

    def _connect(self) -> BoundedConnection:
        url_parameters = conninfo_to_dict(self._settings.url)
        connection = BoundedConnection.connect(
            self._settings.url,
            # The driver accepts whole seconds, at least two.
            connect_timeout=max(2, round(self._limits.seconds)),
            autocommit=True,
            # Statements are never prepared, because a pooler (RDS Proxy, PgBouncer) may use another server connection
            # for each transaction.
            prepare_threshold=None,
            row_factory=dict_row,
            client_encoding="utf8",
            # If the URL has several servers, use the primary, because a standby's data may be old.
            target_session_attrs=url_parameters.get("target_session_attrs") or "primary",
            **sign_in_parameters(self._settings),
        )
        configure(connection)
        connection.limit_seconds = self._limits.seconds
        connection.begin_statements = self._limits.begin(has_schema="search_path" in str(url_parameters.get("options")))
        return connection

    def _probe(self, check: _Work[object] | None) -> None:
        connection = self._connect()
        try:
            connection.begin()
            (check or self.check)(connection)
        except psycopg.Error as error:
            # A refusal is a response, so the probe succeeds.
            if connection.closed or error_kind(error) not in {ErrorKind.INVALID_DATA, ErrorKind.REFUSED}:
                raise
        finally:
            connection.close()  # this also rolls back

    def run(
        self,
        work: _Work[_T],
        *,
        is_one_statement: bool = False,
        is_trial: bool = False,
        breaker: CircuitBreaker | None = None,
    ) -> _T:
        """Run `work` in one transaction; repeat it once on a new connection if the old one has died.

        A connection whose server no longer accepts writes, e.g. after a failover, also counts as dead.

        `work` must be idempotent, because a connection can die after the commit and before the commit's reply.

        Args:
            work: Runs the statements.
            is_one_statement: Whether `work` runs a single statement, which saves the round trips of begin and commit.
            is_trial: Whether a timeout of this call does not open the circuit.
            breaker: The circuit breaker for timeouts of this work; None for the connection's own. Work on tables that
                `check` does not use needs a separate circuit breaker, so that a lock on such a table stops only this
                work.

        Raises:
            StoreUnavailable: No server that accepts writes responded.
            StoreBusy: PostgreSQL aborted the statement: it took too long, or conflicted with another transaction.
            StatementRefused: PostgreSQL refused the statement, because of one row or for another reason.
            InvalidRecord: PostgreSQL refused the data.
        """
        self._is_unconfirmed = False
        try:
            with (
                waiting_for(POSTGRES),
                self.breaker.guard((_Unavailable, _Hangs)),
                (breaker or self.breaker).guard((_TimedOut,)),
            ):
                return self._run(work, is_one_statement=is_one_statement, is_trial=is_trial)
        except StoreUnavailable as error:
            error.is_unconfirmed = self._is_unconfirmed
            raise

    def _run(self, work: _Work[_T], *, is_one_statement: bool, is_trial: bool) -> _T:
        try:
            try:
                return self._attempt(work, is_one_statement=is_one_statement)
            except psycopg.errors.TransactionRollback:
                # The transaction conflicted with another one that has finished, so repeat it.
                return self._attempt(work, is_one_statement=is_one_statement)
        except WrongServer:
            raise _Unavailable("postgres", "read only", state="takes no writes") from None
        except psycopg.Error as error:
            # The error is raised without its cause, whose detail quotes rows, so that the log contains no rows.
            raise self._translate(error, is_trial=is_trial) from None

    def _attempt(self, work: _Work[_T], *, is_one_statement: bool) -> _T:
        open_connection = self._connection
        if open_connection is not None and not open_connection.closed:
            try:
                return self._transact(open_connection, work, is_one_statement=is_one_statement)
            except WrongServer:
                open_connection.close()
            except psycopg.Error:
                if open_connection.was_aborted or not open_connection.closed:
                    # PostgreSQL hangs, or responded with an error, so a new connection would not help.
                    raise
        self._connection = None
        self._connection = new = self._connect()
        return self._transact(new, work, is_one_statement=is_one_statement)

    def _transact(self, connection: BoundedConnection, work: _Work[_T], *, is_one_statement: bool) -> _T:
        # A single statement is sent together with its commit.
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
            # If the connection died during the commit, PostgreSQL may have committed.
            self._is_unconfirmed |= connection.is_committing and connection.closed
            if isinstance(error, psycopg.Error) and error_kind(error) is ErrorKind.READ_ONLY:
                raise WrongServer from None
            raise
        else:
            return result

    def _translate(self, error: psycopg.Error, *, is_trial: bool) -> StoreUnavailable | InvalidRecord:
        reason, kind = describe(error), error_kind(error)
        if self._connection is not None and self._connection.was_aborted:
            return _Hangs("postgres", reason, state=StoreUnavailable.state)
        if kind is ErrorKind.TIMEOUT and self._limits.timeout_opens_circuit and not is_trial:
            return _TimedOut("postgres", reason)
        if kind in {ErrorKind.TIMEOUT, ErrorKind.CONFLICT}:
            return StoreBusy("postgres", reason)
        if kind is ErrorKind.INVALID_DATA:
            return InvalidRecord("refused_by_postgres", reason)
        if kind is ErrorKind.REFUSED and self._connection is not None and not self._connection.closed:
            _logger.error("postgres refused a statement", extra={"reason": reason})
            return StatementRefused(reason, is_about_a_row=is_about_a_row(error))
        return _Unavailable("postgres", reason)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _roll_back(connection: BoundedConnection) -> None:
    try:
        connection.end("rollback")
    except psycopg.Error:
        # The caller raises the first error. The connection is in an unknown state, so close it.
        connection.close()
