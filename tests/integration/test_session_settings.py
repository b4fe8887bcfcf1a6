"""PostgreSQL's settings for a role or a database do not change L2's behaviour."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import DictRow

from infra.local.servers import PostgresServer
from shared.errors import StoreUnavailable
from shared.models import Exchange
from shared.search_keys import query_terms
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.search import SearchScope
from tests.support.exchanges import exchange
from tests.support.servers import admin

_SETTINGS = {
    "search_path": "elsewhere",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "timezone": "Asia/Kathmandu",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "row_security": "off",
    "client_encoding": "LATIN1",
    "statement_timeout": "500ms",
    "lock_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms",
    "transaction_timeout": "500ms",
    "synchronous_commit": "off",
    "jit_above_cost": "0",
    "parallel_setup_cost": "0",
    "plan_cache_mode": "force_generic_plan",
    "lc_messages": "C",
}
_TEXT = "Grüße, 你好 🎉, back\\slash, 'quote', 50% \\x41 e\u0301"


@pytest.fixture
def name(database_url: str) -> str:
    """Return the database's name."""
    return urlsplit(database_url).path.lstrip("/")


Alter = Callable[[str, str], None]


@pytest.fixture(params=["role", "database"])
def alter(request: pytest.FixtureRequest, postgres: PostgresServer, name: str) -> Iterator[Alter]:
    """Return a function that changes a setting of the role or of the database."""
    whose = sql.SQL("role memory in database {}" if request.param == "role" else "database {}").format(
        sql.Identifier(name)
    )
    with admin(postgres) as connection:

        def alter(setting: str, value: str) -> None:
            connection.execute(
                sql.SQL("alter {} set {} to {}").format(whose, sql.Identifier(setting), sql.Literal(value))
            )

        yield alter
        connection.execute(sql.SQL("alter {} reset all").format(whose))


@pytest.fixture
def connection(database_url: str) -> Iterator[PostgresConnection]:
    """Return a process' connection object, which is not connected yet."""
    connection = PostgresConnection(DatabaseSettings(url=database_url, timeout_ms=10_000))
    yield connection
    connection.close()


def _id(moment: datetime, number: int) -> UUID:
    return UUID(int=(int(moment.timestamp() * 1000) + number) << 80 | 0x7 << 76 | 0b10 << 62)


def _run_operations(connection: PostgresConnection) -> list[object]:
    """Run every operation once and return the results."""
    archive, keys = PostgresArchive(connection), PostgresKeys(connection)
    moment = datetime(2026, 3, 4, 5, 6, 7, 123_456, UTC)
    created = [
        Exchange(
            _id(moment, number),
            "t",
            "ana",
            f"{_TEXT} {number}",
            _TEXT,
            moment + timedelta(seconds=number),
            ("null", "NULL", "d"),
            '{"a":"\\u00e9"}',
        )
        for number in range(3)
    ]
    stored = archive.store(created)
    repeated = archive.store(created[:1])
    key = keys.acquire("key", "hash", UUID(int=1))
    found = [
        stored.stored,
        repeated.duplicates,
        repeated.effective,
        archive.window("t", 50).exchanges,
        archive.window("t", 50).exchanges[0].created_at.tzinfo,
        archive.messages("t", 2, None, descending=True),
        archive.threads("ana", 9, None)[0][0],
        archive.thread("t"),
        archive.change_preferences("ana", {"tone": _TEXT, "b\\": "1"}, replace=True, update_cache=lambda _: True),
        archive.preferences("ana"),
        replace(archive.matches(SearchScope("ana"), query_terms("Grüße slash").keys), row_ids=b"", threads=()),
        (key.is_acquired, keys.acquire("key", "hash", UUID(int=1)).exchange_id),
        archive.log_empty_cache(),
        archive.owner("t"),
        archive.claim_ownership("u", "ana").user_id,
        archive.rename("t", _TEXT).title,  # type: ignore[union-attr]
    ]
    archive.heartbeat()
    archive.try_store()
    found += [archive.uptime_seconds() < 60, abs(archive.clock() - datetime.now(UTC).timestamp()) < 60]
    found += [archive.forget_thread("t", _id(moment, 9)), archive.window("t", 9).exchanges]
    return found


@pytest.mark.parametrize("setting", _SETTINGS)
def test_no_single_setting_changes_a_result(
    setting: str, alter: Alter, connection: PostgresConnection, new_database: Callable[..., str]
) -> None:
    """No single setting changes the results of the operations."""
    alter(setting, _SETTINGS[setting])
    plain = PostgresConnection(DatabaseSettings(url=new_database("migrated"), timeout_ms=10_000))
    try:
        assert _run_operations(connection) == _run_operations(plain)
    finally:
        plain.close()


def test_all_settings_together_change_no_result(
    alter: Alter, connection: PostgresConnection, new_database: Callable[..., str]
) -> None:
    """If all settings are changed at the same time, the operations' results stay the same."""
    for setting, value in _SETTINGS.items():
        alter(setting, value)
    plain = PostgresConnection(DatabaseSettings(url=new_database("migrated"), timeout_ms=10_000))
    try:
        assert _run_operations(connection) == _run_operations(plain)
    finally:
        plain.close()


@pytest.mark.parametrize("setting", ["statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"])
def test_the_connections_own_time_limit_applies(setting: str, alter: Alter, connection: PostgresConnection) -> None:
    """The connection's own time limit applies, not the setting's shorter limit."""
    if setting == "transaction_timeout" and not _is_setting_known(connection):
        pytest.skip("not known to this server")
    alter(setting, "500ms")
    connection.close()

    def work(session: psycopg.Connection[DictRow]) -> object:
        time.sleep(0.6)
        return session.execute("select pg_sleep(0.6)").fetchone()

    assert connection.run(work) == {"pg_sleep": ""}


def _is_setting_known(connection: PostgresConnection) -> bool:
    parameters = "select current_setting('transaction_timeout', true) is not null as knows"
    row = connection.run(lambda c: c.execute(parameters).fetchone(), is_one_statement=True)
    return bool(row and row["knows"])


def test_commits_are_durable_although_the_setting_is_off(alter: Alter, connection: PostgresConnection) -> None:
    """If `synchronous_commit` is `off`, L2 turns it on, so that commits are durable. Other values stay."""

    def read_setting(session: psycopg.Connection[DictRow]) -> object:
        return session.execute("show synchronous_commit").fetchone()

    for given, found in {"off": "on", "local": "local", "remote_apply": "remote_apply"}.items():
        alter("synchronous_commit", given)
        connection.close()
        for is_one_statement in (False, True):
            assert connection.run(read_setting, is_one_statement=is_one_statement) == {"synchronous_commit": found}


def test_calls_fail_if_triggers_are_turned_off(alter: Alter, connection: PostgresConnection) -> None:
    """The setting turns triggers off, so the deletion of a thread would keep its messages.

    The role may not turn triggers on again, so each call fails with PostgreSQL's reason.
    """
    alter("session_replication_role", "replica")
    archive = PostgresArchive(connection)
    calls: list[Callable[[], object]] = [
        archive.log_empty_cache,
        lambda: archive.owner("t"),
        lambda: archive.window("t", 10),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=r"42501: permission denied to set parameter"):
            call()


@pytest.mark.parametrize("setting", ["on", "off"])
def test_ids_are_never_read_as_sql(alter: Alter, connection: PostgresConnection, setting: str) -> None:
    """The text of the window's statement contains the ids as literals.

    PostgreSQL never reads an id as SQL, with any value of `standard_conforming_strings`.
    """
    alter("standard_conforming_strings", setting)
    archive = PostgresArchive(connection)
    for number, name in enumerate(
        ("'; drop table messages; --", r"\'; select 1; --", "%s %(thread_id)s", "ü\U0001f600$$")
    ):
        stored = exchange(number, name, name)
        archive.store([stored])
        archive.forget_user(f"{name}2", stored.order, [])
        window = archive.window(name, 10, [f"{name}2"])
        assert ([each.user_message for each in window.exchanges], window.owner.user_id) == ([f"q{number}"], name)
        assert set(window.user_cutoffs) == {f"{name}2"}


def test_the_session_itself_is_unchanged(connection: PostgresConnection, database_url: str) -> None:
    """L2 changes no setting of its session, because a pooler may give the session to another client."""
    archive = PostgresArchive(connection)
    archive.ping()
    archive.log_empty_cache()
    assert connection._connection is not None
    plain = "select name, setting from pg_settings where context in ('user', 'superuser') order by name"
    with psycopg.connect(database_url, autocommit=True, client_encoding="utf8") as other:
        # This loads PL/pgSQL, so that the view also contains its settings.
        other.execute("do $$ begin end $$")
        expected: dict[str, str] = dict(other.execute(plain).fetchall())
    session = connection._connection
    session.is_one_statement = False
    assert {row["name"]: row["setting"] for row in session.execute(plain.encode()).fetchall()} == expected


def test_the_schema_of_the_url_is_used(database_url: str, connection: PostgresConnection) -> None:
    """If the URL names a schema, L2 uses this schema."""
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("create schema app")
        for table in ("cache_epochs",):
            other.execute(sql.SQL("alter table {} set schema app").format(sql.Identifier(table)))
    connection._settings = DatabaseSettings(url=f"{database_url}?options=-csearch_path%3Dapp,public")
    assert PostgresArchive(connection).log_empty_cache() is True
