"""The address of PostgreSQL changes its target. Each process connects to the new target at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import DictRow

from infra.local.servers import PostgresServer
from infra.migrations import upgrade
from shared.errors import StoreUnavailable
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.session import Limits
from tests.support.exchanges import exchange
from tests.support.proxy import CountingProxy
from tests.support.servers import admin
from tests.support.waiting import until

# The limits of the agent function's and of the sync function's statements.
_LIMITS = {"agent": None, "sync": Limits(4.0, grace=2.0, timeout_opens_circuit=False)}
_PLAIN = "sslmode=disable&gssencmode=disable"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Start a primary with the schema, and its standby."""
    with PostgresServer(tmp_path / "first") as primary:
        upgrade(primary.url)
        primary.stop()
        shutil.copytree(primary.data_dir, tmp_path / "second")
        shutil.copy(primary.data_dir.with_name("first.password"), tmp_path / "second.password")
        primary.start()
        conninfo = primary.admin_url.replace("'", "''")
        with (tmp_path / "second" / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = '{conninfo}'\n")
        (tmp_path / "second" / "standby.signal").touch()
        with PostgresServer(tmp_path / "second") as standby:
            yield primary, standby


def _connect(server: PostgresServer, proxy: CountingProxy, function: str, attributes: str) -> PostgresConnection:
    url = server.url.replace(f":{server.port}/", f":{proxy.port}/") + f"?{_PLAIN}&target_session_attrs={attributes}"
    return PostgresConnection(DatabaseSettings(url=url), _LIMITS[function])


def _responds(archive: PostgresArchive) -> bool:
    try:
        archive.ping()
    except StoreUnavailable:
        return False
    return True


@pytest.mark.parametrize("variant", ["sessions are ended", "it is stopped", "it is killed"])
def test_processes_use_a_standby_only_after_its_promotion(
    pair: tuple[PostgresServer, PostgresServer], variant: str
) -> None:
    """Processes do not use a standby. Their requests succeed as soon as the address leads to a primary."""
    primary, standby = pair
    with CountingProxy(primary.port) as proxy:
        # The settings allow `any` server, e.g. behind a pooler, or only the `primary`, which is the default.
        connections = {
            (function, to): _connect(primary, proxy, function, to) for function in _LIMITS for to in ("any", "primary")
        }
        archives = {name: PostgresArchive(connection) for name, connection in connections.items()}
        for number, archive in enumerate(archives.values()):
            assert archive.store([exchange(number)]).stored == 1
            archive._connection.close()
        proxy.redirect_to(standby.port)
        for archive in archives.values():
            for use in (archive.ping, lambda a=archive: a.store([exchange()]), lambda a=archive: a.window("t", 9)):
                with pytest.raises(StoreUnavailable):
                    use()
        proxy.redirect_to(primary.port)
        for number, archive in enumerate(archives.values()):
            # A connection with `any` has failed at the standby. Its circuit breaker stays open for a second.
            until(lambda archive=archive: _responds(archive))  # type: ignore[misc]
            assert archive.store([exchange(10 + number)]).stored == 1
            assert len(archive.window("t", 99).exchanges) == 5 + number
        with admin(primary) as primary_admin, admin(standby) as standby_admin:
            (at,) = primary_admin.execute("select pg_current_wal_lsn()").fetchone() or ("",)
            until(
                lambda: (
                    standby_admin.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", (at,)).fetchone() == (True,)
                )
            )
            standby_admin.execute("select pg_promote()")
            proxy.redirect_to(standby.port)
            if variant == "sessions are ended":
                primary_admin.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'memory'"
                )
        if variant != "sessions are ended":
            primary.stop() if variant == "it is stopped" else primary.kill()
        proxy.connections = 0
        for number, archive in enumerate(archives.values()):
            assert archive.store([exchange(20 + number)]).stored == 1
            assert len(archive.window("t", 99).exchanges) == 9 + number
        assert proxy.connections == len(archives)
        for connection in connections.values():
            connection.close()


@pytest.mark.parametrize("function", _LIMITS)
def test_a_connection_that_refuses_writes_is_replaced(
    postgres: PostgresServer, database_url: str, function: str
) -> None:
    """After a failover, an open connection leads to a server that refuses writes. The process connects again."""
    connection = PostgresConnection(DatabaseSettings(url=database_url), _LIMITS[function])
    archive = PostgresArchive(connection)
    archive.store([exchange(0)])
    assert connection._connection is not None
    old_pid = connection._connection.info.backend_pid

    def work(session: psycopg.Connection[DictRow]) -> int:
        if session.info.backend_pid == old_pid:
            session.execute("set transaction read only")
        return session.execute("insert into cache_epochs default values").rowcount

    assert connection.run(work) == 1
    assert connection._connection.info.backend_pid != old_pid
    with admin(postgres) as other:
        assert other.execute("select count(*) from pg_stat_activity where pid = %s", (old_pid,)).fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("function", _LIMITS)
def test_a_statement_succeeds_after_a_table_has_changed(
    postgres: PostgresServer, database_url: str, database: psycopg.Connection, function: str
) -> None:
    """A table changes its column types. The next statement succeeds, because the session keeps no prepared plan."""
    with CountingProxy(postgres.port) as proxy:
        url = database_url.replace(f":{postgres.port}/", f":{proxy.port}/") + f"?{_PLAIN}"
        connection = PostgresConnection(DatabaseSettings(url=url), _LIMITS[function])
        archive = PostgresArchive(connection)
        for number in range(8):
            assert archive.store([exchange(number)]).stored == 1
            assert len(archive.window("t", 99).exchanges) == number + 1
            assert archive.thread("t") is not None
            database.execute(f"alter table messages alter column role type varchar({60 + number})".encode())
            database.execute(f"alter table conversations add column later_{number} text".encode())
        assert proxy.connections == 1
        connection.close()


@pytest.mark.parametrize("function", _LIMITS)
@pytest.mark.parametrize("is_retried", [True, False])
def test_work_is_repeated_once_if_the_response_to_its_commit_is_lost(
    database_url: str, function: str, *, is_retried: bool
) -> None:
    """The response to a commit is lost, so the process repeats the work once.

    If it cannot repeat the work, the error says that the work may be committed.
    """
    connection = PostgresConnection(DatabaseSettings(url=database_url), _LIMITS[function])
    archive = PostgresArchive(connection)
    seen: list[int] = []

    def work(session: psycopg.Connection[DictRow]) -> int:
        session.execute(
            "create temporary table cut (at int);"
            " create function pg_temp.cut() returns trigger language plpgsql as"
            " $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;"
            " create constraint trigger cut after insert on cut deferrable initially deferred"
            " for each row execute function pg_temp.cut();"
        )
        seen.append(1)
        if len(seen) == 1:
            session.execute("insert into cut values (1)")
            if not is_retried:
                connection._settings = DatabaseSettings(url="postgresql://memory@127.0.0.1:1/x")
        return len(seen)

    archive.ping()
    if is_retried:
        assert connection.run(work) == 2
    else:
        with pytest.raises(StoreUnavailable) as caught:
            connection.run(work)
        assert caught.value.is_unconfirmed
        with pytest.raises(StoreUnavailable) as later:
            connection.run(lambda session: session.execute("select 1"))
        assert not later.value.is_unconfirmed
    connection.close()
