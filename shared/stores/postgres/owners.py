"""Thread owners in PostgreSQL. No other store decides who owns a thread."""

from __future__ import annotations

import psycopg
from psycopg.rows import DictRow

from shared.errors import ThreadNotFound
from shared.stores.archive import ThreadOwner
from shared.stores.postgres.bounded import execute_locked
from shared.stores.postgres.connection import sql
from shared.stores.postgres.locks import shared_lock

_OWNER, _CLAIM = sql("owner"), sql("claim_ownership")
_Connection = psycopg.Connection[DictRow]


def owner_of(connection: _Connection, thread_id: str) -> ThreadOwner:
    """Return a thread's owner."""
    row = _one(connection.execute(_OWNER, {"thread_id": thread_id}).fetchone())
    return ThreadOwner(row["is_known"], row["user_id"], row["cutoff"])


def claim_ownership(connection: _Connection, thread_id: str, user_id: str | None) -> ThreadOwner:
    """Set a thread's owner if it has none, and return the owner."""
    # Because of the lock, a concurrent deletion happens either before or after this claim.
    lock, values = shared_lock([thread_id], [user_id]), {"thread_id": thread_id, "user_id": user_id}
    row = _one(execute_locked(connection, lock, _CLAIM, values).fetchone())
    return ThreadOwner(is_known=True, user_id=row["user_id"], cutoff=row["cutoff"])


def require_owner(connection: _Connection, thread_id: str, user_id: str | None) -> None:
    """Check that the thread belongs to the user or has no owner; without a user, do nothing.

    Raises:
        ThreadNotFound: The thread belongs to another user.
    """
    if user_id is None:
        return
    owner = owner_of(connection, thread_id)
    if owner.is_known and owner.user_id != user_id:
        raise ThreadNotFound(thread_id)


def _one(row: DictRow | None) -> DictRow:
    if row is None:
        raise psycopg.InterfaceError("a statement that always returns a row returned none")
    return row
