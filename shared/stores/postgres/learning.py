"""Learning in PostgreSQL: which exchanges statements are due for, and how their statements are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, Literal
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.stores.derivations import MEMORIES
from shared.stores.learning import NewStatement, StoredStatements, Unread, UnreadExchange, allowed_statements
from shared.stores.postgres.connection import PostgresConnection, sql, utc
from shared.stores.postgres.invalidations import log_invalidations
from shared.stores.postgres.locks import lock_shared
from shared.stores.postgres.memories import forgetting_of, lock_memories

_Connection = psycopg.Connection[DictRow]
_UNREAD, _PRESENT, _STORE = sql("learning_unread"), sql("learning_present"), sql("learning_store")
_UNSUMMARIZED, _BUDGET = sql("learning_unsummarized"), sql("learning_budget")
# Locks the thread's row, as the drain does first, so that its exchanges do not change until the transaction ends.
_LOCK: Final = (
    "select c.id from live_conversations l join conversations c on c.id = l.id"
    " where l.thread_id = %s and l.user_id = %s for no key update of c"
)
_ADVANCE: Final = (
    "update due_derivations set from_order = %(next)s where conversation_id = %(conversation_id)s and kind = %(kind)s"
    " and from_order is not distinct from %(from_order)s"
)
_CLEAR: Final = (
    "delete from due_derivations where conversation_id = %(conversation_id)s and kind = %(kind)s"
    " and from_order is not distinct from %(from_order)s and due_at = %(due_at)s"
)
_POSTPONE: Final = (
    "update due_derivations d set due_at = %s, sent_at = null from conversations c"
    " where c.thread_id = %s and d.conversation_id = c.id and d.kind = %s"
)
# A postponed thread is due in the future.
_LAG: Final = (
    "select extract(epoch from clock_timestamp() - due_at) as lag from due_derivations"
    " where kind = %s and due_at <= clock_timestamp() and not is_old order by due_at limit 1"
)
_MARK_USER: Final = """\
insert into due_derivations (conversation_id, kind, is_old)
select id, %(kind)s, true from live_conversations where user_id = %(user_id)s order by id
on conflict (conversation_id, kind) do update
set due_at = clock_timestamp(), sent_at = null, is_old = true, from_order = null"""
# The newest exchanges before the window that a summary is made of.
_SUMMARIZED: Final = 500


class PostgresLearning:
    """Learning. Methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def unread(self, thread_id: str, limit: int) -> Unread:
        """Return the thread's first exchanges that statements are due for."""
        values = {"thread_id": thread_id, "kind": MEMORIES, "rows": limit + 1}
        rows = self._connection.run(lambda c: c.execute(_UNREAD, values).fetchall(), is_one_statement=True)
        if not rows:
            return Unread()
        exchanges = _unread_exchanges(rows)
        return Unread(
            rows[0]["user_id"],
            utc(rows[0]["due_at"]),
            rows[0]["from_order"],
            exchanges[:limit],
            has_more=len(exchanges) > limit,
            is_old=bool(rows[0]["is_old"]),
        )

    def store_statements(
        self, thread_id: str, unread: Unread, deriver: str, statements: Sequence[NewStatement]
    ) -> StoredStatements:
        """Replace the statements of the exchanges in `unread`, see `LearningArchive.store_statements`."""

        def work(connection: _Connection) -> StoredStatements:
            conversation_id = _lock(connection, thread_id, unread)
            is_same = conversation_id is not None and _is_unchanged(connection, conversation_id, unread)
            if conversation_id is None or not is_same or not _advance(connection, conversation_id, unread):
                return "stale"
            return _replace(connection, thread_id, conversation_id, unread, deriver, statements, is_summary=False)

        return self._connection.run(work)

    def unsummarized(self, thread_id: str, window: int, limit: int) -> Unread:
        """Return the newest exchanges before the window that have no sentence of a summary."""
        values = {"thread_id": thread_id, "window": window, "rows": limit, "most": _SUMMARIZED}
        rows = self._connection.run(lambda c: c.execute(_UNSUMMARIZED, values).fetchall(), is_one_statement=True)
        return Unread(rows[0]["user_id"] if rows else None, exchanges=_unread_exchanges(rows))

    def store_sentences(
        self, thread_id: str, unread: Unread, deriver: str, statements: Sequence[NewStatement]
    ) -> StoredStatements:
        """Store sentences of the thread's summary, see `LearningArchive.store_sentences`."""

        def work(connection: _Connection) -> StoredStatements:
            conversation_id = _lock(connection, thread_id, unread)
            if conversation_id is None or not _has_all(connection, conversation_id, unread):
                return "stale"
            return _replace(connection, thread_id, conversation_id, unread, deriver, statements, is_summary=True)

        return self._connection.run(work)

    def postpone(self, thread_id: str, until: datetime) -> None:
        """Record that a due thread is to be derived from at a later time."""
        self._connection.run(lambda c: c.execute(_POSTPONE, (until, thread_id, MEMORIES)), is_one_statement=True)

    def learn_lag(self) -> float:
        """Return for how many seconds the oldest thread with new exchanges has been due; 0 if there is none."""
        row = self._connection.run(lambda c: c.execute(_LAG, (MEMORIES,)).fetchone(), is_one_statement=True)
        return float(row["lag"]) if row else 0.0

    def take_budget(self, user_id: str, day: date, characters: int, most: int) -> bool:
        """Count characters that a model reads for a user on a day; return False, and count none, above `most`."""
        values = {"user_id": user_id, "day": day, "characters": characters, "most": most}
        row = self._connection.run(lambda c: c.execute(_BUDGET, values).fetchone(), is_one_statement=True)
        return row is not None

    def mark_user(self, user_id: str) -> int:
        """Record that statements are due for all exchanges of the user; return the number of threads."""
        values = {"user_id": user_id, "kind": MEMORIES}
        return self._connection.run(lambda c: c.execute(_MARK_USER, values).rowcount, is_one_statement=True)


def _unread_exchanges(rows: Sequence[DictRow]) -> list[UnreadExchange]:
    return [
        UnreadExchange(
            row["id"],
            row["exchange_id"],
            row["order_key"],
            row["revision"],
            row["user_message"],
            row["assistant_message"],
            row["created_at"].astimezone(UTC),
            row["accepted_at"].astimezone(UTC),
        )
        for row in rows
        if row["id"] is not None
    ]


def _lock(connection: _Connection, thread_id: str, unread: Unread) -> UUID | None:
    """Lock the thread; return its row's id, or None if it was deleted or has another user."""
    lock_shared(connection, [thread_id], [unread.user_id])
    row = connection.execute(_LOCK, (thread_id, unread.user_id)).fetchone()
    return None if row is None else row["id"]


def _is_unchanged(connection: _Connection, conversation_id: UUID, unread: Unread) -> bool:
    """Return whether the thread has the exchanges of `unread`, and no others between them."""
    if not unread.exchanges:
        return True
    values = {
        "conversation_id": conversation_id,
        "first": unread.from_order,
        "last": unread.exchanges[-1].order,
    }
    return _versions(connection.execute(_PRESENT, values).fetchall()) == [
        (each.row_id, each.revision, each.accepted_at) for each in unread.exchanges
    ]


def _has_all(connection: _Connection, conversation_id: UUID, unread: Unread) -> bool:
    """Return whether the thread has the exchanges of `unread`, perhaps among others."""
    statement = (
        "select id, revision, coalesce(accepted_at, created_at) as accepted_at from messages"
        " where conversation_id = %s and id = any(%s)"
    )
    rows = connection.execute(statement, (conversation_id, [each.row_id for each in unread.exchanges])).fetchall()
    return set(_versions(rows)) == {(each.row_id, each.revision, each.accepted_at) for each in unread.exchanges}


def _versions(rows: Sequence[DictRow]) -> list[tuple[UUID, int, datetime]]:
    return [(row["id"], row["revision"], row["accepted_at"].astimezone(UTC)) for row in rows]


def _advance(connection: _Connection, conversation_id: UUID, unread: Unread) -> bool:
    """Record that the exchanges of `unread` are no longer due; return False if another worker did it."""
    values: dict[str, Any] = {
        "conversation_id": conversation_id,
        "kind": MEMORIES,
        "from_order": unread.from_order,
        "due_at": unread.due_at,
    }
    if not unread.has_more and connection.execute(_CLEAR, values).rowcount:
        return True
    if not unread.exchanges:
        return False
    # The thread has further exchanges, or became due again since it was read.
    values["next"] = UUID(int=unread.exchanges[-1].order.int + 1)
    return connection.execute(_ADVANCE, values).rowcount == 1


def _replace(
    connection: _Connection,
    thread_id: str,
    conversation_id: UUID,
    unread: Unread,
    deriver: str,
    statements: Sequence[NewStatement],
    *,
    is_summary: bool,
) -> Literal["changed", "unchanged"]:
    lock_memories(connection, unread.user_id or "")
    allowed = allowed_statements(forgetting_of(connection, unread.user_id or ""), thread_id, statements)
    values = {
        "conversation_id": conversation_id,
        "deriver": deriver,
        "is_summary": is_summary,
        "read": [each.row_id for each in unread.exchanges],
        "ids": [each.statement_id for each in allowed],
        "row_ids": [each.exchange.row_id for each in allowed],
        "kinds": [each.statement.kind for each in allowed],
        "slots": [each.statement.slot for each in allowed],
        "values": [each.statement.value for each in allowed],
        "texts": [each.statement.text for each in allowed],
        "quotes": [each.statement.quote for each in allowed],
        "roles": [each.statement.role for each in allowed],
        "valid_from": [each.statement.valid_from for each in allowed],
    }
    changes = connection.execute(_STORE, values).fetchone() or {}
    if changes["added"] and unread.user_id is not None:
        log_invalidations(connection, "user", [unread.user_id])
    return "changed" if changes["added"] or changes["removed"] else "unchanged"
