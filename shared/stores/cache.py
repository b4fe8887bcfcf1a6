"""L1's protocol and results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from shared.listed_messages import ListedMessages
from shared.models import Exchange, Message
from shared.stores.archive import Window


@dataclass(frozen=True, slots=True)
class CacheState:
    """How far L1's data can be trusted. Times are Unix seconds of L1's clock.

    Attributes:
        clock: The current time by the clock that all processes share.
        generation: The current generation; None if L1 may have missed writes, so that no seal is valid.
        lost_at: The last time at which L1 may have lost data: it was emptied, it evicted keys, or its clock was set.
            -inf if this is the deployment's first Redis, which has lost nothing. None if `record_loss` was not called
            since the loss. A read checks evictions only if the list is not sealed.
        evictions: The number of keys that L1 has evicted, for `record_loss`; None if the read does not include it.
        has_outbox: Whether the outbox has entries. It is False if the list is sealed.
        suspect_until: If L1 was restored from an old copy, it may lack deletions. So an exchange that was accepted
            before this time may be deleted, unless the list is sealed. None if L1 has all deletions.
        refuses_writes: Whether L1 answers reads but refuses writes. It then lacks later writes.
    """

    clock: float | None = None
    generation: str | None = None
    lost_at: float | None = None
    evictions: int | None = None
    has_outbox: bool = False
    suspect_until: float | None = None
    refuses_writes: bool = False

    def seconds_since_loss(self) -> float | None:
        """Return the seconds since L1's last loss; None if that loss was not recorded."""
        if self.lost_at is None or self.clock is None:
            return None
        return self.clock - self.lost_at


class CachedMemories(NamedTuple):
    """A user's memories in L1: JSON texts as `refill_memories` stored them.

    Attributes:
        current: The current memories.
        summary: The summary of the thread; None if L1 does not have it.
    """

    current: str
    summary: str | None


@dataclass(frozen=True, slots=True)
class CacheRead:
    """L1's data, read in one round trip.

    Attributes:
        messages: The thread's list, oldest first, with at most the window's messages.
        is_sealed: Whether `messages` is sealed: no exchange of the window is missing.
        token: The token for `refill`, which the list carries while it is not sealed; None if it carries none.
        undrained: The thread's undrained exchanges that L1 has. `read` omits them if the list is sealed, because the
            list contains them. `peek` never omits them.
        outdated: L1's other undrained exchanges: earlier revisions, and exchanges that a deletion includes. A refill
            removes them.
        cutoff: The order key of the thread's last deletion; None if L1 has none.
        deleted: The deleted exchanges of the thread, as far as L1 has them.
        preferences: The user's hash.
        has_all_preferences: Whether `preferences` is complete, even if it is empty.
        memories: The user's memories; None if they were not read, or are not complete.
        state: How far this data can be trusted.
    """

    messages: ListedMessages = field(default_factory=ListedMessages)
    is_sealed: bool = False
    token: str | None = None
    undrained: list[Exchange] = field(default_factory=list)
    outdated: list[Exchange] = field(default_factory=list)
    cutoff: UUID | None = None
    deleted: frozenset[UUID] = frozenset()
    preferences: dict[str, str] = field(default_factory=dict)
    has_all_preferences: bool = False
    memories: CachedMemories | None = None
    state: CacheState = CacheState()

    def can_trust(self, created_at: datetime | None) -> bool:
        """Return whether L1 alone shows that exchanges accepted at this time are not deleted."""
        suspect_until = self.state.suspect_until
        if self.is_sealed or suspect_until is None:
            return True
        return created_at is not None and created_at.timestamp() > suspect_until


@dataclass(frozen=True, slots=True)
class CacheAppendResult:
    """The effect of an append.

    Attributes:
        cutoff: The order key of the newest deletion that includes the exchange or is later than `after`. The exchange
            is then not in the list. None if there is no such deletion.
        is_cached: Whether the list has the exchange.
        is_in_outbox: Whether the outbox has the exchange, even if Redis refused the write to the list.
    """

    cutoff: UUID | None = None
    is_cached: bool = True
    is_in_outbox: bool = False


@dataclass(frozen=True, slots=True)
class UndrainedExchanges:
    """A user's undrained exchanges in L1.

    Attributes:
        exchanges: The exchanges, newest thread first.
        is_all: Whether these are all that L1 has.
        state: How far L1's data can be trusted.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    is_all: bool = True
    state: CacheState = CacheState()


class Cache(Protocol):
    """Lists and preferences, for turns and the drain. Methods raise `StoreUnavailable` if L1 does not respond."""

    def read(self, thread_id: str | None, user_id: str | None, *, has_memories: bool = False) -> CacheRead:
        """Read a thread's window and a user's preferences, and with `has_memories` the memories, in one round trip."""
        ...

    def peek(self, thread_id: str | None, user_id: str | None = None, *, has_memories: bool = False) -> CacheRead:
        """Read the same as `read` without any write, for inspection and for message lists."""
        ...

    def undrained_of(self, user_id: str, max_threads: int) -> UndrainedExchanges:
        """Return the undrained exchanges of the user's newest threads, without any write."""
        ...

    def append(
        self, exchange: Exchange, *, is_drained: bool, in_outbox: bool = False, after: UUID | None = None
    ) -> CacheAppendResult:
        """Merge one new exchange in one round trip; until the drain, Redis also keeps it in the undrained hash.

        With `in_outbox`, Redis first adds it to the outbox, from which the sweep stores it. With `after`, the exchange
        is added only if the thread was not deleted since the deletion with this order key.
        """
        ...

    def refill(
        self,
        thread_id: str,
        window: Window,
        read: CacheRead,
        drained: Sequence[Exchange] = (),
        foreign: Sequence[Message | Exchange] = (),
    ) -> None:
        """Merge L2's window into the list if the list carries the read's token.

        Remove `drained` exchanges, and exchanges that the window lists as deleted, from the undrained hash. Also remove
        `foreign` exchanges of users who do not own the thread.
        """
        ...

    def recheck_thread(self, thread_id: str, window: Window, drained: Sequence[Exchange] = ()) -> None:
        """Merge L2's window into the list if the list exists, with the other effects of `refill`."""
        ...

    def merge_stored(self, exchanges: Sequence[Exchange]) -> list[str]:
        """Merge newly stored exchanges into existing lists; return the threads whose list carries a token."""
        ...

    def merge_later(self, exchange: Exchange) -> None:
        """Record that a stored exchange must be merged before the next call; nothing is sent now."""
        ...

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Replace the user's hash."""
        ...

    def start_refill(self, user_id: str) -> str | None:
        """Return a token for `refill_memories`, before L2 is read; None if L1 takes no memories now."""
        ...

    def refill_memories(self, user_id: str, token: str, fields: Mapping[str, str]) -> None:
        """Store a user's memories, unless they changed since the token was set.

        Args:
            user_id: The user.
            token: The token.
            fields: `current`, and `summary:` with the thread's id; JSON texts.
        """
        ...

    def forget_memories(self, user_ids: Collection[str]) -> None:
        """Delete the memories of users, because they changed in L2."""
        ...

    def record_loss(self, *, evictions: int | None = None, is_first: bool = False) -> None:
        """Record that L1 lost data before now; `evictions` is the count that the read returned.

        With `is_first`, record that this is the first L1, which has lost nothing.
        """
        ...

    def clock(self) -> float:
        """Return the Unix seconds of L1's clock."""
        ...

    def ping(self) -> None:
        """Check, within the timeout, that L1 accepts writes."""
        ...


class CacheEraser(Protocol):
    """Deletions in L1. Methods raise `StoreUnavailable` if L1 does not respond."""

    def newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the acceptance key of each thread's newest exchange. Threads that Redis does not have are missing."""
        ...

    def threads_of(self, user_id: str) -> list[str]:
        """Return the threads whose list has exchanges of the user, including those that L2 does not have."""
        ...

    def forget_threads(self, cutoffs: Mapping[str, UUID]) -> None:
        """Store the tombstones of threads, and remove Redis' data of each up to its cutoff."""
        ...

    def forget_exchanges(self, thread_id: str, exchange_ids: Collection[UUID]) -> None:
        """Record the deletion of exchanges, and remove them from the thread's list and its undrained hash."""
        ...

    def forget_user(self, user_id: str, cutoff: UUID) -> list[str]:
        """Store the user's tombstone, remove preferences and memories, and return the threads the user wrote to."""
        ...

    def forget_index(self, user_id: str, cutoff: UUID) -> None:
        """Remove from the user's index the deleted threads that have no write since the deletion."""
        ...


class Outbox(Protocol):
    """Exchanges that only L1 has. The sweep stores them. Methods raise `StoreUnavailable` if L1 does not respond."""

    def outbox(self, limit: int, skip: int = 0) -> list[str]:
        """Skip the oldest `skip` bodies in the outbox, and return the next ones, oldest first."""
        ...

    def remove_from_outbox(self, bodies: Sequence[str]) -> None:
        """Remove bodies from the outbox."""
        ...


class CacheLayer(Cache, CacheEraser, Outbox, Protocol):
    """All of L1: Redis."""
