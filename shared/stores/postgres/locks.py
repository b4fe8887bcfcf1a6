"""Locks between writes and deletions of threads, held until the transaction ends.

A write locks its threads and users in shared mode, and a deletion locks them in exclusive mode. So an exchange that is
stored during its thread's deletion is either deleted with the thread, or the write finds the tombstone. PostgreSQL's
lock table is small, so a large batch takes one global lock instead of many locks. Every deletion takes the global lock,
too. All transactions take locks in the same order, so that they cannot deadlock. Even a large deletion holds its locks
only while it changes a few rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg.rows import DictRow

from shared.stores.postgres.connection import sql

# The previous release uses only this lock: shared for all writes, exclusive for deletions. So small writes also take it
# in shared mode for a day after an upgrade (`lock_transition`).
_GLOBAL_LOCK: Final = 7_215_002
_HASH_SEED: Final = 7_215_004
_MAX_LOCKS: Final = 64
_SHARED, _EXCLUSIVE = sql("lock_shared"), sql("lock_exclusive")
_Connection = psycopg.Connection[DictRow]


def lock_shared(connection: _Connection, thread_ids: Iterable[str], user_ids: Iterable[str | None] = ()) -> None:
    """Lock threads and users against their deletion."""
    connection.execute(*shared_lock(thread_ids, user_ids))


def shared_lock(
    thread_ids: Iterable[str], user_ids: Iterable[str | None] = ()
) -> tuple[bytes, dict[str, int | bool | list[str]]]:
    """Return the statement that locks threads and users against their deletion, and its parameters."""
    names = _names(thread_ids, user_ids)
    has_many = len(names) > _MAX_LOCKS
    return _SHARED, {"all": _GLOBAL_LOCK, "seed": _HASH_SEED, "has_many": has_many, "names": [] if has_many else names}


def lock_exclusive(connection: _Connection, thread_ids: Iterable[str], user_ids: Iterable[str] = ()) -> None:
    """Lock threads and users for their deletion. Call it once per transaction: a second call could deadlock."""
    connection.execute(_EXCLUSIVE, {"all": _GLOBAL_LOCK, "seed": _HASH_SEED, "names": _names(thread_ids, user_ids)})


def _names(thread_ids: Iterable[str], user_ids: Iterable[str | None]) -> list[str]:
    threads = {f"thread:{thread_id}" for thread_id in thread_ids}
    return sorted(threads | {f"user:{user_id}" for user_id in user_ids if user_id is not None})
