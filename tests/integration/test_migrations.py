"""The tests apply and revert the migrations, run them concurrently, and compare them with the models."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import ProgrammingError

from infra import migrations
from infra.local.servers import PostgresServer
from infra.migrations.online import create_index_online, drop_index_online
from tests.support.waiting import until

TABLES = {
    "alembic_version",
    "conversations",
    "messages",
    "conversation_documents",
    "user_preferences",
    "thread_tombstones",
    "user_tombstones",
}


def _tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'public'")
        return {name for (name,) in rows}


def _columns(connection: psycopg.Connection, table: str) -> dict[str, str]:
    rows = connection.execute(
        "select attname, format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end"
        " from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (table,),
    )
    return {str(name): str(kind) for name, kind in rows}


def test_migrations_run_twice_without_a_change(new_database: Callable[..., str]) -> None:
    """The migrations create the tables of an empty database. A second run changes nothing."""
    url = new_database()
    for _ in range(2):
        migrations.upgrade(url)
        assert _tables(url) >= TABLES


def test_every_migration_can_be_reverted_and_applied_again(new_database: Callable[..., str]) -> None:
    """Every migration can be reverted, down to an empty database, and applied again."""
    url = new_database()
    migrations.upgrade(url)
    full = _tables(url)
    command.downgrade(migrations.config(url), "base")
    assert _tables(url) == {"alembic_version"}
    migrations.upgrade(url)
    for _ in range(2):
        command.downgrade(migrations.config(url), "-1")
        command.upgrade(migrations.config(url), "head")
    assert _tables(url) == full


def test_old_rows_get_no_time_of_storage(new_database: Callable[..., str]) -> None:
    """Rows from before the migration have no time of storage. Later rows have it, even from the previous release."""
    url = new_database()
    migrations.upgrade(url)
    command.downgrade(migrations.config(url), "0016")
    insert = (
        "with thread as (insert into conversations (thread_id) values (%s) returning id)"
        " insert into messages (conversation_id, exchange_id, position, role, content)"
        " select id, gen_random_uuid(), 0, 'user', 'q' from thread"
    )
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(insert, ("before",))
        migrations.upgrade(url)
        database.execute(insert, ("after",))
        rows = database.execute(
            "select thread_id, stored_at is null from messages m join conversations c on c.id = m.conversation_id"
        )
        assert dict(rows.fetchall()) == {"before": True, "after": False}


def test_models_and_migrations_agree(database_url: str) -> None:
    """Alembic finds no difference between the models and the migrated database."""
    command.check(migrations.config(database_url))


def test_a_second_runner_waits_for_the_first_runner(new_database: Callable[..., str]) -> None:
    """A second runner waits for the first runner. It holds no snapshot while it waits, so it blocks no index build."""
    url = new_database()
    # One process cannot run two migrations, because Alembic's context is global. This connection holds the first
    # runner's lock instead.
    with psycopg.connect(url, autocommit=True) as first, ThreadPoolExecutor() as pool:
        first.execute("select pg_advisory_lock(7215001)")
        second = pool.submit(migrations.upgrade, url)
        until(lambda: _count(first, _TRIES) > 0)
        first.execute("create table t (n int)")
        first.execute("create index concurrently i on t (n)")
        assert _tables(url) == {"t"}
        first.execute("select pg_advisory_unlock(7215001)")
        second.result(30)
    assert _tables(url) >= TABLES


def test_a_second_runner_gives_up_if_the_first_runner_does_not_end(new_database: Callable[..., str]) -> None:
    """A runner holds the lock and does not end. A second runner ends with an error that has the reason."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as first:
        first.execute("select pg_advisory_lock(7215001)")
        with pytest.raises(migrations.MigrationTimeoutError, match="Another migration"):
            migrations.upgrade(url, seconds=0.1)
    assert _tables(url) == set()


def test_a_failure_keeps_completed_migrations(new_database: Callable[..., str]) -> None:
    """Each migration commits by itself. After a failure, the next run continues after the last completed migration."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table thread_owners (in_the_way int)")
    with pytest.raises(ProgrammingError):
        migrations.upgrade(url)
    assert migrations.status(url).current == "0003"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop table thread_owners")
    migrations.upgrade(url)
    assert migrations.status(url).pending == []


def test_a_migration_waits_for_a_lock_in_short_attempts(new_database: Callable[..., str]) -> None:
    """A migration leaves the lock queue after a timeout, so that other sessions proceed. It tries again later.

    The migration uses its own timeouts instead of the database's.
    """
    url = new_database()
    command.upgrade(migrations.config(url), "0002")
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as watcher, ThreadPoolExecutor() as pool:
        reader.execute("select count(*) from messages")
        watcher.execute(f"alter database {watcher.info.dbname} set statement_timeout = '300ms'".encode())
        migration = pool.submit(migrations.upgrade, url)
        until(lambda: _count(watcher, _WAITS) == 1)
        until(lambda: _count(watcher, _WAITS) == 0)
        watcher.execute("select count(*) from messages")
        reader.rollback()
        migration.result(60)
        watcher.execute(f"alter database {watcher.info.dbname} reset statement_timeout".encode())
    assert migrations.status(url).pending == []


def test_a_migration_without_its_lock_ends_with_an_error(new_database: Callable[..., str]) -> None:
    """A migration cannot get its lock. It ends with an error before the function's timeout."""
    url = new_database()
    command.upgrade(migrations.config(url), "0002")
    with psycopg.connect(url) as reader:
        reader.execute("select count(*) from messages")
        with pytest.raises(migrations.MigrationTimeoutError, match="long transaction"):
            migrations.upgrade(url, seconds=3)
    assert migrations.status(url).current == "0002"


def test_a_migration_ignores_the_databases_session_settings(new_database: Callable[..., str]) -> None:
    """The database has unusual session settings. A migration succeeds, because it sets its own settings."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"alter database {connection.info.dbname} set default_transaction_read_only = on".encode())
    migrations.upgrade(url)
    assert _tables(url) >= TABLES


def test_an_index_build_blocks_no_insert(new_database: Callable[..., str]) -> None:
    """An index build waits for an open transaction longer than `lock_timeout`, and blocks no insert."""
    url = new_database()
    insert = "insert into t select generate_series(1, 10)"
    with psycopg.connect(url, autocommit=True) as watcher, ThreadPoolExecutor() as pool:
        watcher.execute("create table t (n int)")
        with psycopg.connect(url) as writer:
            writer.execute(insert)
            build = pool.submit(_build_index, url)
            until(lambda: _count(watcher, _WAITS) == 1)
            # The build has waited longer than `lock_timeout`.
            until(lambda: _count(watcher, f"{_WAITS} and now() - query_start > '2s'") == 1)
            watcher.execute(insert)
            writer.rollback()
        build.result(30)
        assert _count(watcher, _VALID) == 1


def test_an_invalid_index_is_built_again(new_database: Callable[..., str]) -> None:
    """A failed build leaves an invalid index, which no query uses. The migration builds the index again."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table t (n int)")
        connection.execute("insert into t values (1), (1)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("create unique index concurrently i on t (n)")
        assert _count(connection, _VALID) == 0
        _build_index(url)
        assert _count(connection, _VALID) == 1
        # A second run finds the valid index.
        _build_index(url)
        assert _count(connection, _VALID) == 1


def test_an_index_can_be_removed_twice(new_database: Callable[..., str]) -> None:
    """A second removal of the same index succeeds too."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table t (n int)")
        _build_index(url)
        for _ in range(2):
            _as_migration(url, lambda: drop_index_online("i"))
        assert _count(connection, "select count(*) from pg_class where relname = 'i'") == 0


_TRIES = (
    "select count(*) from pg_stat_activity where datname = current_database() and application_name like '% migrate'"
)
_WAITS = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
_VALID = "select count(*) from pg_index where indexrelid = to_regclass('i') and indisvalid"


def _count(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row
    return int(row[0])


def _build_index(url: str) -> None:
    _as_migration(url, lambda: create_index_online("i", "t", ["n"]))


def _as_migration(url: str, change: Callable[[], None]) -> None:
    """Run a change as a migration does: in its own transaction, with the migrations' lock timeout."""
    engine = create_engine(migrations.sqlalchemy_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("set lock_timeout = '1s'"))
        connection.commit()
        created = MigrationContext.configure(
            connection, opts={"transactional_ddl": True, "transaction_per_migration": True}
        )
        with created.begin_transaction(_per_migration=True), Operations.context(created):
            change()
            assert connection.scalar(text("show lock_timeout")) == "1s"


def test_the_tables_have_the_contracts_columns(database: psycopg.Connection) -> None:
    """The tables have the names and types that users' SQL relies on."""
    conversations, messages = _columns(database, "conversations"), _columns(database, "messages")
    assert (
        conversations.items()
        >= {
            "id": "uuid not null",
            "thread_id": "character varying(255) not null",
            "user_id": "character varying(255)",
            "title": "character varying(500)",
            "created_at": "timestamp with time zone not null",
            "updated_at": "timestamp with time zone not null",
        }.items()
    )
    assert (
        messages.items()
        >= {
            "id": "uuid not null",
            "conversation_id": "uuid not null",
            "exchange_id": "uuid not null",
            "position": "smallint not null",
            "role": "character varying(50) not null",
            "content": "text not null",
            "created_at": "timestamp with time zone not null",
        }.items()
    )
    assert set(_columns(database, "conversation_documents")) == {"conversation_id", "document_id", "attached_at"}
    assert set(_columns(database, "user_preferences")) == {"user_id", "key", "value", "updated_at"}


def test_the_tables_have_the_contracts_constraints(database: psycopg.Connection) -> None:
    """A thread id and each message of an exchange are unique. Messages are deleted with their conversation."""
    (conversation,) = (
        database.execute("insert into conversations (thread_id) values ('t') returning id").fetchone() or ()
    )
    insert = (
        "insert into messages (conversation_id, exchange_id, position, role, content)"
        " values (%s, '019a0000-0000-7000-8000-000000000000', 0, 'user', 'x')"
    )
    database.execute(insert, (conversation,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute(insert, (conversation,))
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute("insert into conversations (thread_id) values ('t')")
    database.execute("delete from conversations")
    assert database.execute("select count(*) from messages").fetchone() == (0,)


def test_migrations_run_without_a_superuser(postgres: PostgresServer, database: psycopg.Connection) -> None:
    """All tests above run with a role that is not a superuser."""
    assert database.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() == (False,)
    assert "memory" in postgres.url
