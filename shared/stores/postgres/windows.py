"""Reads a thread's window and state from PostgreSQL in one statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.models import Exchange
from shared.stores.archive import MAX_HEARTBEAT_GAP_SECONDS, ThreadOwner, Window
from shared.stores.postgres.bounded import execute_as_text
from shared.stores.postgres.connection import sql
from shared.stores.postgres.session import parse_time

_WINDOW: Final = sql("window")
_ROWS_PER_EXCHANGE: Final = 2
# The maximum number of deleted exchanges that a read returns.
_MAX_DELETED: Final = 1_000


class _Row(NamedTuple):
    """A row of `window.sql`: the thread's columns, and one message. The row of a deleted exchange has no position."""

    cutoff: UUID | None
    user_cutoffs: dict[str, str] | None
    uptime: float | None
    owner: str | None
    is_known: bool
    exchange_id: UUID | None
    position: int | None
    content: Any
    metadata: str | None
    created_at: Any
    revision: Any
    accepted_at: Any
    user_id: str | None


def read_window(
    connection: psycopg.Connection[DictRow], thread_id: str, limit: int, users: Collection[str] = ()
) -> Window:
    """Return the newest `limit` exchanges, the thread's owner, and the cutoffs of the deleted users in `users`."""
    row_limit = limit * _ROWS_PER_EXCHANGE
    values = {
        "thread_id": thread_id,
        "rows": row_limit + 1,
        "deleted": _MAX_DELETED,
        "users": list(users),
        "gap": MAX_HEARTBEAT_GAP_SECONDS,
    }
    rows = [_Row._make(row) for row in execute_as_text(connection, _WINDOW, values).fetchall()]
    first = rows[0]
    sides = [row for row in rows if row.position is not None]
    return Window(
        exchanges=_exchanges(thread_id, reversed(sides[:row_limit])),
        is_all=len(sides) <= row_limit,
        cutoff=first.cutoff,
        deleted=frozenset({row.exchange_id for row in rows if row.position is None and row.exchange_id is not None}),
        owner=ThreadOwner(first.is_known, first.owner, first.cutoff),
        user_cutoffs={user: UUID(cutoff) for user, cutoff in (first.user_cutoffs or {}).items()},
        uptime=first.uptime or 0.0,
    )


def _exchanges(thread_id: str, rows: Iterable[_Row]) -> list[Exchange]:
    """Return the exchanges of rows that are in thread order."""
    rows_by_exchange: dict[Any, dict[int | None, _Row]] = {}
    for row in rows:
        rows_by_exchange.setdefault(row.exchange_id, {})[row.position] = row
    exchanges = []
    for exchange_id, sides in rows_by_exchange.items():
        user_row, assistant_row = sides.get(0), sides.get(1)
        any_side: Any = user_row or assistant_row
        exchanges.append(
            Exchange(
                exchange_id,
                thread_id,
                any_side.user_id,
                user_row.content if user_row else "",
                assistant_row.content if assistant_row else "",
                parse_time(any_side.created_at),
                metadata=user_row.metadata if user_row else None,
                revision=max(side.revision for side in sides.values()),
                accepted_at=parse_time(any_side.accepted_at) if any_side.accepted_at is not None else None,
            )
        )
    return exchanges
