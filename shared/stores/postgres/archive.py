"""L2 in PostgreSQL, in SQL of its own (see the `sql` folder)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import orjson
import psycopg
from psycopg.rows import DictRow

from shared.errors import InvalidRecord, StoreBusy, StoreUnavailable, TooManyPreferences, leaving
from shared.models import Exchange, Message, SearchHit, Texts, Thread, format_time, preferences_fault, title_of
from shared.stores.archive import (
    HEALTH_GAP_SECONDS,
    ExchangeDeletion,
    HiddenThreads,
    MessagePosition,
    PurgedTable,
    Repair,
    RepairKind,
    StoreResult,
    ThreadOwner,
    Window,
)
from shared.stores.postgres import exchanges as postgres_exchanges
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.postgres.erasure import PostgresErasure, lock_preferences
from shared.stores.postgres.exchanges import exchanges_of
from shared.stores.postgres.idempotency import store_keys
from shared.stores.postgres.locks import lock_alone, lock_shared
from shared.stores.postgres.owners import claim, owner_of, require_owner
from shared.stores.postgres.purge import PostgresPurge
from shared.stores.postgres.repairs import note_repairs

_Connection = psycopg.Connection[DictRow]
_ROWS_AN_EXCHANGE: Final = 2
# Of a thread's deleted exchanges, as many as its readers are told of.
_MOST_DELETED: Final = 1_000
_CHANGED_BEHIND_THE_CACHE: Final = (
    "the preferences are changed in PostgreSQL and may still be as before in the cache, until the next sweep. "
    "Repeat the request to change them there at once"
)
# How often a batch is stored anew because it met the threads of a deleted user; each time they are taken away.
_MOST_TRIES: Final = 3
_STORE, _STORED, _WINDOW = sql("store"), sql("stored"), sql("window")
_THREAD, _THREADS, _SEARCH = sql("thread"), sql("threads"), sql("search")
_MESSAGES = {False: sql("messages_asc"), True: sql("messages_desc")}
_BEAT = sql("beat")
_BEFORE_ALL, _AFTER_ALL = UUID(int=0), UUID(int=(1 << 128) - 1)
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


class _HiddenThreadsFound(Exception):  # noqa: N818 - named for what is so; never leaves this module
    """A batch adds to threads that a deleted user still has."""

    def __init__(self, thread_ids: Sequence[str]) -> None:
        super().__init__()
        self.thread_ids = thread_ids


class PostgresArchive:
    """L2. Methods raise `StoreUnavailable` when PostgreSQL does not answer."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._erasure = PostgresErasure(connection)
        self._purge = PostgresPurge(connection)
        # What PostgreSQL has to do again before it counts as back: not only answer, but take an exchange.
        connection.check = _take_and_give_back

    def window(self, thread_id: str, limit: int) -> Window:
        """Return the newest `limit` exchanges, and the thread's last deletion."""
        wanted = {"thread_id": thread_id, "rows": limit * _ROWS_AN_EXCHANGE + 1, "deleted": _MOST_DELETED}
        rows = self._connection.run(lambda c: c.execute(_WINDOW, wanted).fetchall(), is_one_statement=True)
        cutoff = rows[0]["cutoff"]
        sides = [row for row in rows if row["position"] is not None]
        named = {row["exchange_id"] for row in rows if row["position"] is None} - {None}
        is_all = len(sides) <= limit * _ROWS_AN_EXCHANGE
        return Window(
            exchanges_of(thread_id, reversed(sides[: limit * _ROWS_AN_EXCHANGE])), is_all, cutoff, frozenset(named)
        )

    def exchange(self, thread_id: str, exchange_id: UUID) -> Exchange | None:
        """Return one exchange of the thread, however old."""
        wanted = {"thread_ids": [thread_id], "exchange_ids": [exchange_id]}
        rows = self._connection.run(lambda c: c.execute(_STORED, wanted).fetchall(), is_one_statement=True)
        return next(iter(exchanges_of(thread_id, rows)), None)

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store a batch, all or nothing, in two statements and one more if some were there already."""
        for _ in range(_MOST_TRIES):
            try:
                return self._connection.run(_storing(exchanges))
            except _HiddenThreadsFound as found:
                self._erasure.detach_threads(found.thread_ids)
        raise StoreBusy("postgres", "the users of these threads are being deleted again and again")

    def try_store(self) -> None:
        """Store a made-up exchange and take it back."""
        try:
            self._connection.run(_take_and_give_back, is_trial=True)
        except InvalidRecord as error:
            # Nothing is wrong with the made-up one.
            raise StoreUnavailable("postgres", error.detail) from error

    def stored(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Return what L2 holds under the ids of these."""
        return self._connection.run(lambda c: _stored(c, exchanges), is_one_statement=True)

    def preferences(self, user_id: str, then: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        """Return the preferences; `then` gets them while no other writer can change them."""

        def work(connection: _Connection) -> dict[str, str]:
            if then is not None:
                lock_preferences(connection, user_id)
            found = _preferences(connection, user_id)
            if then is not None:
                then(found)
            return found

        return self._connection.run(work)

    def change_preferences(
        self,
        user_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        then: Callable[[dict[str, str]], bool],
    ) -> dict[str, str]:
        """Set (or with None remove) preferences and return all.

        `then` gets them before another writer can change them, and says whether L1 has them; else a repair is noted.
        """
        removed = [key for key, value in changes.items() if value is None]
        kept = [(key, value) for key, value in changes.items() if value is not None]

        def work(connection: _Connection) -> dict[str, str]:
            lock_preferences(connection, user_id)
            connection.execute(
                "delete from user_preferences where user_id = %s and (key = any(%s) or (%s and not key = any(%s)))",
                (user_id, removed, replace, [key for key, _ in kept]),
            )
            connection.execute(
                "insert into user_preferences as p (user_id, key, value)"
                " select %s, given.key, given.value from unnest(%s::text[], %s::text[]) as given (key, value)"
                " on conflict (user_id, key) do update set value = excluded.value, updated_at = now()"
                " where p.value <> excluded.value",
                (user_id, [key for key, _ in kept], [value for _, value in kept]),
            )
            changed = _preferences(connection, user_id)
            if fault := preferences_fault(changed):
                # Within the transaction, so that nothing of the change stays.
                raise TooManyPreferences(fault)
            # Owed until L1 is told, also by whoever comes after a process that dies in between.
            note_repairs(connection, "user", [user_id])
            return changed

        def publish(connection: _Connection) -> None:
            # After the commit, so that L1 never holds what L2 does not; under the lock, so that the newest stays.
            lock_preferences(connection, user_id)
            if then(_preferences(connection, user_id)):
                connection.execute("delete from cache_repairs where kind = 'user' and id = %s", (user_id,))

        changed = self._connection.run(work)
        with leaving(_CHANGED_BEHIND_THE_CACHE):
            self._connection.run(publish)
        return changed

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with its documents."""
        row = self._connection.run(
            lambda c: c.execute(_THREAD, {"thread_id": thread_id}).fetchone(), is_one_statement=True
        )
        return _thread(row) if row else None

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return threads newest first, each with its place in that order."""
        time, row_id = before or (_END_OF_TIME, _AFTER_ALL)
        wanted = {"user_id": user_id, "rows": limit, "before_time": time, "before_id": row_id}
        rows = self._connection.run(lambda c: c.execute(_THREADS, wanted).fetchall(), is_one_statement=True)
        return [(_thread(row), (row["updated_at"], row["id"])) for row in rows]

    def messages(
        self,
        thread_id: str,
        limit: int,
        after: MessagePosition | None,
        *,
        descending: bool,
        owner: str | None = None,
    ) -> list[Message]:
        """Return a page of messages in thread order, or in reverse; with `owner`, only of a thread of theirs."""
        start = after or (MessagePosition(_AFTER_ALL, 2) if descending else MessagePosition(_BEFORE_ALL, -1))
        wanted = {
            "thread_id": thread_id,
            "rows": limit,
            "order_key": start.order,
            "position": start.position,
            "owner": owner,
        }
        rows = self._connection.run(
            lambda c: c.execute(_MESSAGES[descending], wanted).fetchall(), is_one_statement=True
        )
        return [
            Message(
                row["role"],
                row["content"],
                row["exchange_id"],
                row["created_at"],
                row["order_key"],
                metadata=row["metadata"],
                revision=row["revision"],
            )
            for row in rows
        ]

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread | None:
        """Title the thread for good.

        Raises:
            ThreadNotFound: It is not the `owner`'s.
        """

        def work(connection: _Connection) -> Thread | None:
            lock_shared(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            connection.execute(
                "update conversations c set title = %s, title_is_fixed = true from live_conversations l"
                " where l.thread_id = %s and c.id = l.id",
                (title, thread_id),
            )
            row = connection.execute(_THREAD, {"thread_id": thread_id}).fetchone()
            return _thread(row) if row else None

        return self._connection.run(work)

    def forget_thread(self, thread_id: str, cutoff: UUID, owner: str | None = None) -> tuple[bool, UUID]:
        """Delete the thread and remember it; return whether there was one, and up to which order key it is gone.

        Raises:
            ThreadNotFound: It is not the `owner`'s; nothing is deleted.
        """
        return self._erasure.forget_thread(thread_id, cutoff, owner)

    def forget_user(self, user_id: str, cutoff: UUID, also: Sequence[str]) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `also`, and the preferences.

        Returns the order key up to which the user is gone, and the same for each thread.
        """
        return self._erasure.forget_user(user_id, cutoff, also)

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some of the threads that a deleted user still has; None if no deleted user has any."""
        return self._erasure.hidden_threads()

    def detach(self, hidden: HiddenThreads, *, must_tell_cache: bool) -> None:
        """Take a deleted user's threads out of the way; with `must_tell_cache`, note that L1 has to be told of them."""
        self._erasure.detach(hidden, must_tell_cache=must_tell_cache)

    def erase_rows(self) -> int:
        """Delete some of the rows of what was deleted; return how many, 0 if none is left."""
        return self._erasure.erase_rows()

    def count_messages(self) -> int:
        """Count the messages of some threads that an older release stored; return of how many, 0 if none is left."""
        return self._purge.count_messages()

    def purge(self, table: PurgedTable) -> int:
        """Delete some of what has been kept long enough; return how many rows, 0 if none is left."""
        return self._purge.purge(table)

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, texts: Texts, *, above: int = 0, owner: str | None = None
    ) -> Exchange | None:
        """Give a stored exchange other texts under the next revision, and note that L1 has to be told."""

        def work(connection: _Connection) -> Exchange | None:
            lock_shared(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            made = postgres_exchanges.replace(connection, thread_id, exchange_id, texts, above)
            if made is not None:
                # With the change itself, as for a deletion.
                note_repairs(connection, "thread", [thread_id])
            return made

        return self._connection.run(work)

    def delete_exchange(self, thread_id: str, exchange_id: UUID, owner: str | None = None) -> ExchangeDeletion:
        """Delete a stored exchange for good, and note that L1 has to be told."""

        def work(connection: _Connection) -> ExchangeDeletion:
            lock_alone(connection, [thread_id])
            require_owner(connection, thread_id, owner)
            outcome = postgres_exchanges.delete(connection, thread_id, exchange_id)
            if outcome == "deleted":
                note_repairs(connection, "thread", [thread_id])
            return outcome

        return self._connection.run(work)

    def remove_deleted(self) -> int:
        """Remove rows of some deleted exchanges that an older release stored again; return how many threads."""
        return self._purge.remove_deleted()

    def deleted_exchanges(self, thread_id: str, exchange_ids: Sequence[UUID]) -> set[UUID]:
        """Return which of the exchanges were deleted from the thread."""
        return self._connection.run(
            lambda c: postgres_exchanges.deleted_among(c, thread_id, exchange_ids), is_one_statement=True
        )

    def owner(self, thread_id: str) -> ThreadOwner:
        """Return whose the thread is."""
        return self._connection.run(lambda c: owner_of(c, thread_id), is_one_statement=True)

    def claim(self, thread_id: str, user_id: str | None) -> ThreadOwner:
        """Make the thread the user's unless it is somebody's already, and return whose it is now."""

        def work(connection: _Connection) -> ThreadOwner:
            # After a deletion that is under way, or before it begins.
            lock_shared(connection, [thread_id], [user_id])
            return claim(connection, thread_id, user_id)

        return self._connection.run(work)

    def user_cutoffs(self, user_ids: Sequence[str]) -> dict[str, UUID]:
        """Return, for those of the users that were deleted, up to which order key they are gone."""
        statement = "select user_id, cutoff from user_tombstones where user_id = any(%s)"
        rows = self._connection.run(lambda c: c.execute(statement, (list(user_ids),)).fetchall(), is_one_statement=True)
        return {row["user_id"]: row["cutoff"] for row in rows}

    def note_epoch(self) -> bool:
        """Remember that L1 was found empty; return whether that was the first time ever."""
        statement = (
            "insert into cache_epochs default values returning not exists (select from cache_epochs) as is_first"
        )
        return self._connection.run(lambda c: bool(_one(c, statement.encode(), {})["is_first"]))

    def beat(self) -> None:
        """Note that PostgreSQL and the sweep are up, and since when without a gap."""
        self._connection.run(lambda c: c.execute(_BEAT, {"gap": HEALTH_GAP_SECONDS}), is_one_statement=True)

    def healthy_seconds(self) -> float:
        """Return for how long PostgreSQL and the sweep have been up without a gap."""
        statement = (
            b"select extract(epoch from clock_timestamp() - healthy_since)::float8 as seconds from drain_health"
            b" where beat_at > clock_timestamp() - make_interval(secs => %(gap)s)"
        )
        wanted = {"gap": HEALTH_GAP_SECONDS}
        row = self._connection.run(lambda c: c.execute(statement, wanted).fetchone(), is_one_statement=True)
        return float(row["seconds"]) if row else 0.0

    def note_repairs(self, kind: RepairKind, ids: Sequence[str]) -> None:
        """Remember threads or users whose change L1 did not hear of."""
        self._connection.run(lambda c: note_repairs(c, kind, ids))

    def repairs(self, limit: int) -> list[Repair]:
        """Return the oldest of what `note_repairs` remembered."""
        rows = self._connection.run(
            lambda c: c.execute(
                "select kind, id, noted_at from cache_repairs order by noted_at limit %s", (limit,)
            ).fetchall()
        )
        return [Repair(**row) for row in rows]

    def repaired(self, repair: Repair) -> None:
        """Forget a repair, unless it was noted again meanwhile."""
        self._connection.run(
            lambda c: c.execute(
                "delete from cache_repairs where kind = %s and id = %s and noted_at = %s",
                (repair.kind, repair.id, repair.noted_at),
            )
        )

    def search(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> list[SearchHit]:
        """Return the user's messages that hold any of the query's words of three letters or more, best first."""
        words = sorted({word.lower() for word in re.findall(r"\w{3,}", query)})[:20]
        patterns = ["%" + word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%" for word in words]
        wanted = {"user_id": user_id, "patterns": patterns, "rows": limit, "exclude_thread": exclude_thread}
        rows = self._connection.run(lambda c: c.execute(_SEARCH, wanted).fetchall(), is_one_statement=True)
        return [SearchHit(**row) for row in rows]

    def clock(self) -> float:
        """Return the Unix seconds of PostgreSQL's clock."""
        statement = b"select extract(epoch from clock_timestamp())::float8 as seconds"
        row = self._connection.run(lambda c: c.execute(statement).fetchone(), is_one_statement=True)
        return float(row["seconds"]) if row else 0.0

    def ping(self) -> None:
        """Return if it stores exchanges, which an answer alone does not show."""
        self.try_store()


def _storing(exchanges: Sequence[Exchange]) -> Callable[[_Connection], StoreResult]:
    batch = orjson.dumps([_record(number, exchange) for number, exchange in enumerate(exchanges)]).decode()
    threads = {exchange.thread_id for exchange in exchanges}
    users = {exchange.user_id for exchange in exchanges}

    def work(connection: _Connection) -> StoreResult:
        lock_shared(connection, threads, users)
        rows = connection.execute(_STORE, {"batch": batch}).fetchall()
        by_fate: dict[str, list[Exchange]] = {
            fate: [] for fate in ("stored", "replaced", "duplicate", "erased", "foreign", "hidden")
        }
        for row in rows:
            by_fate[row["fate"]].append(exchanges[row["number"]])
        if by_fate["hidden"]:
            raise _HiddenThreadsFound(sorted({exchange.thread_id for exchange in by_fate["hidden"]}))
        if by_fate["erased"]:
            # Who sent them may have told L1 of them, where the deletion is forgotten.
            note_repairs(connection, "thread", [exchange.thread_id for exchange in by_fate["erased"]])
        duplicates = by_fate["duplicate"]
        foreign = {exchange.key for exchange in by_fate["foreign"]}
        store_keys(connection, [exchange for exchange in exchanges if exchange.key not in foreign])
        return StoreResult(
            stored=len(by_fate["stored"]),
            duplicates=len(duplicates) + len(by_fate["replaced"]),
            erased=len(by_fate["erased"]),
            effective=by_fate["stored"] + by_fate["replaced"] + _stored(connection, duplicates),
            foreign=by_fate["foreign"],
        )

    return work


def _take_and_give_back(connection: _Connection) -> None:
    """Store an exchange that uses every column and table that one can use, and roll it back."""
    now = datetime.now(UTC)
    made_up = Exchange(uuid4(), f"trial:{uuid4()}", "trial", "question", "answer", now, ("document",), "{}")
    with connection.transaction(force_rollback=True):
        _storing([made_up])(connection)


def _record(number: int, exchange: Exchange) -> dict[str, Any]:
    return {
        "number": number,
        "exchange_id": str(exchange.exchange_id),
        "order_key": str(exchange.order),
        "thread_id": exchange.thread_id,
        "user_id": exchange.user_id,
        "title": title_of(exchange.user_message),
        "user_message": exchange.user_message,
        "assistant_message": exchange.assistant_message,
        "created_at": format_time(exchange.created_at),
        "document_ids": list(exchange.document_ids),
        # As text: the batch is jsonb, which would write it in another form.
        "metadata": exchange.metadata,
        "revision": exchange.revision,
    }


def _one(connection: _Connection, statement: bytes, wanted: Mapping[str, Any]) -> DictRow:
    row = connection.execute(statement, wanted).fetchone()
    if row is None:
        raise psycopg.InterfaceError("a statement that always has a row had none")
    return row


def _preferences(connection: _Connection, user_id: str) -> dict[str, str]:
    rows = connection.execute("select key, value from user_preferences where user_id = %s", (user_id,)).fetchall()
    return {row["key"]: row["value"] for row in rows}


def _stored(connection: _Connection, exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return what L2 holds of exchanges that were there already."""
    if not exchanges:
        return []
    wanted = {
        "thread_ids": [exchange.thread_id for exchange in exchanges],
        "exchange_ids": [exchange.exchange_id for exchange in exchanges],
    }
    by_thread: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_STORED, wanted).fetchall():
        by_thread.setdefault(row["thread_id"], []).append(row)
    return [exchange for thread_id, rows in by_thread.items() for exchange in exchanges_of(thread_id, rows)]


def _thread(row: DictRow) -> Thread:
    documents = row.get("document_ids")
    return Thread(
        thread_id=row["thread_id"],
        user_id=row["user_id"],
        title=row["title"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        message_count=row["message_count"],
        document_ids=None if documents is None else tuple(documents),
    )
