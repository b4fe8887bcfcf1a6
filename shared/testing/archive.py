"""PostgreSQL (L2) in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from shared.cutoffs import end_of_raise, is_deleted, is_reached
from shared.errors import ThreadNotFound, TooManyPreferences
from shared.models import Exchange, ExchangeTexts, Message, Thread, preferences_error
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
from shared.testing.learning import InMemoryLearning


class InMemoryArchive(InMemoryLearning):
    """L2 in memory.

    Attributes:
        heartbeats: The times of the heartbeats and of the outages.
        expired_rows: The number of expired rows of each table.
        time: The clock, in Unix seconds.
    """

    layer = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self._epochs = 0
        self.expired_rows: dict[PurgedTable, int] = {}

    def exchanges(self, thread_id: str) -> list[Exchange]:
        """Return the thread's exchanges in order."""
        conversation = self._conversations.get(thread_id)
        return conversation.in_order() if conversation else []

    def window(self, thread_id: str, limit: int, users: Collection[str] = ()) -> Window:
        """Return the newest `limit` exchanges, the thread's owner, and the cutoffs of those users who were deleted."""
        self.record_call("window")
        exchanges, cutoff = self.exchanges(thread_id), self.deleted_threads.get(thread_id)
        deleted = frozenset(self.deleted_ids.get(thread_id, ()))
        user_cutoffs = {user_id: self.deleted_users[user_id] for user_id in users if user_id in self.deleted_users}
        owner = self._owner(thread_id)
        uptime = self.heartbeats.uptime(self.time())
        return Window(exchanges[-limit:], len(exchanges) <= limit, cutoff, deleted, owner, user_cutoffs, uptime)

    def exchange(self, thread_id: str, exchange_id: UUID) -> Exchange | None:
        """Return one exchange of the thread."""
        self.record_call("exchange")
        return next((each for each in self.exchanges(thread_id) if each.exchange_id == exchange_id), None)

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store a batch, idempotently."""
        self.record_call("store")
        stored, tombstoned = 0, 0
        rejected_owner: list[Exchange] = []
        effective: dict[tuple[str, UUID], Exchange] = {}
        for exchange in exchanges:
            cutoffs = [self.deleted_threads.get(exchange.thread_id), self.deleted_users.get(exchange.user_id or "")]
            deleted = self.deleted_ids.get(exchange.thread_id, ())
            if is_deleted(exchange.exchange_id, exchange.acceptance, deleted, *cutoffs):
                tombstoned += 1
                self._invalidations["thread", exchange.thread_id] = datetime.now(UTC)
                continue
            if self.owners.get(exchange.thread_id, exchange.user_id) != exchange.user_id:
                rejected_owner.append(exchange)
                continue
            stored += self._conversations.add(exchange)
            thread = self._conversations[exchange.thread_id]
            effective[exchange.thread_id, exchange.exchange_id] = thread.exchanges[exchange.exchange_id]
        self._mark_due({each.thread_id: each.order for each in sorted(effective.values(), key=_order, reverse=True)})
        duplicates = len(exchanges) - tombstoned - stored - len(rejected_owner)
        return StoreResult(stored, duplicates, tombstoned, list(effective.values()), rejected_owner)

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, *, above: int = 0, owner: str | None = None
    ) -> Exchange | None:
        """Replace a stored exchange's texts with the next revision."""
        self.record_call("replace_exchange")
        self._require(thread_id, owner)
        thread = self._conversations.get(thread_id)
        replacement = thread.revise(exchange_id, texts, above) if thread else None
        if replacement is not None:
            self._mark_due({thread_id: replacement.order})
            self._invalidations["thread", thread_id] = datetime.now(UTC)
        return replacement

    def delete_exchange(self, thread_id: str, exchange_id: UUID, owner: str | None = None) -> ExchangeDeletion:
        """Delete a stored exchange permanently."""
        self.record_call("delete_exchange")
        self._require(thread_id, owner)
        thread = self._conversations.get(thread_id)
        if exchange_id in self.deleted_ids.get(thread_id, ()):
            return "gone"
        if thread is None or not thread.remove(exchange_id):
            return "unknown"
        self.deleted_ids.setdefault(thread_id, set()).add(exchange_id)
        self._invalidations["thread", thread_id] = datetime.now(UTC)
        return "deleted"

    def remove_deleted(self) -> int:
        """Return 0, because no previous release has written rows."""
        self.record_call("remove_deleted")
        return 0

    def deleted_exchanges(self, thread_id: str, copies: Sequence[ExchangeCopy]) -> set[UUID]:
        """Return which of the thread's exchanges were deleted, individually or with the thread or their user."""
        self.record_call("deleted_exchanges")
        deleted, cutoff = self.deleted_ids.get(thread_id, set()), self.deleted_threads.get(thread_id)
        return {
            each.exchange_id
            for each in copies
            if is_deleted(
                each.exchange_id, each.acceptance, deleted, cutoff, self.deleted_users.get(each.user_id or "")
            )
        }

    def try_store(self) -> None:
        """Do nothing, because this store accepts every exchange."""
        self.record_call("try_store")

    def clock(self) -> float:
        """Return the Unix seconds of this store's clock."""
        self.record_call("clock")
        return self.time()

    def stored(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Return the stored exchanges with these ids."""
        self.record_call("stored")
        threads = [(self._conversations.get(each.thread_id), each.exchange_id) for each in exchanges]
        return [each.exchanges[name] for each, name in threads if each is not None and name in each.exchanges]

    def preferences(self, user_id: str, update_cache: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        """Return the preferences, and give them to `update_cache`."""
        self.record_call("preferences")
        preferences = dict(self._preferences.get(user_id, {}))
        if update_cache is not None:
            update_cache(preferences)
        return preferences

    def change_preferences(
        self,
        user_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        update_cache: Callable[[dict[str, str]], bool],
    ) -> dict[str, str]:
        """Set preferences, or remove those that are None. Give all to `update_cache`, and return them."""
        self.record_call("change_preferences")
        changed = {} if replace else dict(self._preferences.get(user_id, {}))
        for key, value in changes.items():
            if value is None:
                changed.pop(key, None)
            else:
                changed[key] = value
        if reason := preferences_error(changed):
            raise TooManyPreferences(reason)
        self._preferences[user_id] = changed
        if not update_cache(dict(changed)):
            self._invalidations["user", user_id] = datetime.now(UTC)
        return dict(changed)

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with its documents."""
        self.record_call("thread")
        return self._conversations.thread(thread_id)

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return threads newest first, each with its position in that order."""
        self.record_call("threads")
        return self._conversations.threads(user_id, limit, before)

    def messages(
        self,
        thread_id: str,
        limit: int,
        after: MessagePosition | None,
        *,
        descending: bool,
        owner: str | None = None,
    ) -> list[Message]:
        """Return a page of messages in thread order, or in reverse."""
        self.record_call("messages")
        conversation = self._conversations.get(thread_id)
        if conversation is not None and owner is not None and conversation.user_id != owner:
            return []
        return self._conversations.messages(thread_id, limit, after, descending=descending)

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread | None:
        """Set the thread's title permanently."""
        self.record_call("rename")
        self._require(thread_id, owner)
        if thread_id in self._conversations:
            self._conversations[thread_id].title = title
            self._conversations[thread_id].title_is_fixed = True
        return self._conversations.thread(thread_id)

    def forget_thread(
        self, thread_id: str, cutoff: UUID, owner: str | None = None, later: Collection[UUID] = ()
    ) -> tuple[bool, UUID]:
        """Delete the thread and store its tombstone; return whether it existed, and its cutoff."""
        self.record_call("forget_thread")
        self._require(thread_id, owner)
        cutoff = max([cutoff, *self._keys_before(end_of_raise(cutoff), [thread_id])])
        return self._forget_thread(thread_id, cutoff, later)

    def _keys_before(self, end: UUID, thread_ids: Sequence[str]) -> list[UUID]:
        stored = [exchange for thread_id in thread_ids for exchange in self.exchanges(thread_id)]
        return [key for exchange in stored for key in (exchange.order, exchange.acceptance) if key < end]

    def _forget_thread(self, thread_id: str, cutoff: UUID, later: Collection[UUID] = ()) -> tuple[bool, UUID]:
        stored_later = [e.exchange_id for e in self.exchanges(thread_id) if not is_reached(e.acceptance, cutoff)]
        if deleted := {*later, *stored_later}:
            self.deleted_ids.setdefault(thread_id, set()).update(deleted)
        cutoff = max(cutoff, self.deleted_threads.get(thread_id, cutoff))
        self.deleted_threads[thread_id] = cutoff
        self._invalidations["thread", thread_id] = datetime.now(UTC)
        self.owners.pop(thread_id, None)
        return self._conversations.pop(thread_id, None) is not None, cutoff

    def forget_user(
        self,
        user_id: str,
        cutoff: UUID,
        extra_threads: Sequence[str],
        later: Mapping[str, Collection[UUID]] | None = None,
    ) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `extra_threads` without another owner, and the preferences."""
        self.record_call("forget_user")
        owned = [name for name, each in self._conversations.items() if each.user_id == user_id]
        claimed = [name for name, owner in self.owners.items() if owner == user_id]
        without_rows = [
            name
            for name in dict.fromkeys([*extra_threads, *claimed])
            if name not in self._conversations and self.owners.get(name, user_id) == user_id
        ]
        cutoff = max([cutoff, *self._keys_before(end_of_raise(cutoff), owned)])
        cutoffs = {name: self._forget_thread(name, cutoff)[1] for name in [*owned, *without_rows]}
        for name, exchange_ids in (later or {}).items():
            self.deleted_ids.setdefault(name, set()).update(exchange_ids)
        self._preferences.pop(user_id, None)
        self._forget_learning(user_id)
        cutoff = max(cutoff, self.deleted_users.get(user_id, cutoff))
        self.deleted_users[user_id] = cutoff
        self._invalidations["user", user_id] = datetime.now(UTC)
        return cutoff, cutoffs

    def hidden_threads(self) -> HiddenThreads | None:
        """Return None, because a deletion removes everything immediately."""
        self.record_call("hidden_threads")
        return None

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:  # noqa: ARG002 - the protocol's parameters
        """Do nothing."""
        self.record_call("detach")

    def erase_rows(self) -> int:
        """Return 0, because no rows are left."""
        self.record_call("erase_rows")
        return 0

    def count_messages(self) -> int:
        """Return 0, because all are counted."""
        self.record_call("count_messages")
        return 0

    def purge(self, table: PurgedTable) -> int:
        """Return the number of expired rows, and reset it."""
        self.record_call("purge")
        return self.expired_rows.pop(table, 0)

    def owner(self, thread_id: str) -> ThreadOwner:
        """Return the thread's owner."""
        self.record_call("owner")
        return self._owner(thread_id)

    def _owner(self, thread_id: str) -> ThreadOwner:
        cutoff, conversation = self.deleted_threads.get(thread_id), self._conversations.get(thread_id)
        if thread_id in self.owners:
            return ThreadOwner(is_known=True, user_id=self.owners[thread_id], cutoff=cutoff)
        return ThreadOwner(conversation is not None, None if conversation is None else conversation.user_id, cutoff)

    def claim_ownership(self, thread_id: str, user_id: str | None) -> ThreadOwner:
        """Set the thread's owner if it has none, and return the owner."""
        self.record_call("claim_ownership")
        owner = self._owner(thread_id)
        self.owners[thread_id] = owner.user_id if owner.is_known else user_id
        return self._owner(thread_id)

    def _require(self, thread_id: str, owner: str | None) -> None:
        stored_owner = self._owner(thread_id)
        if owner is not None and stored_owner.is_known and stored_owner.user_id != owner:
            raise ThreadNotFound(thread_id)

    def user_cutoffs(self, user_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the cutoffs of those of the users who were deleted."""
        self.record_call("user_cutoffs")
        return {user_id: self.deleted_users[user_id] for user_id in user_ids if user_id in self.deleted_users}

    def log_empty_cache(self) -> bool:
        """Record that L1 was found empty; return whether that was the first time."""
        self.record_call("log_empty_cache")
        self._epochs += 1
        return self._epochs == 1

    def heartbeat(self) -> None:
        """Record that L2 and the sweep are up."""
        self.record_call("heartbeat")
        self.heartbeats.beat(self.time())

    def uptime_seconds(self) -> float:
        """Return how long L2 and the sweep have been up."""
        self.record_call("uptime_seconds")
        return self.heartbeats.uptime(self.time())

    def log_invalidations(self, kind: InvalidationKind, ids: Sequence[str]) -> None:
        """Record threads or users whose change L1 missed."""
        self.record_call("log_invalidations")
        for name in ids:
            self._invalidations[kind, name] = datetime.now(UTC)

    def invalidations(self, limit: int) -> list[Invalidation]:
        """Return the oldest records of `log_invalidations`."""
        self.record_call("invalidations")
        logged = [Invalidation(kind, name, noted_at) for (kind, name), noted_at in self._invalidations.items()]
        return sorted(logged, key=lambda invalidation: invalidation.noted_at)[:limit]

    def clear_invalidation(self, invalidation: Invalidation) -> None:
        """Delete a record, unless it was written again meanwhile."""
        self.record_call("clear_invalidation")
        if self._invalidations.get((invalidation.kind, invalidation.id)) == invalidation.noted_at:
            del self._invalidations[invalidation.kind, invalidation.id]


def _order(exchange: Exchange) -> UUID:
    return exchange.order
