"""The sweep's steps: delete expired rows, delete rows of deleted exchanges, and count messages."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql as composable
from psycopg.rows import DictRow

from shared.stores.archive import TOMBSTONE_SECONDS, PurgedTable
from shared.stores.idempotency import ANSWER_SECONDS
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.postgres.invalidations import log_invalidations

_ROWS: Final = 5_000
_CONVERSATIONS: Final = 200
_STORED_AGAIN: Final = sql("stored_again")
_COUNT: Final = sql("count_messages")
_MAX_AGES: Final[dict[PurgedTable, tuple[str, int]]] = {
    "idempotency_keys": ("claimed_at", ANSWER_SECONDS),
    "thread_tombstones": ("deleted_at", TOMBSTONE_SECONDS),
    "user_tombstones": ("deleted_at", TOMBSTONE_SECONDS),
    "exchange_tombstones": ("deleted_at", TOMBSTONE_SECONDS),
    # The last row of this table stays, because it shows that a Redis existed before.
    "cache_epochs": ("began_at", TOMBSTONE_SECONDS),
}
# A call skips rows that another transaction has locked. The next call deletes them.
_PURGE: Final = """
delete from {table} where ctid = any(array(
    select ctid from {table} where {time} < now() - make_interval(secs => %(age)s) {condition}
    order by {time} limit %(rows)s for update skip locked
))
"""
_CONDITIONS: Final[dict[PurgedTable, str]] = {
    "cache_epochs": "and began_at < (select max(began_at) from cache_epochs)",
    "user_tombstones": "and not exists (select from user_erasures e where e.user_id = user_tombstones.user_id)",
}
_FIRST_POSITION: Final[dict[str, Any]] = {"deleted_at": None, "thread_id": "", "exchange_id": UUID(int=0)}
_Connection = psycopg.Connection[DictRow]


class PostgresPurge:
    """Purges in steps. Methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        # The last exchange tombstone that was checked.
        self._last: dict[str, Any] = _FIRST_POSITION

    def remove_deleted(self) -> int:
        """Check the next of the exchanges that were deleted in the last day; see `Archive.remove_deleted`."""

        def work(connection: _Connection) -> tuple[int, dict[str, Any]]:
            checked = connection.execute(_STORED_AGAIN, {**self._last, "rows": _ROWS}).fetchone() or {}
            if checked["thread_ids"]:
                log_invalidations(connection, "thread", checked["thread_ids"])
            is_end = checked["checked"] < _ROWS
            return len(checked["thread_ids"]), _FIRST_POSITION if is_end else {
                name: checked[name] for name in _FIRST_POSITION
            }

        count, self._last = self._connection.run(work)
        return count

    def purge(self, table: PurgedTable) -> int:
        """Delete some expired rows; return their number, 0 if none is left."""
        time, age = _MAX_AGES[table]
        statement = composable.SQL(_PURGE).format(
            table=composable.Identifier(table),
            time=composable.Identifier(time),
            condition=composable.SQL(_CONDITIONS.get(table, "")),
        )
        return self._connection.run(lambda c: c.execute(statement, {"age": age, "rows": _ROWS}).rowcount)

    def count_messages(self) -> int:
        """Count the messages of some conversations without a count; return the number of conversations."""

        def work(connection: _Connection) -> int:
            # Lock the rows before the statement that counts, so that it sees all committed messages.
            conversations = connection.execute(
                "select id from conversations where message_count is null order by id limit %s for update skip locked",
                (_CONVERSATIONS,),
            ).fetchall()
            if conversations:
                connection.execute(_COUNT, {"conversation_ids": [row["id"] for row in conversations]})
            return len(conversations)

        return self._connection.run(work)
