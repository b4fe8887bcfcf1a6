"""Threads and their messages in PostgreSQL, for listing and reading."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.models import Message, Thread
from shared.stores.archive import MessagePosition
from shared.stores.postgres.connection import sql, utc

_Connection = psycopg.Connection[DictRow]
_THREAD, _THREADS = sql("thread"), sql("threads")
_MESSAGES: Final = {False: sql("messages_asc"), True: sql("messages_desc")}
_MIN_UUID, _MAX_UUID = UUID(int=0), UUID(int=(1 << 128) - 1)
_MAX_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)


def read_thread(connection: _Connection, thread_id: str) -> Thread | None:
    """Return a thread with its documents."""
    row = connection.execute(_THREAD, {"thread_id": thread_id}).fetchone()
    return _thread(row) if row else None


def list_threads(
    connection: _Connection, user_id: str, limit: int, before: tuple[datetime, UUID] | None
) -> list[tuple[Thread, tuple[datetime, UUID]]]:
    """Return a user's threads newest first, each with its position in that order."""
    time, row_id = before or (_MAX_TIME, _MAX_UUID)
    values = {"user_id": user_id, "rows": limit, "before_time": time, "before_id": row_id}
    rows = connection.execute(_THREADS, values).fetchall()
    return [(_thread(row), (row["updated_at"], row["id"])) for row in rows]


def list_messages(
    connection: _Connection,
    thread_id: str,
    limit: int,
    after: MessagePosition | None,
    *,
    descending: bool,
    owner: str | None,
) -> list[Message]:
    """Return a page of messages in thread order, or in reverse; with `owner`, only if the thread is that user's."""
    start = after or (MessagePosition(_MAX_UUID, 2) if descending else MessagePosition(_MIN_UUID, -1))
    values = {
        "thread_id": thread_id,
        "rows": limit,
        "order_key": start.order,
        "position": start.position,
        "owner": owner,
    }
    rows = connection.execute(_MESSAGES[descending], values).fetchall()
    return [
        Message(
            row["role"],
            row["content"],
            row["exchange_id"],
            row["created_at"],
            row["order_key"],
            metadata=row["metadata"],
            revision=row["revision"],
            accepted_at=utc(row["accepted_at"]),
            stored_at=utc(row["stored_at"]),
        )
        for row in rows
    ]


def rename_thread(connection: _Connection, thread_id: str, title: str) -> Thread | None:
    """Set a thread's title permanently, and return the thread."""
    connection.execute(
        "update conversations c set title = %s, title_is_fixed = true from live_conversations l"
        " where l.thread_id = %s and c.id = l.id",
        (title, thread_id),
    )
    return read_thread(connection, thread_id)


def _thread(row: DictRow) -> Thread:
    documents = row.get("document_ids")
    return Thread(
        thread_id=row["thread_id"],
        user_id=row["user_id"],
        title=row["title"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        message_count=row["message_count"],
        document_ids=None if documents is None else tuple(documents),
    )
