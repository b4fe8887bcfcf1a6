"""Threads and users whose change Redis did not hear of, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.rows import DictRow

from shared.stores.archive import RepairKind


def note_repairs(connection: psycopg.Connection[DictRow], kind: RepairKind, ids: Sequence[str]) -> None:
    """Remember threads or users."""
    connection.execute(
        "insert into cache_repairs (kind, id) select %s, given.id from unnest(%s::text[]) as given (id)"
        " order by given.id on conflict (kind, id) do update set noted_at = clock_timestamp()",
        (kind, sorted(set(ids))),
    )
