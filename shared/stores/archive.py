"""L2's protocol and results."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from shared.cutoffs import is_deleted
from shared.models import Exchange, ExchangeTexts, Message, Thread
from shared.stores.learning import LearningArchive
from shared.stores.search import SearchArchive
from shared.stores.vectors import VectorArchive

# The sweep writes a heartbeat once a minute. A gap above this limit means that the sweep or PostgreSQL was down.
MAX_HEARTBEAT_GAP_SECONDS: Final = 100
# A tombstone must outlive every queued copy. A message can live 14 days in the dead-letter queue, and as long again
# after each move.
TOMBSTONE_SECONDS: Final = 90 * 86_400
# Tables that grow with time and are purged.
PurgedTable = Literal["idempotency_keys", "thread_tombstones", "user_tombstones", "exchange_tombstones", "cache_epochs"]


class ExchangeCopy(NamedTuple):
    """A copy of an exchange outside L2, with the values that decide which deletions include it.

    Attributes:
        acceptance: The acceptance key; None if it is unknown.
        user_id: The author, if known.
    """

    exchange_id: UUID
    acceptance: UUID | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadOwner:
    """The owner of a thread in L2.

    Attributes:
        is_known: Whether the thread has an owner. An owner whose `user_id` is None is anonymous.
        cutoff: The order key of the thread's last deletion; None if it was never deleted. The owner owns only the
            exchanges after it.
    """

    is_known: bool
    user_id: str | None
    cutoff: UUID | None


@dataclass(frozen=True, slots=True)
class Window:
    """The newest exchanges of a thread in L2.

    Attributes:
        exchanges: Oldest first, at most the requested number.
        is_all: Whether the thread has no exchanges before these.
        cutoff: The order key of the thread's last deletion; None if it was never deleted.
        deleted: The most recently deleted exchanges of the thread.
        owner: The thread's owner.
        user_cutoffs: The cutoffs of the requested users who were deleted.
        uptime: See `Archive.uptime_seconds`.
    """

    exchanges: list[Exchange]
    is_all: bool
    cutoff: UUID | None = None
    deleted: frozenset[UUID] = frozenset()
    owner: ThreadOwner = ThreadOwner(is_known=False, user_id=None, cutoff=None)
    user_cutoffs: Mapping[str, UUID] = field(default_factory=dict)
    uptime: float = 0.0

    def has_deleted(self, exchange_id: UUID | None, acceptance: UUID | None) -> bool:
        """Return whether an exchange was deleted, alone or with its thread."""
        return is_deleted(exchange_id, acceptance, self.deleted, self.cutoff)


@dataclass(frozen=True, slots=True)
class StoreResult:
    """The effect of a batch on L2.

    Attributes:
        stored: The number of new exchanges.
        duplicates: The number of exchanges that L2 already had.
        tombstoned: The number of exchanges that were dropped because a deletion includes them.
        effective: Every exchange of the batch that L2 now has, as L2 stores it.
        replaced: Exchanges of the batch whose texts replaced earlier ones.
        rejected_owner: Exchanges refused because the thread belongs to another user.
    """

    stored: int
    duplicates: int
    tombstoned: int
    effective: list[Exchange]
    rejected_owner: list[Exchange] = field(default_factory=list)
    replaced: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class HiddenThreads:
    """Threads of a deleted user that still have rows in L2. Readers do not find them.

    Attributes:
        cutoffs: The cutoff of each thread.
    """

    user_id: str
    cutoffs: Mapping[str, UUID]


# The result of deleting an exchange: L2 deleted it now, had deleted it before, or does not know it.
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
    """The position of a message. The next page starts after it, or before it if the order is descending."""

    order: UUID
    position: int


class Archive(SearchArchive, VectorArchive, LearningArchive, Protocol):
    """L2: PostgreSQL. Every method raises `StoreUnavailable` if PostgreSQL does not respond."""

    def window(self, thread_id: str, limit: int, users: Collection[str] = ()) -> Window:
        """Return the newest `limit` exchanges, the thread's owner, and the cutoffs of the deleted users in `users`."""
        ...

    def exchange(self, thread_id: str, exchange_id: UUID) -> Exchange | None:
        """Return one exchange of the thread, even if it is older than the window."""
        ...

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store all exchanges of a batch or none, idempotently, in a constant number of statements.

        Raises:
            InvalidRecord: PostgreSQL refuses the data of an exchange.
            StatementRefused: PostgreSQL refuses the statement for another reason, which may concern one exchange or all
                of them.
            StoreBusy: The statement took too long.
        """
        ...

    def try_store(self) -> None:
        """Store a test exchange and roll it back. If this succeeds, a refused exchange itself caused its refusal.

        Raises:
            StoreUnavailable: PostgreSQL also refuses the test exchange.
        """
        ...

    def clock(self) -> float:
        """Return the Unix seconds of L2's clock."""
        ...

    def stored(self, exchanges: Sequence[Exchange]) -> list[Exchange]:
        """Return L2's exchanges with these ids."""
        ...

    def preferences(self, user_id: str, update_cache: Callable[[dict[str, str]], None] | None = None) -> dict[str, str]:
        """Return the preferences; call `update_cache` with them while no other writer can change them."""
        ...

    def change_preferences(
        self,
        user_id: str,
        changes: Mapping[str, str | None],
        *,
        replace: bool,
        update_cache: Callable[[dict[str, str]], bool],
    ) -> dict[str, str]:
        """Set preferences, remove those whose value is None, and return all.

        `update_cache` is called with all preferences before another writer can change them. It returns whether it has
        updated L1; if it has not, the record that L1 needs an update stays.

        Raises:
            TooManyPreferences: The preferences would exceed a limit; nothing is changed.
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
        """Return a page of messages in thread order or in reverse; with `owner`, only if the thread is that user's."""
        ...

    def rename(self, thread_id: str, title: str, owner: str | None = None) -> Thread | None:
        """Set a title that later exchanges do not change, and return the thread.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`.
        """
        ...

    def forget_thread(
        self, thread_id: str, cutoff: UUID, owner: str | None = None, later: Collection[UUID] = ()
    ) -> tuple[bool, UUID]:
        """Delete the thread, store its tombstone, and record that L1 needs an update.

        Exchanges in L2 that a wrong clock has dated far after the cutoff get their own tombstones. So do the exchanges
        with an id in `later`, which L1 has. Returns whether the thread existed, and its cutoff.

        Raises:
            ThreadNotFound: The thread does not belong to `owner`; nothing is deleted.
        """
        ...

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, texts: ExchangeTexts, *, above: int = 0, owner: str | None = None
    ) -> Exchange | None:
        """Replace a stored exchange's texts, and record that L1 needs an update.

        The new revision is the next one, and higher than `above`. Returns the new exchange with its documents; None if
        L2 does not have the exchange.

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

        Each call checks the next few thousand of the last day's deleted exchanges. After the last of these exchanges,
        the next call starts again with the first. For each changed thread, a call records that L1 needs an update.
        """
        ...

    def deleted_exchanges(self, thread_id: str, copies: Sequence[ExchangeCopy]) -> set[UUID]:
        """Return which of the thread's exchanges were deleted, individually or with the thread or their user."""
        ...

    def owner(self, thread_id: str) -> ThreadOwner:
        """Return the thread's owner."""
        ...

    def claim_ownership(self, thread_id: str, user_id: str | None) -> ThreadOwner:
        """Set the thread's owner if the thread has none, and return the owner."""
        ...

    def forget_user(
        self,
        user_id: str,
        cutoff: UUID,
        extra_threads: Sequence[str],
        later: Mapping[str, Collection[UUID]] | None = None,
    ) -> tuple[UUID, dict[str, UUID]]:
        """Delete the user's threads, those in `extra_threads`, and the preferences, and record that L1 needs an update.

        A deletion runs in steps, and this call is the first step. It returns the user's cutoff, and the cutoffs of the
        threads of this step, including those in `extra_threads`. From now on, readers find none of the user's threads.
        `hidden_threads` returns the threads of the next steps. `later` has the ids of exchanges of these threads in L1
        that a wrong clock has dated after the cutoff; see `forget_thread`.
        """
        ...

    def hidden_threads(self) -> HiddenThreads | None:
        """Return some hidden threads of a deleted user; None if no deleted user has hidden threads."""
        ...

    def detach(self, hidden: HiddenThreads, *, must_invalidate: bool) -> None:
        """Remove the names and the user of these threads; with `must_invalidate`, record that L1 needs an update."""
        ...

    def erase_rows(self) -> int:
        """Delete some rows of deleted threads and users; return their number, 0 if no row is left."""
        ...

    def count_messages(self) -> int:
        """Count the messages of some threads without a count; return the number of threads, 0 if none is left."""
        ...

    def purge(self, table: PurgedTable) -> int:
        """Delete some expired rows; return their number, 0 if no row is left."""
        ...

    def user_cutoffs(self, user_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the cutoffs of the deleted ones among these users."""
        ...

    def log_empty_cache(self) -> bool:
        """Record that L1 was found empty; return whether that was the first time."""
        ...

    def heartbeat(self) -> None:
        """Record that L2 and the sweep are up, and the start of their uptime."""
        ...

    def uptime_seconds(self) -> float:
        """Return for how many seconds L2 and the sweep have been up without a gap of `MAX_HEARTBEAT_GAP_SECONDS`.

        After an outage that may have been long, the uptime begins `LONG_OUTAGE_DELAY` later. It is negative until then.
        """
        ...

    def log_invalidations(self, kind: InvalidationKind, ids: Sequence[str]) -> None:
        """Record threads or users whose change L1 missed."""
        ...

    def invalidations(self, limit: int) -> list[Invalidation]:
        """Return the oldest records of `log_invalidations`."""
        ...

    def clear_invalidation(self, invalidation: Invalidation) -> None:
        """Delete a record, unless it was written again since it was read."""
        ...

    def ping(self) -> None:
        """Check, within the timeout, that L2 can store exchanges."""
        ...
