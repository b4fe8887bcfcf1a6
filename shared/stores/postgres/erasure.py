"""Deletions in PostgreSQL. A deletion takes effect in one small transaction; its rows are deleted later in steps.

A deleted thread is detached: its conversation loses its name and its user, so that no reader finds it, and is listed in
`erasures`. A deleted user's rows are hidden by `user_erasures` until all of the user's threads are detached in steps.
Every step may be repeated, and two processes may run steps concurrently.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.cutoffs import end_of_raise
from shared.errors import StoreUnavailable, add_half_deleted_outcome
from shared.stores.archive import HiddenThreads
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.postgres.invalidations import log_invalidations
from shared.stores.postgres.locks import lock_exclusive
from shared.stores.postgres.owners import require_owner

_logger = logging.getLogger(__name__)
_Connection = psycopg.Connection[DictRow]
# The size of a step: the numbers of threads, of messages, and of conversations.
_THREADS: Final = 1_000
_ROWS: Final = 2_000
_CONVERSATIONS: Final = 500
_PREFERENCES_LOCK: Final = 7_215_003
_FORGET_THREAD, _FORGET_USER = sql("forget_thread"), sql("forget_user")
_HIDDEN, _DETACH, _END = sql("hidden_threads"), sql("detach"), sql("end_erasure")
_ERASE_ROWS, _ERASE_CONVERSATIONS = sql("erase_rows"), sql("erase_conversations")


def lock_preferences(connection: _Connection, user_id: str) -> None:
    """Lock a user's preferences until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", (_PREFERENCES_LOCK, user_id))


class PostgresErasure:
    """Deletes threads and users. Methods raise `StoreUnavailable` if PostgreSQL does not respond."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def forget_thread(
        self, thread_id: str, cutoff: UUID, owner: str | None, later: Collection[UUID]
    ) -> tuple[bool, UUID]:
        """Delete a thread and its first rows.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`; nothing is deleted.
        """

        def work(connection: _Connection) -> DictRow:
            lock_exclusive(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            values = {"thread_id": thread_id, "cutoff": cutoff, "end": end_of_raise(cutoff), "later": list(later)}
            row = _fetch_one(connection, _FORGET_THREAD, values)
            # The record is in the same transaction, so that the sweep updates Redis even if this process ends.
            log_invalidations(connection, "thread", [thread_id])
            return row

        deletion = self._connection.run(work)
        if deletion["conversation_id"] is not None:
            self._start_erasure([deletion["conversation_id"]])
        return deletion["existed"], deletion["cutoff"]

    def forget_user(
        self, user_id: str, cutoff: UUID, extra_threads: Sequence[str], later: Mapping[str, Collection[UUID]]
    ) -> tuple[UUID, dict[str, UUID]]:
        """Delete a user, the threads in `extra_threads`, and the first of the user's other threads and rows."""

        def hide(connection: _Connection) -> UUID:
            lock_exclusive(connection, [], [user_id])
            lock_preferences(connection, user_id)
            later_keys = [(thread_id, exchange_id) for thread_id, ids in later.items() for exchange_id in ids]
            values = {
                "user_id": user_id,
                "cutoff": cutoff,
                "end": end_of_raise(cutoff),
                "later_threads": [thread_id for thread_id, _ in later_keys],
                "later": [exchange_id for _, exchange_id in later_keys],
                "thread_limit": _THREADS,
            }
            stored_cutoff: UUID = _fetch_one(connection, _FORGET_USER, values)["cutoff"]
            log_invalidations(connection, "user", [user_id])
            return stored_cutoff

        user_cutoff = self._connection.run(hide)
        thread_cutoffs: dict[str, UUID] = {}
        conversations: list[UUID] = []
        for start in range(0, max(1, len(extra_threads)), _THREADS):
            chunk = extra_threads[start : start + _THREADS]
            with add_half_deleted_outcome("user"):
                rows = self._connection.run(lambda connection, chunk=chunk: _detach_next(connection, user_id, chunk))  # type: ignore[misc]
            thread_cutoffs |= {row["thread_id"]: row["cutoff"] for row in rows}
            conversations += [row["conversation_id"] for row in rows if row["conversation_id"] is not None]
        if conversations:
            self._start_erasure(conversations)
        return user_cutoff, thread_cutoffs

    def _start_erasure(self, conversation_ids: Sequence[UUID]) -> None:
        try:
            self.erase_rows(conversation_ids)
        except StoreUnavailable as error:
            # Readers do not find the threads any more. The sweep deletes the remaining rows.
            _logger.info("the sweep must delete the rows of a deletion", extra={"reason": str(error)})

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some hidden threads of the deleted user whose deletion is the oldest."""

        def work(connection: _Connection) -> HiddenThreads | None:
            oldest = connection.execute("select user_id from user_erasures order by serial limit 1").fetchone()
            if oldest is None:
                return None
            return HiddenThreads(oldest["user_id"], _cutoffs(_hidden(connection, oldest["user_id"])))

        return self._connection.run(work)

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:
        """Detach a deleted user's threads; with `must_invalidate`, record that Redis needs an update."""

        def work(connection: _Connection) -> None:
            rows = _detach(connection, list(hidden.cutoffs))
            # Redis may still have the exchanges after the cutoff.
            has_later = [row["thread_id"] for row in rows if row["has_later"]]
            log_invalidations(connection, "thread", list(hidden.cutoffs) if must_invalidate else has_later)
            _end_erasure(connection, hidden.user_id)

        self._connection.run(work)

    def detach_threads(self, thread_ids: Sequence[str]) -> None:
        """Detach threads that still belong to deleted users."""

        def work(connection: _Connection) -> None:
            rows = _detach(connection, thread_ids)
            log_invalidations(connection, "thread", [row["thread_id"] for row in rows])

        self._connection.run(work)

    def erase_rows(self, only: Sequence[UUID] | None = None) -> int:
        """Delete some rows of deleted threads and return their number; with `only`, of these conversations only."""
        values = {"only": None if only is None else list(only), "conversations": _CONVERSATIONS, "rows": _ROWS}
        deleted = self._connection.run(lambda c: _fetch_one(c, _ERASE_ROWS, values))
        if not deleted["conversation_ids"]:
            return 0
        # The conversations are deleted in a separate transaction, because searching the index entries of a large
        # deleted thread can take long.
        emptied = {"conversation_ids": deleted["conversation_ids"]}
        return int(deleted["rows"]) + self._connection.run(lambda c: c.execute(_ERASE_CONVERSATIONS, emptied).rowcount)


def _detach_next(connection: _Connection, user_id: str, extra_threads: Sequence[str]) -> list[DictRow]:
    hidden = _hidden(connection, user_id)
    rows = _detach(connection, sorted({*_cutoffs(hidden), *extra_threads}), user_id, extra_threads)
    log_invalidations(connection, "thread", [row["thread_id"] for row in rows])
    _end_erasure(connection, user_id)
    return rows


def _hidden(connection: _Connection, user_id: str) -> list[DictRow]:
    return connection.execute(_HIDDEN, {"user_id": user_id, "limit": _THREADS}).fetchall()


def _cutoffs(rows: Sequence[DictRow]) -> dict[str, UUID]:
    cutoffs: dict[str, UUID] = {}
    for row in rows:
        cutoffs[row["thread_id"]] = max(row["cutoff"], cutoffs.get(row["thread_id"], row["cutoff"]))
    return cutoffs


def _detach(
    connection: _Connection, thread_ids: Sequence[str], user_id: str | None = None, extra_threads: Sequence[str] = ()
) -> list[DictRow]:
    lock_exclusive(connection, thread_ids)
    values = {"thread_ids": list(thread_ids), "user_id": user_id, "extra_threads": list(extra_threads)}
    return connection.execute(_DETACH, values).fetchall()


def _end_erasure(connection: _Connection, user_id: str) -> None:
    """Delete the record of a user's deletion if no row from before it is left. The caller holds the global lock."""
    connection.execute(_END, {"user_id": user_id})


def _fetch_one(connection: _Connection, statement: bytes, values: Mapping[str, Any]) -> DictRow:
    row = connection.execute(statement, values).fetchone()
    if row is None:
        raise psycopg.InterfaceError("a statement that always returns a row returned none")
    return row
