"""One PostgreSQL connection a process: made at first use, bounded in time, made anew when it died."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row

from shared.errors import InvalidRecord, StoreUnavailable
from shared.settings import DatabaseSettings
from shared.stores.aws_tokens import database_token, public_certificates
from shared.stores.breaker import CircuitBreaker

_logger = logging.getLogger(__name__)
_OUTAGES: Final = (psycopg.OperationalError, psycopg.InterfaceError)
_PORT: Final = 5432
_RV = TypeVar("_RV")
_T = TypeVar("_T")


def sql(name: str) -> bytes:
    """Return a statement from the `sql` folder."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_bytes()


def signed_in(settings: DatabaseSettings) -> dict[str, Any]:
    """Return what takes a password's place where IAM is asked instead; good for one connection attempt.

    Raises:
        StoreUnavailable: There is nothing to sign with.
    """
    if settings.auth == "password":
        return {}
    given = conninfo_to_dict(settings.url)
    host, port, user = str(given["host"]), int(given.get("port") or _PORT), str(given["user"])
    # Without a list of its own, libpq looks for one in a home directory that a function does not have.
    roots = {"sslrootcert": public_certificates()} if given.get("sslmode") == "verify-full" else {}
    return roots | {"password": database_token(host, port, user)}


class _BoundedConnection(psycopg.Connection[DictRow]):
    """Gives every statement a limit on this side: a server that hangs cannot keep a limit of its own."""

    limit_seconds: float | None = None
    was_given_up = False

    def wait(self, gen: PQGen[_RV], interval: float = 0.1, timeout: float | None = None) -> _RV:
        try:
            return super().wait(gen, interval, self.limit_seconds if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                # Given up in the middle of a statement: what still arrives would be taken for the next one's answer.
                self.pgconn.finish()
                self.was_given_up = True
            raise


class PostgresConnection:
    """Runs work in transactions on one connection.

    Args:
        settings: Where, and how long a connection attempt and a statement may take, each.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._connection: _BoundedConnection | None = None
        self.breaker = CircuitBreaker("postgres", self._probe, probe_interval=1.0, grace=0.25)

    def _connect(self) -> _BoundedConnection:
        seconds = self._settings.timeout_ms / 1000
        made = _BoundedConnection.connect(
            self._settings.url,
            # The driver takes whole seconds, at least two.
            connect_timeout=max(2, round(seconds)),
            autocommit=True,
            # A pooler in front (RDS Proxy, PgBouncer) hands each transaction another server connection.
            prepare_threshold=None,
            row_factory=dict_row,
            **signed_in(self._settings),
        )
        made.limit_seconds = seconds
        return made

    def _probe(self) -> None:
        with self._connect() as connection:
            connection.execute("select 1")

    def run(self, work: Callable[[psycopg.Connection[DictRow]], _T], *, is_one_statement: bool = False) -> _T:
        """Run `work` in one transaction; once more on a new connection if the old one turns out to have died.

        One statement is a transaction of its own, and spares the round trips of a beginning and an end.

        `work` has to be idempotent: a connection can die after the commit and before its confirmation.

        Raises:
            StoreUnavailable: No answer, or an answer that is no fault of the data.
            InvalidRecord: PostgreSQL refuses the data.
        """
        with self.breaker.guard(_OUTAGES):
            try:
                return self._attempt(work if is_one_statement else _in_transaction(work))
            except (psycopg.errors.DataError, psycopg.errors.IntegrityError) as error:
                # Without the cause, here and below: whoever logs the chain would log its detail, which quotes rows.
                raise InvalidRecord("refused_by_postgres", _describe(error)) from None
            except psycopg.Error as error:
                if isinstance(error, _OUTAGES):
                    raise
                reason = _describe(error)
                _logger.error("postgres refused a statement", extra={"reason": reason})  # noqa: TRY400 - see above
                raise StoreUnavailable("postgres", reason) from None

    def _attempt(self, work: Callable[[psycopg.Connection[DictRow]], _T]) -> _T:
        old = self._connection
        if old is not None and not old.closed:
            try:
                return work(old)
            except _OUTAGES:
                if old.was_given_up or not old.closed:
                    # It hangs, or it answered with an error of its own: another connection would fare no better.
                    raise
        self._connection = None
        self._connection = self._connect()
        return work(self._connection)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _in_transaction(
    work: Callable[[psycopg.Connection[DictRow]], _T],
) -> Callable[[psycopg.Connection[DictRow]], _T]:
    def in_transaction(connection: psycopg.Connection[DictRow]) -> _T:
        with connection.transaction():
            return work(connection)

    return in_transaction


def _describe(error: psycopg.Error) -> str:
    # The primary message only: the detail quotes the data.
    return f"{error.sqlstate or type(error).__name__}: {error.diag.message_primary or ''}"[:200]
