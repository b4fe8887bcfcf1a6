"""The uptime of PostgreSQL and the sweep, the times at which L1 was empty, and PostgreSQL's clock."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg.rows import DictRow

from shared.redelivery import LONG_OUTAGE_DELAY, MAX_DRAIN_AGE, SHORT_OUTAGE_SECONDS
from shared.stores.archive import MAX_HEARTBEAT_GAP_SECONDS
from shared.stores.postgres.connection import sql

_Connection = psycopg.Connection[DictRow]
_HEARTBEAT = sql("heartbeat")
_HEARTBEAT_LIMITS: Final = {
    "gap": MAX_HEARTBEAT_GAP_SECONDS,
    "drain_age": MAX_DRAIN_AGE,
    "short_outage": SHORT_OUTAGE_SECONDS,
    "delay": LONG_OUTAGE_DELAY,
}


def log_empty_cache(connection: _Connection) -> bool:
    """Record that L1 was found empty; return whether that was the first time."""
    row = connection.execute(
        "insert into cache_epochs default values returning not exists (select from cache_epochs) as is_first"
    ).fetchone()
    if row is None:
        raise psycopg.InterfaceError("a statement that always returns a row returned none")
    return bool(row["is_first"])


def heartbeat(connection: _Connection) -> None:
    """Record that PostgreSQL and the sweep are up, and the start of their uptime."""
    connection.execute(_HEARTBEAT, _HEARTBEAT_LIMITS)


def uptime_seconds(connection: _Connection) -> float:
    """Return for how many seconds PostgreSQL and the sweep have been up; see `Archive.uptime_seconds`."""
    row = connection.execute(
        "select extract(epoch from clock_timestamp() - healthy_since)::float8 as seconds from drain_health"
        " where beat_at > greatest(clock_timestamp() - make_interval(secs => %(gap)s), pg_postmaster_start_time())",
        {"gap": MAX_HEARTBEAT_GAP_SECONDS},
    ).fetchone()
    return float(row["seconds"]) if row else 0.0


def clock(connection: _Connection) -> float:
    """Return the Unix seconds of PostgreSQL's clock."""
    row = connection.execute("select extract(epoch from clock_timestamp())::float8 as seconds").fetchone()
    return float(row["seconds"]) if row else 0.0
