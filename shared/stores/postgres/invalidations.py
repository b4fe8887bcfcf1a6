"""PostgreSQL's records of threads and users whose changes Redis has missed."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from shared.stores.archive import Invalidation, InvalidationKind

_Connection = psycopg.Connection[DictRow]


def log_invalidations(connection: _Connection, kind: InvalidationKind, ids: Sequence[str]) -> None:
    """Record threads or users whose changes Redis has missed."""
    connection.execute(
        "insert into cache_repairs (kind, id) select %s, given.id from unnest(%s::text[]) as given (id)"
        " order by given.id on conflict (kind, id) do update set noted_at = clock_timestamp()",
        (kind, sorted(set(ids))),
    )


def oldest_invalidations(connection: _Connection, limit: int) -> list[Invalidation]:
    """Return the oldest records."""
    statement = "select kind, id, noted_at from cache_repairs order by noted_at limit %s"
    return [Invalidation(**row) for row in connection.execute(statement, (limit,)).fetchall()]


def clear_invalidation(connection: _Connection, invalidation: Invalidation) -> None:
    """Delete a record, unless it was written again since it was read."""
    connection.execute(
        "delete from cache_repairs where kind = %s and id = %s and noted_at = %s",
        (invalidation.kind, invalidation.id, invalidation.noted_at),
    )
