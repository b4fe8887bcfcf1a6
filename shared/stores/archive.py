"""L2's protocol and results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange, ExchangeTexts, Message, SearchHit, Thread

# The sweep writes a heartbeat once a minute; a longer gap means that it or PostgreSQL was down.
MAX_HEARTBEAT_GAP_SECONDS: Final = 100
# A tombstone must outlive every queued copy. A message can live 14 days in the dead-letter queue, and as long again
# after each move.
TOMBSTONE_SECONDS: Final = 90 * 86_400
# Tables that grow with time and are purged.
PurgedTable = Literal["idempotency_keys", "thread_tombstones", "user_tombstones", "exchange_tombstones", "cache_epochs"]


@dataclass(frozen=True, slots=True)
class ThreadOwner:
    """The owner of a thread in L2.

    Attributes:
        is_known: Whether it has an owner; with `user_id` None the owner is anonymous.
        cutoff: The order key of the thread's last deletion, after which this owner is valid; None if it was never
            deleted.
    """

    is_known: bool
    user_id: str | None
    cutoff: UUID | None


@dataclass(frozen=True, slots=True)
class Window:
    """The newest exchanges of a thread in L2.

    Attributes:
        exchanges: Oldest first, at most the requested number.
        is_all: Whether the thread has no older ones.
        cutoff: The order key of the thread's last deletion; None if it was never deleted.
        deleted: The most recently deleted exchanges of the thread.
        owner: The thread's owner.
        user_cutoffs: The cutoffs of those of the requested users who were deleted.
        uptime: How many seconds L2 and the sweep have been up, see `Archive.uptime_seconds`.
    """

    exchanges: list[Exchange]
    is_all: bool
    cutoff: UUID | None = None
    deleted: frozenset[UUID] = frozenset()
    owner: ThreadOwner = ThreadOwner(is_known=False, user_id=None, cutoff=None)
    user_cutoffs: Mapping[str, UUID] = field(default_factory=dict)
    uptime: float = 0.0

    def has_deleted(self, exchange_id: UUID | None, order: UUID | None) -> bool:
        """Return whether an exchange was deleted, alone or with its thread."""
        return is_deleted(exchange_id, order, self.deleted, self.cutoff)


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The effect of a batch on L2.

    Attributes:
        stored: New exchanges.
        duplicates: Exchanges that L2 had already.
        tombstoned: Exchanges dropped because of a newer deletion.
        effective: L2's version of every exchange of the batch that L2 now has.
        rejected_owner: Exchanges refused because the thread belongs to another user.
    """

    stored: int
    duplicates: int
    tombstoned: int
    effective: list[Exchange]
    rejected_owner: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HiddenThreads:
    """Threads of a deleted user that still have rows in L2, hidden from all readers.

    Attributes:
        cutoffs: The cutoff of each thread.
    """

    user_id: str
    cutoffs: Mapping[str, UUID]


# The result of deleting an exchange: it existed, it was deleted before, or it is unknown.
ExchangeDeletion = Literal["deleted", "gone", "unknown"]
InvalidationKind = Literal["thread", "user"]


@dataclass(frozen=True, slots=True)
class Invalidation:
    """A thread or user whose change L1 missed."""

    kind: InvalidationKind
    id: str
    noted_at: datetime


@dataclass(frozen=True, slots=True)
class MessagePosition:
    """The start of a page: after (or, descending, before) this message."""

    order: UUID
    position: int


class Archive(Protocol):
    """L2: PostgreSQL. Every method raises `StoreUnavailable` if it does not respond."""

    def window(self, thread_id: str, limit: int, users: Collection[str] = ()) -> Window:
        """Return the newest `limit` exchanges, the thread's owner, and the cutoffs of those users who were deleted."""
        ...

    def exchange(self, thread_id: str, exchange_id: UUID) -> Exchange | None:
        """Return one exchange of the thread, of any age."""
        ...

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store a batch, all or nothing, idempotently, in a constant number of statements.

        Raises:
            InvalidRecord: PostgreSQL refuses the data of one of them.
            StatementRefused: PostgreSQL refuses one or all of them for another reason.
            StoreBusy: It took too long.
        """
        ...

    def try_store(self) -> None:
        """Store and roll back a test exchange, which shows whether a refusal was caused by the record.

        Raises:
            StoreUnavailable: PostgreSQL refuses the test exchange, too.
        """
        ...

    def clock(self) -> float:
        """Return the Unix seconds of L2's clock."""
        ...

    def stored(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Return L2's exchanges with these ids."""
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
        """Set preferences, or remove those that are None, and return all.

        `then` gets them before another writer can change them, and returns whether L1 has them; otherwise L1's missing
        update is recorded.

        Raises:
            TooManyPreferences: They would exceed a limit; nothing is changed.
        """
        ...

    def thread(self, thread_id: str) -> Thread | None:
        """Return the thread with its documents."""
        ...

    def threads(
        self, user_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> list[tuple[Thread, tuple[datetime, UUID]]]:
        """Return threads newest first, each with its position in that order."""
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
        """Return a page of messages in thread order; with `owner`, only if the thread is that user's."""
        ...

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread | None:
        """Set the thread's title permanently.

        Raises:
            ThreadNotFound: It does not belong to `owner`.
        """
        ...

    def forget_thread(self, thread_id: str, cutoff: UUID, owner: str | None = None) -> tuple[bool, UUID]:
        """Delete the thread, store its tombstone, and record that L1 needs an update.

        Returns whether it existed, and its cutoff.

        Raises:
            ThreadNotFound: It does not belong to `owner`; nothing is deleted.
        """
        ...

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, *, above: int = 0, owner: str | None = None
    ) -> Exchange | None:
        """Replace a stored exchange's texts, and record that L1 needs an update.

        Its revision is the next one, and higher than `above`. Returns the new exchange with its documents; None if L2
        does not have it.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`; nothing is changed.
            InvalidRecord: PostgreSQL refuses the texts.
        """
        ...

    def delete_exchange(self, thread_id: str, exchange_id: UUID, owner: str | None = None) -> ExchangeDeletion:
        """Delete a stored exchange permanently, and record that L1 needs an update.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`; nothing is deleted.
        """
        ...

    def remove_deleted(self) -> int:
        """Remove rows of deleted exchanges that a previous release stored again; return the number of threads.

        A call checks some thousand of the last day's deleted exchanges, the next call the following ones, and so on in
        a cycle. The record that L1 needs an update is written for each thread.
        """
        ...

    def deleted_exchanges(self, thread_id: str, exchange_ids: Sequence[UUID]) -> set[UUID]:
        """Return which of the exchanges were deleted from the thread."""
        ...

    def owner(self, thread_id: str) -> ThreadOwner:
        """Return the thread's owner."""
        ...

    def claim_ownership(self, thread_id: str, user_id: str | None) -> ThreadOwner:
        """Set the thread's owner if it has none, and return the owner."""
        ...

    def forget_user(self, user_id: str, cutoff: UUID, also: Sequence[str]) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `also`, and the preferences, and record that L1 needs an update.

        Returns the cutoffs of the user, of each thread in `also`, and of as many other threads as one step includes;
        `hidden_threads` returns the rest. From now on all are hidden from readers.
        """
        ...

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some hidden threads of a deleted user; None if no deleted user has any."""
        ...

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:
        """Detach a deleted user's threads; with `must_invalidate`, record that L1 needs an update."""
        ...

    def erase_rows(self) -> int:
        """Delete some rows of deleted threads and users; return their number, 0 if none is left."""
        ...

    def count_messages(self) -> int:
        """Count the messages of some threads of an older release; return the number of threads, 0 if none is left."""
        ...

    def purge(self, table: PurgedTable) -> int:
        """Delete some expired rows; return their number, 0 if none is left."""
        ...

    def user_cutoffs(self, user_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the cutoffs of those of the users who were deleted."""
        ...

    def log_empty_cache(self) -> bool:
        """Record that L1 was found empty; return whether that was the first time."""
        ...

    def heartbeat(self) -> None:
        """Record that L2 and the sweep are up, and since when without a gap."""
        ...

    def uptime_seconds(self) -> float:
        """Return how long L2 and the sweep have been up without a gap of `MAX_HEARTBEAT_GAP_SECONDS`."""
        ...

    def log_invalidations(self, kind: InvalidationKind, ids: Sequence[str]) -> None:
        """Record threads or users whose change L1 missed."""
        ...

    def invalidations(self, limit: int) -> list[Invalidation]:
        """Return the oldest records of `log_invalidations`."""
        ...

    def clear_invalidation(self, repair: Invalidation) -> None:
        """Delete a record, unless it was written again meanwhile."""
        ...

    def search(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> list[SearchHit]:
        """Return the user's newest messages that contain the query's words."""
        ...

    def ping(self) -> None:
        """Return if it can store exchanges, within its timeout."""
        ...
