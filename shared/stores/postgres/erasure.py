"""Deletions in PostgreSQL: each shows at once, in a transaction of a few rows; the other rows follow in steps.

A deleted thread's conversation loses its name and its user, so that no reader finds it (`erasures` lists it). A deleted
user's rows are hidden by `user_erasures` until their threads have lost their names, some at a time. Every step may be
repeated, and two processes may take steps at once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.errors import StoreUnavailable, add_half_deleted_outcome
from shared.stores.archive import HiddenThreads
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.postgres.invalidations import log_invalidations
from shared.stores.postgres.locks import lock_exclusive
from shared.stores.postgres.owners import require_owner

_logger = logging.getLogger(__name__)
_Connection = psycopg.Connection[DictRow]
# What a step takes: so many threads, and so many messages of so many threads.
_THREADS: Final = 1_000
_ROWS: Final = 2_000
_CONVERSATIONS: Final = 500
_PREFERENCES_LOCK: Final = 7_215_003
_FORGET_THREAD, _FORGET_USER = sql("forget_thread"), sql("forget_user")
_HIDDEN, _DETACH, _END = sql("hidden_threads"), sql("detach"), sql("end_erasure")
_ERASE_ROWS, _ERASE_CONVERSATIONS = sql("erase_rows"), sql("erase_conversations")


def lock_preferences(connection: _Connection, user_id: str) -> None:
    """Lock a user's preferences for the rest of a transaction."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_PREFERENCES_LOCK, user_id))


class PostgresErasure:
    """Deletes. Methods raise `StoreUnavailable` when PostgreSQL does not answer."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def forget_thread(self, thread_id: str, cutoff: UUID, owner: str | None) -> tuple[bool, UUID]:
        """Delete a thread, and its first rows.

        Raises:
            ThreadNotFound: It is not the `owner`'s; nothing is deleted.
        """

        def work(connection: _Connection) -> DictRow:
            lock_exclusive(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            row = _one(connection, _FORGET_THREAD, {"thread_id": thread_id, "cutoff": cutoff})
            # With the deletion itself: whatever becomes of this process, the sweep sees to it that Redis hears of it.
            log_invalidations(connection, "thread", [thread_id])
            return row

        gone = self._connection.run(work)
        if gone["conversation_id"] is not None:
            self._start_erasure([gone["conversation_id"]])
        return gone["existed"], gone["cutoff"]

    def forget_user(self, user_id: str, cutoff: UUID, also: Sequence[str]) -> tuple[UUID, dict[str, UUID]]:
        """Delete a user, the threads in `also`, and the first of the user's other threads and rows."""

        def hide(connection: _Connection) -> UUID:
            lock_exclusive(connection, [], [user_id])
            lock_preferences(connection, user_id)
            wanted = {"user_id": user_id, "cutoff": cutoff, "looked_at": _THREADS}
            reached: UUID = _one(connection, _FORGET_USER, wanted)["cutoff"]
            log_invalidations(connection, "user", [user_id])
            return reached

        of_user = self._connection.run(hide)
        of_threads: dict[str, UUID] = {}
        conversations: list[UUID] = []
        for start in range(0, max(1, len(also)), _THREADS):
            some = also[start : start + _THREADS]
            with add_half_deleted_outcome("user"):
                rows = self._connection.run(lambda connection, some=some: _detach_next(connection, user_id, some))  # type: ignore[misc]
            of_threads |= {row["thread_id"]: row["cutoff"] for row in rows}
            conversations += [row["conversation_id"] for row in rows if row["conversation_id"] is not None]
        if conversations:
            self._start_erasure(conversations)
        return of_user, of_threads

    def _start_erasure(self, conversation_ids: Sequence[UUID]) -> None:
        try:
            self.erase_rows(conversation_ids)
        except StoreUnavailable as error:
            # They are deleted and stay so; the sweep goes on.
            _logger.info("rows of a deletion are left to the sweep", extra={"reason": str(error)})

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some threads of the user who was deleted first of those who still have any."""

        def work(connection: _Connection) -> HiddenThreads | None:
            first = connection.execute("select user_id from user_erasures order by serial limit 1").fetchone()
            if first is None:
                return None
            return HiddenThreads(first["user_id"], _cutoffs(_hidden(connection, first["user_id"])))

        return self._connection.run(work)

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:
        """Take a deleted user's threads out of the way; with `must_invalidate`, note that Redis has to hear of them."""

        def work(connection: _Connection) -> None:
            _detach(connection, list(hidden.cutoffs))
            if must_invalidate:
                log_invalidations(connection, "thread", list(hidden.cutoffs))
            _end(connection, hidden.user_id)

        self._connection.run(work)

    def detach_threads(self, thread_ids: Sequence[str]) -> None:
        """Take threads out of the way that deleted users still have."""

        def work(connection: _Connection) -> None:
            rows = _detach(connection, thread_ids)
            log_invalidations(connection, "thread", [row["thread_id"] for row in rows])

        self._connection.run(work)

    def erase_rows(self, only: Sequence[UUID] | None = None) -> int:
        """Delete some rows of deleted threads, `only` of these conversations; return how many, 0 if none is left."""
        wanted = {"only": None if only is None else list(only), "conversations": _CONVERSATIONS, "rows": _ROWS}
        done = self._connection.run(lambda c: _one(c, _ERASE_ROWS, wanted))
        if not done["conversation_ids"]:
            return 0
        # In a transaction of its own: looking through what a large thread leaves in the indexes can take long.
        chosen = {"conversation_ids": done["conversation_ids"]}
        return int(done["rows"]) + self._connection.run(lambda c: c.execute(_ERASE_CONVERSATIONS, chosen).rowcount)


def _detach_next(connection: _Connection, user_id: str, also: Sequence[str]) -> list[DictRow]:
    found = _hidden(connection, user_id)
    rows = _detach(connection, sorted({*_cutoffs(found), *also}), user_id, also)
    log_invalidations(connection, "thread", [row["thread_id"] for row in rows])
    _end(connection, user_id)
    return rows


def _hidden(connection: _Connection, user_id: str) -> list[DictRow]:
    return connection.execute(_HIDDEN, {"user_id": user_id, "limit": _THREADS}).fetchall()


def _cutoffs(rows: Sequence[DictRow]) -> dict[str, UUID]:
    found: dict[str, UUID] = {}
    for row in rows:
        found[row["thread_id"]] = max(row["cutoff"], found.get(row["thread_id"], row["cutoff"]))
    return found


def _detach(
    connection: _Connection, thread_ids: Sequence[str], user_id: str | None = None, also: Sequence[str] = ()
) -> list[DictRow]:
    lock_exclusive(connection, thread_ids)
    wanted = {"thread_ids": list(thread_ids), "user_id": user_id, "also": list(also)}
    return connection.execute(_DETACH, wanted).fetchall()


def _end(connection: _Connection, user_id: str) -> None:
    """Forget that a deletion is under way if the user has no rows from before it; under the lock of all deletions."""
    connection.execute(_END, {"user_id": user_id})


def _one(connection: _Connection, statement: bytes, wanted: Mapping[str, Any]) -> DictRow:
    row = connection.execute(statement, wanted).fetchone()
    if row is None:
        raise psycopg.InterfaceError("a statement that always has a row had none")
    return row
