"""New migrations must not block sessions that use tables with rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event

from infra import migrations

_SCRIPTS: Final = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(migrations.config("postgresql://")).walk_revisions()))
]
# The migrations before 0004 created the first tables, so no session used these tables yet.
_BEFORE: Final = _SCRIPTS.index("0004")

_MADE: Final = re.compile(r"create table (?:if not exists )?(\w+)", re.IGNORECASE)
_BLOCKING: Final = {
    "builds an index: use create_index_online": re.compile(
        r"create (?:unique )?index (?!concurrently).*? on (?:only )?(\w+)", re.IGNORECASE | re.DOTALL
    ),
    "rewrites the table": re.compile(r"alter table (\w+) alter column \w+ type", re.IGNORECASE),
    "reads the table: add a check constraint as not valid, and validate it": re.compile(
        r"alter table (\w+) alter column \w+ set not null", re.IGNORECASE
    ),
    "reads the table: add it as not valid, or use an index that is there": re.compile(
        r"alter table (\w+) add constraint (?!.*(?:not valid|using index))", re.IGNORECASE | re.DOTALL
    ),
}


def _blocking(statements: list[str]) -> list[str]:
    created = {table for statement in statements for table in _MADE.findall(statement)}
    return [
        f"{reason}: {statement}"
        for statement in statements
        for reason, pattern in _BLOCKING.items()
        for table in pattern.findall(statement)
        if table not in created
    ]


@pytest.mark.parametrize("revision", _SCRIPTS[_BEFORE + 1 :])
def test_no_migration_blocks_sessions_for_long(new_database: Callable[..., str], revision: str) -> None:
    """The migration builds indexes concurrently. It neither reads nor rewrites a large table under a lock."""
    config = migrations.config(new_database())
    command.upgrade(config, _SCRIPTS[_SCRIPTS.index(revision) - 1])
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        command.upgrade(config, revision)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert statements
    assert _blocking(statements) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ix ON messages (exchange_id)",
        "create unique index if not exists ix on only messages (exchange_id)",
        "ALTER TABLE messages ALTER COLUMN role TYPE text",
        "ALTER TABLE messages ALTER COLUMN role SET NOT NULL",
        "ALTER TABLE messages ADD CONSTRAINT c CHECK (position < 2)",
    ],
)
def test_the_check_finds_every_kind_of_blocking_statement(statement: str) -> None:
    """The check finds every kind of blocking statement on an existing table."""
    assert len(_blocking([statement])) == 1
    assert _blocking(["CREATE TABLE messages (id int)", statement]) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix ON messages (exchange_id)",
        "ALTER TABLE messages ADD COLUMN revision integer DEFAULT 0 NOT NULL",
        "ALTER TABLE messages ADD CONSTRAINT c CHECK (position < 2) NOT VALID",
        "ALTER TABLE messages VALIDATE CONSTRAINT c",
        "ALTER TABLE messages ADD CONSTRAINT c UNIQUE USING INDEX ix",
    ],
)
def test_the_check_accepts_statements_that_do_not_block(statement: str) -> None:
    """The check accepts statements that PostgreSQL executes without a long lock."""
    assert _blocking([statement]) == []
