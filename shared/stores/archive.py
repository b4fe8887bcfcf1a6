"""What the memory asks of L2, and what L2 says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange, ExchangeTexts, Message, SearchHit, Thread

# The sweep beats once a minute; after a longer silence it, or PostgreSQL, was away.
HEALTH_GAP_SECONDS: Final = 100
# Longer than an exchange can be on its way: 14 days in the dead-letter queue, and as long again each time it is moved.
TOMBSTONE_SECONDS: Final = 90 * 86_400
# What grows with time, and is deleted in time.
PurgedTable = Literal["idempotency_keys", "thread_tombstones", "user_tombstones", "exchange_tombstones", "cache_epochs"]


@dataclass(frozen=True, slots=True)
class ThreadOwner:
    """Whose a thread is, as L2 says.

    Attributes:
        is_known: Whether it has an owner; with `user_id` None it is an anonymous one.
        cutoff: Order key of the thread's last deletion, after which this holds; None if it never was deleted.
    """

    is_known: bool
    user_id: str | None
    cutoff: UUID | None


@dataclass(frozen=True, slots=True)
class Window:
    """The newest exchanges of a thread in L2.

    Attributes:
        exchanges: Oldest first, at most as many as were asked for.
        is_all: Whether the thread has no older ones.
        cutoff: Order key of the thread's last deletion, None if it never was deleted.
        deleted: The exchanges that were deleted from it last.
        owner: Whose the thread is.
        user_cutoffs: Up to which order key the users are gone that were asked for, of those that were deleted.
        uptime: For how many seconds L2 and the sweep have been up, see `Archive.uptime_seconds`.
    """

    exchanges: list[Exchange]
    is_all: bool
    cutoff: UUID | None = None
    deleted: frozenset[UUID] = frozenset()
    owner: ThreadOwner = ThreadOwner(is_known=False, user_id=None, cutoff=None)
    user_cutoffs: Mapping[str, UUID] = field(default_factory=dict)
    uptime: float = 0.0

    def has_deleted(self, exchange_id: UUID | None, order: UUID | None) -> bool:
        """Return whether an exchange was deleted, by itself or with its thread."""
        return is_deleted(exchange_id, order, self.deleted, self.cutoff)


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What a batch did to L2.

    Attributes:
        stored: Exchanges that are new.
        duplicates: Exchanges that were there already.
        erased: Exchanges that a deletion had overtaken, so that they were dropped.
        effective: Every exchange of the batch that L2 now holds, as L2 holds it.
        rejected_owner: Exchanges that were refused, because another user has the thread.
    """

    stored: int
    duplicates: int
    erased: int
    effective: list[Exchange]
    rejected_owner: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HiddenThreads:
    """Threads that a deleted user still has in L2, where no reader finds them.

    Attributes:
        cutoffs: The order key up to which each is gone.
    """

    user_id: str
    cutoffs: Mapping[str, UUID]


# What became of an exchange that was to be deleted: it was there, it was deleted before, or it is not known.
ExchangeDeletion = Literal["deleted", "gone", "unknown"]
InvalidationKind = Literal["thread", "user"]


@dataclass(frozen=True, slots=True)
class Invalidation:
    """A thread or user whose change L1 did not hear of."""

    kind: InvalidationKind
    id: str
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class MessagePosition:
    """Where a page of messages starts: after (or, descending, before) this message."""

    order: UUID
    position: int


class Archive(Protocol):
    """L2: PostgreSQL. Every method raises `StoreUnavailable` when it does not answer."""

    def window(self, thread_id: str, limit: int, users: Collection[str] = ()) -> Window:
        """Return the newest `limit` exchanges, the thread's owner, and which of the users were deleted."""
        ...

    def exchange(self, thread_id: str, exchange_id: UUID) -> Exchange | None:
        """Return one exchange of the thread, however old."""
        ...

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store a batch, all or nothing, idempotently, in a constant number of statements.

        Raises:
            InvalidRecord: PostgreSQL refuses the data (of one of them).
            StatementRefused: PostgreSQL refuses it for another reason, of one of them or of all.
            StoreBusy: It took too long.
        """
        ...

    def try_store(self) -> None:
        """Store a made-up exchange and take it back, which shows whether a refusal is the record's fault.

        Raises:
            StoreUnavailable: PostgreSQL does not take it either.
        """
        ...

    def clock(self) -> float:
        """Return the Unix seconds of L2's clock."""
        ...

    def stored(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Return what L2 holds under the ids of these."""
        ...

    def preferences(self, user_id: str, then: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        """Return the preferences; `then` gets them while no other writer can change them."""
        ...

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

        Raises:
            TooManyPreferences: They would be more, or longer, than a user may have; nothing is changed.
        """
        ...

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with its documents."""
        ...

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return threads newest first, each with its place in that order."""
        ...

    def messages(
        self,
        thread_id: str,
        limit: int,
        after: MessagePosition | None,
        *,
        descending: bool,
        owner: str | None = None,
    ) -> list[Message]:
        """Return a page of messages in thread order; with `owner`, only of a thread of theirs."""
        ...

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread | None:
        """Title the thread for good.

        Raises:
            ThreadNotFound: It is not the `owner`'s.
        """
        ...

    def forget_thread(self, thread_id: str, cutoff: UUID, owner: str | None = None) -> tuple[bool, UUID]:
        """Delete the thread, remember it, and note that L1 has to be told.

        Returns whether there was one, and up to which order key it is gone.

        Raises:
            ThreadNotFound: It is not the `owner`'s; nothing is deleted.
        """
        ...

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, *, above: int = 0, owner: str | None = None
    ) -> Exchange | None:
        """Give a stored exchange other texts, and note that L1 has to be told.

        Its revision is the next one, higher than `above` too. Returns the exchange as it is now, with the documents of
        the texts; None if L2 does not hold it.

        Raises:
            ThreadNotFound: The thread is not the `owner`'s; nothing is changed.
            InvalidRecord: PostgreSQL refuses the texts.
        """
        ...

    def delete_exchange(self, thread_id: str, exchange_id: UUID, owner: str | None = None) -> ExchangeDeletion:
        """Delete a stored exchange for good, and note that L1 has to be told.

        Raises:
            ThreadNotFound: The thread is not the `owner`'s; nothing is deleted.
        """
        ...

    def remove_deleted(self) -> int:
        """Remove rows of deleted exchanges that a release before this one stored again, and return how many threads.

        A call looks at some thousand of the last day's deleted exchanges, the next one at those that follow, and so on
        round and round. L1 is told of each thread.
        """
        ...

    def deleted_exchanges(self, thread_id: str, exchange_ids: Sequence[UUID]) -> set[UUID]:
        """Return which of the exchanges were deleted from the thread."""
        ...

    def owner(self, thread_id: str) -> ThreadOwner:
        """Return whose the thread is."""
        ...

    def claim_ownership(self, thread_id: str, user_id: str | None) -> ThreadOwner:
        """Set the thread's owner unless it has one, and return the owner."""
        ...

    def forget_user(self, user_id: str, cutoff: UUID, also: Sequence[str]) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `also`, and the preferences, and note that L1 has to be told.

        Returns the order key up to which the user is gone, and the same for each thread in `also` and for as many
        others as a step takes; `hidden_threads` has the rest. No reader finds any of them from here on.
        """
        ...

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some of the threads that a deleted user still has; None if no deleted user has any."""
        ...

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:
        """Take a deleted user's threads out of the way; with `must_invalidate`, note that L1 has to be told of them."""
        ...

    def erase_rows(self) -> int:
        """Delete some of the rows of what was deleted; return how many, 0 if none is left."""
        ...

    def count_messages(self) -> int:
        """Count the messages of some threads that an older release stored; return of how many, 0 if none is left."""
        ...

    def purge(self, table: PurgedTable) -> int:
        """Delete some of what has been kept long enough; return how many rows, 0 if none is left."""
        ...

    def user_cutoffs(self, user_ids: Sequence[str]) -> dict[str, UUID]:
        """Return, for those of the users that were deleted, up to which order key they are gone."""
        ...

    def log_empty_cache(self) -> bool:
        """Remember that L1 was found empty; return whether that was the first time ever."""
        ...

    def heartbeat(self) -> None:
        """Note that L2 and the sweep are up, and since when without a gap."""
        ...

    def uptime_seconds(self) -> float:
        """Return for how long L2 and the sweep have been up without a gap of `HEALTH_GAP_SECONDS`."""
        ...

    def log_invalidations(self, kind: InvalidationKind, ids: Sequence[str]) -> None:
        """Remember threads or users whose change L1 did not hear of."""
        ...

    def invalidations(self, limit: int) -> list[Invalidation]:
        """Return the oldest of what `log_invalidations` remembered."""
        ...

    def clear_invalidation(self, repair: Invalidation) -> None:
        """Forget a repair, unless it was noted again meanwhile."""
        ...

    def search(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> list[SearchHit]:
        """Return the user's newest messages that hold the query's words."""
        ...

    def ping(self) -> None:
        """Return if it stores exchanges, within its timeout."""
        ...
