"""L2's windows of many threads, and its newest exchange. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.models import Message
from shared.stores.postgres.connection import PostgresConnection

_WINDOWS: Final = Path(__file__).with_suffix(".sql").read_bytes()
_STATEMENTS: Final = Path(__file__).with_name("statements_verify.sql").read_bytes()
_OVERDUE: Final = """\
select count(*) as overdue from due_derivations d join live_conversations l on l.id = d.conversation_id
where d.kind = 'memories' and d.due_at < clock_timestamp() - make_interval(secs => %s)"""
_COUNTED: Final = ("statements", "unquoted", "doubled", "orphaned")
_BEFORE_ALL: Final = UUID(int=0)
# A page must be read within the limit for a statement, although each of its messages may be long.
_PAGE_SIZE: Final = 200


@dataclass(frozen=True, slots=True)
class StatementCounts:
    """The numbers of learned statements, and of those that are wrong.

    Attributes:
        unquoted: Statements whose quote is not in the stored exchange byte for byte.
        doubled: Statements beyond the first that an exchange makes with one kind, slot and value.
        orphaned: Statements whose exchange is deleted, or belongs to another thread.
        overdue: Threads that have been waiting for a derivation for longer than allowed.
    """

    statements: int = 0
    unquoted: int = 0
    doubled: int = 0
    orphaned: int = 0
    overdue: int = 0

    @property
    def problems(self) -> int:
        """The number of all problems."""
        return self.unquoted + self.doubled + self.orphaned + self.overdue


class PostgresVerify:
    """Reads L2 for comparisons. Its methods raise `StoreUnavailable` if PostgreSQL does not respond.

    Args:
        connection: A connection whose transactions are isolated by `repeatable read`.
        page_size: Maximum number of learned statements that one SQL statement reads.
    """

    def __init__(self, connection: PostgresConnection, page_size: int = _PAGE_SIZE) -> None:
        self._connection = connection
        self._page_size = page_size

    def windows(self, thread_ids: Sequence[str], limit: int) -> dict[str, list[Message]]:
        """Return each thread's newest `limit` messages, oldest first; an empty list for an unknown thread."""
        parameters = {"thread_ids": list(thread_ids), "rows": limit}
        rows = self._connection.run(lambda c: c.execute(_WINDOWS, parameters).fetchall())
        messages: dict[str, list[Message]] = {thread_id: [] for thread_id in thread_ids}
        for row in rows:
            messages[row["thread_id"]].append(
                Message(
                    row["role"],
                    row["content"],
                    row["exchange_id"],
                    row["created_at"].astimezone(UTC),
                    row["order_key"],
                    metadata=row["metadata"],
                    revision=row["revision"],
                    accepted_at=None if row["accepted_at"] is None else row["accepted_at"].astimezone(UTC),
                )
            )
        return messages

    def statements(self, overdue_seconds: float) -> StatementCounts:
        """Return how many learned statements there are, and how many of them are wrong.

        They are read page by page, as they were when the first page was read.
        """

        def work(connection: psycopg.Connection[DictRow]) -> StatementCounts:
            counts = dict.fromkeys(_COUNTED, 0)
            last = (_BEFORE_ALL, _BEFORE_ALL)
            while True:
                values = {"message_id": last[0], "statement_id": last[1], "rows": self._page_size}
                page = connection.execute(_STATEMENTS, values).fetchone()
                if page is None or page["rows"] == 0:
                    break
                counts = {name: count + page[name] for name, count in counts.items()}
                last = page["last_message_id"], page["last_id"]
            overdue = connection.execute(_OVERDUE, (overdue_seconds,)).fetchone()
            return StatementCounts(**counts, overdue=overdue["overdue"] if overdue else 0)

        return self._connection.run(work)

    def newest(self) -> datetime | None:
        """Return the creation time of the newest stored exchange; None if there is none."""
        # A conversation's updated_at is the time of its newest exchange, and there are fewer conversations than
        # messages.
        row = self._connection.run(
            lambda c: c.execute("select max(updated_at) as newest from conversations").fetchone()
        )
        newest: datetime | None = row["newest"] if row else None
        return newest.astimezone(UTC) if newest else None
