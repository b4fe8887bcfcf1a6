"""Reads a thread's window and state from PostgreSQL in one statement."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.stores.archive import HEALTH_GAP_SECONDS, ThreadOwner, Window
from shared.stores.postgres.connection import sql
from shared.stores.postgres.exchanges import exchanges_of

_WINDOW: Final = sql("window")
_ROWS_AN_EXCHANGE: Final = 2
# The maximum number of deleted exchanges that a read returns.
_MAX_DELETED: Final = 1_000


def read_window(
    connection: psycopg.Connection[DictRow], thread_id: str, limit: int, users: Collection[str] = ()
) -> Window:
    """Return the newest `limit` exchanges, the thread's owner, and the deleted ones of the users."""
    most = limit * _ROWS_AN_EXCHANGE
    wanted = {
        "thread_id": thread_id,
        "rows": most + 1,
        "deleted": _MAX_DELETED,
        "users": list(users),
        "gap": HEALTH_GAP_SECONDS,
    }
    rows = connection.execute(_WINDOW, wanted).fetchall()
    first = rows[0]
    sides = [row for row in rows if row["position"] is not None]
    return Window(
        exchanges=exchanges_of(thread_id, reversed(sides[:most])),
        is_all=len(sides) <= most,
        cutoff=first["cutoff"],
        deleted=frozenset({row["exchange_id"] for row in rows if row["position"] is None} - {None}),
        owner=ThreadOwner(first["is_known"] is not None, first["owner"], first["cutoff"]),
        user_cutoffs={user: UUID(cutoff) for user, cutoff in (first["user_cutoffs"] or {}).items()},
        uptime=first["uptime"] or 0.0,
    )
