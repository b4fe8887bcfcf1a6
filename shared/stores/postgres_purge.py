"""What the sweep does with rows in bulk, some at a time: deletes old ones, counts messages."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import sql as composable
from psycopg.rows import DictRow

from shared.stores.base import ANSWER_SECONDS, TOMBSTONE_SECONDS, PurgedTable
from shared.stores.postgres_connection import PostgresConnection, sql

_ROWS: Final = 5_000
_CONVERSATIONS: Final = 200
_COUNT: Final = sql("count_messages")
_AGES: Final[dict[PurgedTable, tuple[str, int]]] = {
    "idempotency_keys": ("claimed_at", ANSWER_SECONDS),
    "thread_tombstones": ("deleted_at", TOMBSTONE_SECONDS),
    "user_tombstones": ("deleted_at", TOMBSTONE_SECONDS),
    "exchange_tombstones": ("deleted_at", TOMBSTONE_SECONDS),
    # Only whether there was one before is asked of these: the last one stays.
    "cache_epochs": ("began_at", TOMBSTONE_SECONDS),
}
# Rows that another sweep deletes, or a request changes, are left to the next call.
_PURGE: Final = """
delete from {table} where ctid = any(array(
    select ctid from {table} where {time} < now() - make_interval(secs => %(age)s) {which}
    order by {time} limit %(rows)s for update skip locked
))
"""
_WHICH: Final[dict[PurgedTable, str]] = {
    "cache_epochs": "and began_at < (select max(began_at) from cache_epochs)",
    "user_tombstones": "and not exists (select from user_erasures e where e.user_id = user_tombstones.user_id)",
}
_Connection = psycopg.Connection[DictRow]


class PostgresPurge:
    """Methods raise `StoreUnavailable` when PostgreSQL does not answer."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def purge(self, table: PurgedTable) -> int:
        """Delete some of what has been kept long enough; return how many rows, 0 if none is left."""
        time, age = _AGES[table]
        statement = composable.SQL(_PURGE).format(
            table=composable.Identifier(table),
            time=composable.Identifier(time),
            which=composable.SQL(_WHICH.get(table, "")),
        )
        return self._connection.run(lambda c: c.execute(statement, {"age": age, "rows": _ROWS}).rowcount)

    def count_messages(self) -> int:
        """Count the messages of some conversations that an older release began; return of how many."""

        def work(connection: _Connection) -> int:
            # First the rows' locks, then a look of its own at the messages: what is added in between is counted.
            found = connection.execute(
                "select id from conversations where message_count is null order by id limit %s for update skip locked",
                (_CONVERSATIONS,),
            ).fetchall()
            if found:
                connection.execute(_COUNT, {"conversation_ids": [row["id"] for row in found]})
            return len(found)

        return self._connection.run(work)
