"""The migrations: up, down, up again, by two at once, and in agreement with the models."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from alembic import command

from infra import migrations
from infra.local.servers import PostgresServer

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


def test_an_empty_database_is_brought_up_and_again(new_database: Callable[..., str]) -> None:
    """The second time there is nothing to do."""
    url = new_database()
    for _ in range(2):
        migrations.upgrade(url)
        assert _tables(url) >= TABLES


def test_down_and_up(new_database: Callable[..., str]) -> None:
    """Every step can be taken back, to nothing, and forth again."""
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


def test_models_and_migrations_agree(database_url: str) -> None:
    """Alembic finds nothing that a further migration would have to do."""
    command.check(migrations.config(database_url))


def test_two_runners_at_once(new_database: Callable[..., str]) -> None:
    """They wait for each other, and both end well."""
    url = new_database()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            migrations.upgrade(url)
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    # Alembic's context is one for the process, so the second runner is what holds the lock here.
    with psycopg.connect(url) as connection:
        connection.execute("select pg_advisory_xact_lock(7215001)")
        runner = threading.Thread(target=run)
        runner.start()
        with psycopg.connect(url, autocommit=True) as watcher:
            waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            while (row := watcher.execute(waiting).fetchone()) is None or row[0] == 0:
                assert runner.is_alive()
        assert _tables(url) == set()
    runner.join(30)
    assert errors == []
    assert _tables(url) >= TABLES


def test_the_contracts_columns(database: psycopg.Connection) -> None:
    """Names and types that people write SQL against."""
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


def test_the_contracts_constraints(database: psycopg.Connection) -> None:
    """A thread is there once, an exchange's side too, and messages go with their conversation."""
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


def test_the_role_needs_no_more_than_its_database(postgres: PostgresServer, database: psycopg.Connection) -> None:
    """Everything above ran as a role that is no superuser."""
    assert database.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() == (False,)
    assert "memory" in postgres.url
