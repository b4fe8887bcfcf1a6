"""Locks between what adds to threads and what deletes them, each for the rest of a transaction.

What adds locks its threads and users shared, what deletes locks them alone: an exchange on its way when its thread is
deleted is either there to be deleted, or stored after the tombstone can be seen. PostgreSQL's table of locks is small,
so a large batch takes one lock in place of many, which every deletion takes too. All are taken in one order, so that no
two transactions wait for each other. A deletion holds its locks for a few rows' time, however much it deletes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg.rows import DictRow

from shared.stores.postgres.connection import sql

# The release before this one knows only this lock: it takes it shared for whatever it adds, and alone to delete. So it
# is taken shared for a day after an upgrade also by what adds little (`lock_transition`).
_ALL: Final = 7_215_002
_SEED: Final = 7_215_004
_MOST: Final = 64
_SHARED, _ALONE = sql("lock_shared"), sql("lock_exclusive")
_Connection = psycopg.Connection[DictRow]


def lock_shared(connection: _Connection, thread_ids: Iterable[str], user_ids: Iterable[str | None] = ()) -> None:
    """Lock threads and users against their deletion."""
    connection.execute(*shared_lock(thread_ids, user_ids))


def shared_lock(
    thread_ids: Iterable[str], user_ids: Iterable[str | None] = ()
) -> tuple[bytes, dict[str, int | bool | list[str]]]:
    """Return the statement that locks threads and users against their deletion, and its parameters."""
    names = _names(thread_ids, user_ids)
    has_many = len(names) > _MOST
    return _SHARED, {"all": _ALL, "seed": _SEED, "has_many": has_many, "names": [] if has_many else names}


def lock_exclusive(connection: _Connection, thread_ids: Iterable[str], user_ids: Iterable[str] = ()) -> None:
    """Lock threads and users to delete them. A transaction does so once: a second call could wait in a circle."""
    connection.execute(_ALONE, {"all": _ALL, "seed": _SEED, "names": _names(thread_ids, user_ids)})


def _names(thread_ids: Iterable[str], user_ids: Iterable[str | None]) -> list[str]:
    threads = {f"thread:{thread_id}" for thread_id in thread_ids}
    return sorted(threads | {f"user:{user_id}" for user_id in user_ids if user_id is not None})
