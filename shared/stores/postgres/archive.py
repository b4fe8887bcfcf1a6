"""L2 in PostgreSQL. The statements are in the `sql` folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import DictRow

from shared.errors import InvalidRecord, StoreBusy, StoreUnavailable, add_outcome
from shared.models import Exchange, ExchangeTexts, Message, Thread
from shared.stores.archive import (
    ExchangeCopy,
    ExchangeDeletion,
    HiddenThreads,
    Invalidation,
    InvalidationKind,
    MessagePosition,
    PurgedTable,
    StoreResult,
    ThreadOwner,
    Window,
)
from shared.stores.postgres import exchanges as postgres_exchanges
from shared.stores.postgres import health
from shared.stores.postgres.batches import HiddenThreadsFound, store_batch, stored_exchanges, try_storing
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.postgres.erasure import PostgresErasure
from shared.stores.postgres.exchanges import exchanges_of
from shared.stores.postgres.invalidations import clear_invalidation, log_invalidations, oldest_invalidations
from shared.stores.postgres.learning import PostgresLearning
from shared.stores.postgres.locks import lock_exclusive, lock_shared
from shared.stores.postgres.memories import PostgresMemories
from shared.stores.postgres.owners import claim_ownership, owner_of, require_owner
from shared.stores.postgres.preferences import change_preferences, publish_preferences, read_preferences, try_changing
from shared.stores.postgres.purge import PostgresPurge
from shared.stores.postgres.search import PostgresSearch
from shared.stores.postgres.threads import list_messages, list_threads, read_thread, rename_thread
from shared.stores.postgres.vectors import PostgresVectors, mark_due
from shared.stores.postgres.windows import read_window

_Connection = psycopg.Connection[DictRow]
_CHANGED_ONLY_IN_POSTGRES: Final = (
    "the preferences are changed in PostgreSQL, but the cache may have the old ones until the next sweep. "
    "Repeat the request to update the cache at once"
)
# The maximum number of attempts to store a batch with threads of a deleted user. Each retry first detaches them.
_MAX_TRIES: Final = 3
_STORED = sql("stored")


class PostgresArchive(PostgresSearch, PostgresVectors, PostgresLearning, PostgresMemories):
    """L2 in PostgreSQL. Methods raise `StoreUnavailable` if PostgreSQL does not respond.

    Args:
        connection: The process' connection.
        derives: The kinds of data that are derived from stored exchanges. Their threads become due.
    """

    def __init__(self, connection: PostgresConnection, derives: Sequence[str] = ()) -> None:
        super().__init__(connection)
        self._derives = derives
        self._erasure = PostgresErasure(connection)
        self._purge = PostgresPurge(connection)
        # PostgreSQL counts as recovered only if it can store an exchange.
        connection.check = try_storing
        self._preferences_breaker = connection.breaker_for(try_changing)

    def window(self, thread_id: str, limit: int, users: Collection[str] = ()) -> Window:
        """Return the newest `limit` exchanges, the thread's owner, and the cutoffs of the deleted users in `users`."""
        return self._connection.run(lambda c: read_window(c, thread_id, limit, users), is_one_statement=True)

    def exchange(self, thread_id: str, exchange_id: UUID) -> Exchange | None:
        """Return one exchange of the thread, even if it is older than the window."""
        values = {"thread_ids": [thread_id], "exchange_ids": [exchange_id]}
        rows = self._connection.run(lambda c: c.execute(_STORED, values).fetchall(), is_one_statement=True)
        return next(iter(exchanges_of(thread_id, rows)), None)

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store all exchanges of a batch or none, in two statements, or in three if the batch has duplicates."""
        for _ in range(_MAX_TRIES):
            try:
                return self._connection.run(store_batch(exchanges, self._derives))
            except HiddenThreadsFound as found:
                self._erasure.detach_threads(found.thread_ids)
        raise StoreBusy("postgres", "each attempt found threads of a user who is being deleted")

    def try_store(self) -> None:
        """Store a test exchange and roll it back."""
        try:
            self._connection.run(try_storing, is_trial=True)
        except InvalidRecord as error:
            # The test exchange is valid, so PostgreSQL itself caused the error.
            raise StoreUnavailable("postgres", error.detail) from error

    def stored(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Return L2's exchanges with these ids."""
        return self._connection.run(lambda c: stored_exchanges(c, exchanges), is_one_statement=True)

    def preferences(self, user_id: str, update_cache: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        """Return the preferences; call `update_cache` with them while no other writer can change them."""
        return self._connection.run(
            lambda c: read_preferences(c, user_id, update_cache),
            is_one_statement=update_cache is None,
            breaker=self._preferences_breaker,
        )

    def change_preferences(
        self,
        user_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        update_cache: Callable[[dict[str, str]], bool],
    ) -> dict[str, str]:
        """Set preferences, remove those whose value is None, and return all; see `Archive.change_preferences`."""
        breaker = self._preferences_breaker
        changed = self._connection.run(
            lambda c: change_preferences(c, user_id, changes, replace=replace), breaker=breaker
        )
        with add_outcome(_CHANGED_ONLY_IN_POSTGRES):
            self._connection.run(lambda c: publish_preferences(c, user_id, update_cache), breaker=breaker)
        return changed

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with its documents."""
        return self._connection.run(lambda c: read_thread(c, thread_id), is_one_statement=True)

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return threads newest first, each with its position in that order."""
        return self._connection.run(lambda c: list_threads(c, user_id, limit, before), is_one_statement=True)

    def messages(
        self,
        thread_id: str,
        limit: int,
        after: MessagePosition | None,
        *,
        descending: bool,
        owner: str | None = None,
    ) -> list[Message]:
        """Return a page of messages in thread order or in reverse, see `Archive.messages`."""
        return self._connection.run(
            lambda c: list_messages(c, thread_id, limit, after, descending=descending, owner=owner),
            is_one_statement=True,
        )

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread | None:
        """Set a title that later exchanges do not change, and return the thread.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`.
        """

        def work(connection: _Connection) -> Thread | None:
            lock_shared(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            return rename_thread(connection, thread_id, title)

        return self._connection.run(work)

    def forget_thread(
        self, thread_id: str, cutoff: UUID, owner: str | None = None, later: Collection[UUID] = ()
    ) -> tuple[bool, UUID]:
        """Delete the thread and store its tombstone; return whether the thread existed, and its cutoff.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`; nothing is deleted.
        """
        return self._erasure.forget_thread(thread_id, cutoff, owner, later)

    def forget_user(
        self,
        user_id: str,
        cutoff: UUID,
        extra_threads: Sequence[str],
        later: Mapping[str, Collection[UUID]] | None = None,
    ) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `extra_threads`, and the preferences; see `Archive.forget_user`."""
        return self._erasure.forget_user(user_id, cutoff, extra_threads, later or {})

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some hidden threads of a deleted user; None if no deleted user has hidden threads."""
        return self._erasure.hidden_threads()

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:
        """Detach a deleted user's threads; see `Archive.detach`."""
        self._erasure.detach(hidden, must_invalidate=must_invalidate)

    def erase_rows(self) -> int:
        """Delete some rows of deleted threads and users; return their number, 0 if no row is left."""
        return self._erasure.erase_rows()

    def count_messages(self) -> int:
        """Count the messages of some threads without a count; return the number of threads, 0 if none is left."""
        return self._purge.count_messages()

    def purge(self, table: PurgedTable) -> int:
        """Delete some expired rows; return their number, 0 if no row is left."""
        return self._purge.purge(table)

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, *, above: int = 0, owner: str | None = None
    ) -> Exchange | None:
        """Replace a stored exchange's texts with the next revision, and record that L1 needs an update."""

        def work(connection: _Connection) -> Exchange | None:
            lock_shared(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            replacement = postgres_exchanges.replace(connection, thread_id, exchange_id, texts, above)
            if replacement is not None:
                # The record is written in the same transaction as the change, as for a deletion.
                log_invalidations(connection, "thread", [thread_id])
                mark_due(connection, {thread_id: replacement.order}, self._derives)
            return replacement

        return self._connection.run(work)

    def delete_exchange(self, thread_id: str, exchange_id: UUID, owner: str | None = None) -> ExchangeDeletion:
        """Delete a stored exchange permanently, and record that L1 needs an update."""

        def work(connection: _Connection) -> ExchangeDeletion:
            lock_exclusive(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            outcome = postgres_exchanges.delete(connection, thread_id, exchange_id)
            if outcome == "deleted":
                log_invalidations(connection, "thread", [thread_id])
            return outcome

        return self._connection.run(work)

    def remove_deleted(self) -> int:
        """Remove rows of some deleted exchanges that an earlier release stored again; return the number of threads."""
        return self._purge.remove_deleted()

    def deleted_exchanges(self, thread_id: str, copies: Sequence[ExchangeCopy]) -> set[UUID]:
        """Return which of the thread's exchanges were deleted, individually or with the thread or their user."""
        return self._connection.run(
            lambda c: postgres_exchanges.deleted_among(c, thread_id, copies), is_one_statement=True
        )

    def owner(self, thread_id: str) -> ThreadOwner:
        """Return the thread's owner."""
        return self._connection.run(lambda c: owner_of(c, thread_id), is_one_statement=True)

    def claim_ownership(self, thread_id: str, user_id: str | None) -> ThreadOwner:
        """Set the thread's owner if it has none, and return the owner."""
        return self._connection.run(lambda c: claim_ownership(c, thread_id, user_id), is_one_statement=True)

    def user_cutoffs(self, user_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the cutoffs of the deleted ones among these users."""
        statement = "select user_id, cutoff from user_tombstones where user_id = any(%s)"
        rows = self._connection.run(lambda c: c.execute(statement, (list(user_ids),)).fetchall(), is_one_statement=True)
        return {row["user_id"]: row["cutoff"] for row in rows}

    def log_empty_cache(self) -> bool:
        """Record that L1 was found empty; return whether that was the first time."""
        return self._connection.run(health.log_empty_cache)

    def heartbeat(self) -> None:
        """Record that PostgreSQL and the sweep are up, and the start of their uptime."""
        self._connection.run(health.heartbeat, is_one_statement=True)

    def uptime_seconds(self) -> float:
        """Return for how many seconds PostgreSQL and the sweep have been up without a gap."""
        return self._connection.run(health.uptime_seconds, is_one_statement=True)

    def log_invalidations(self, kind: InvalidationKind, ids: Sequence[str]) -> None:
        """Record threads or users whose change L1 missed."""
        self._connection.run(lambda c: log_invalidations(c, kind, ids))

    def invalidations(self, limit: int) -> list[Invalidation]:
        """Return the oldest records of `log_invalidations`."""
        return self._connection.run(lambda c: oldest_invalidations(c, limit))

    def clear_invalidation(self, invalidation: Invalidation) -> None:
        """Delete a record, unless it was written again since it was read."""
        self._connection.run(lambda c: clear_invalidation(c, invalidation))

    def clock(self) -> float:
        """Return the Unix seconds of PostgreSQL's clock."""
        return self._connection.run(health.clock, is_one_statement=True)

    def ping(self) -> None:
        """Check that PostgreSQL can store exchanges, not only that it responds."""
        self.try_store()
