"""What the memory asks of L1, and what L1 says."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.clocks import is_odd
from shared.listed_messages import ListedMessages
from shared.models import Exchange, Message
from shared.stores.archive import Window


@dataclass(frozen=True, slots=True)
class CacheState:
    """What L1 says of itself: how far what it holds can be trusted. Times are Unix seconds of its clock.

    Attributes:
        clock: Now, by the clock that all processes share.
        generation: The one for which what L1 holds is confirmed; None if nothing is, because L1 may have missed writes.
        lost_at: When L1 may have lost something for the last time, by being emptied or by evicting keys; -inf if there
            was no L1 before this one. None if `note_loss` was not called since. Evictions are looked for where a list
            is not whole.
        evictions: Keys that L1 has evicted, for `note_loss`; None if that was not asked or may not be known.
        has_outbox: Whether anything waits in the outbox, when the list is not whole.
        suspect_until: L1 came back older: what was accepted before this may be deleted unless the list is whole. None
            if L1 lacks no deletion.
        refuses_writes: L1 answers reads and refuses writes, so that it lacks what was written since.
    """

    clock: float | None = None
    generation: str | None = None
    lost_at: float | None = None
    evictions: int | None = None
    has_outbox: bool = False
    suspect_until: float | None = None
    refuses_writes: bool = False

    def age(self) -> float | None:
        """Return for how many seconds L1 has lost nothing, 0 if a clock was set; None if a loss was not noted."""
        if self.lost_at is None or self.clock is None:
            return None
        return 0.0 if self.lost_at > -math.inf and is_odd(self.clock) else self.clock - self.lost_at


@dataclass(frozen=True, slots=True)
class CacheRead:
    """What L1 holds, read in one round trip.

    Attributes:
        messages: The thread's list, oldest first, at most the window.
        is_whole: Whether nothing is missing from `messages` that belongs into the window.
        token: For `refill`: what the list carries while it is not whole. None if it carries none.
        pending: Exchanges of the thread that were not drained yet when L1 last heard of them. `read` leaves them out
            where the list is whole, because it has them; `peek` does not.
        cutoff: Order key of the thread's last deletion, if L1 remembers one.
        deleted: Exchanges that were deleted from the thread, as far as L1 remembers.
        preferences: What the user's hash holds.
        knows_preferences: Whether `preferences` is all there is, also when it is empty.
        state: How far all this can be trusted.
    """

    messages: ListedMessages = field(default_factory=ListedMessages)
    is_whole: bool = False
    token: str | None = None
    pending: list[Exchange] = field(default_factory=list)
    cutoff: UUID | None = None
    deleted: frozenset[UUID] = frozenset()
    preferences: dict[str, str] = field(default_factory=dict)
    knows_preferences: bool = False
    state: CacheState = CacheState()

    def vouches_for(self, created_at: datetime | None) -> bool:
        """Return whether what L1 holds of this time of acceptance is not deleted for certain, without asking L2."""
        suspect_until = self.state.suspect_until
        if self.is_whole or suspect_until is None:
            return True
        return created_at is not None and created_at.timestamp() > suspect_until


@dataclass(frozen=True, slots=True)
class CacheAppendResult:
    """What an append did.

    Attributes:
        cutoff: Order key of the newest deletion that reaches the exchange, or came after `after`; the exchange then is
            not in the list. Else None.
        is_cached: Whether the list has the exchange.
        is_in_outbox: Whether the outbox has it. A refused list does not take that back.
    """

    cutoff: UUID | None = None
    is_cached: bool = True
    is_in_outbox: bool = False


class Cache(Protocol):
    """Lists and preferences, for turns and the drain. Methods raise `StoreUnavailable` when L1 does not answer."""

    def read(self, thread_id: str | None, user_id: str | None) -> CacheRead:
        """Read a thread's window and a user's preferences in one round trip."""
        ...

    def peek(self, thread_id: str | None, user_id: str | None = None) -> CacheRead:
        """Read a thread's window and a user's preferences without changing anything, for people who look at it."""
        ...

    def append(
        self, exchange: Exchange, *, is_drained: bool, in_outbox: bool = False, after: UUID | None = None
    ) -> CacheAppendResult:
        """Merge one new exchange in one round trip; until it is drained, Redis holds it in a second place too.

        With `in_outbox`, Redis also keeps it in the outbox, from where the sweep stores it. With `after`, the exchange
        is only added if the thread was not deleted since the deletion with this order key.
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
        """Merge what L2 holds, which is complete as far back as it reaches, if the list carries the token of the read.

        Remove what is `drained` from where undrained exchanges wait, and what the window says was deleted. Also remove
        what is `foreign`: of a user whose the thread is not.
        """
        ...

    def recheck_thread(self, thread_id: str, window: Window, drained: Sequence[Exchange] = ()) -> None:
        """Merge what L2 holds into the list if there is one, and do what else `refill` does."""
        ...

    def merge_stored(self, exchanges: Sequence[Exchange]) -> list[str]:
        """Merge what L2 just took into the lists that exist; return the threads whose list is not sealed."""
        ...

    def merge_later(self, exchange: Exchange) -> None:
        """Merge what L2 took with the next call that gets through; nothing is sent now."""
        ...

    def set_preferences(self, user_id: str, preferences: Mapping[str, str]) -> None:
        """Make the user's hash hold exactly these."""
        ...

    def note_loss(self, *, evictions: int | None = None, is_first: bool = False) -> None:
        """Remember that L1 has lost something before now, of which `evictions` it had made when it was read.

        `is_first`: nothing was lost, because there never was an L1 before this one.
        """
        ...

    def clock(self) -> float:
        """Return the Unix seconds of L1's clock."""
        ...

    def ping(self) -> None:
        """Return if it takes writes, within its timeout."""
        ...


class CacheEraser(Protocol):
    """Deletions. Methods raise `StoreUnavailable` when L1 does not answer."""

    def newest(self, thread_ids: Sequence[str]) -> dict[str, UUID]:
        """Return the order key of each thread's newest exchange, of those threads of which Redis has any."""
        ...

    def threads_of(self, user_id: str) -> list[str]:
        """Return the threads whose list holds something of the user's, also those that L2 does not know."""
        ...

    def forget_threads(self, cutoffs: Mapping[str, UUID]) -> None:
        """Remember the deletion of threads, and remove what Redis holds of each up to its cutoff."""
        ...

    def forget_exchanges(self, thread_id: str, exchange_ids: Collection[UUID]) -> None:
        """Remember the deletion of exchanges, and remove them from the thread's list and its second place."""
        ...

    def forget_user(self, user_id: str, cutoff: UUID) -> list[str]:
        """Remember the deletion, remove the user's preferences, and return the threads the user wrote to."""
        ...

    def forget_index(self, user_id: str, cutoff: UUID) -> None:
        """Remove threads from the user's index that were last written to before the deletion, once it reached them."""
        ...


class Outbox(Protocol):
    """Exchanges that only L1 has, for the sweep. Methods raise `StoreUnavailable` when L1 does not answer."""

    def outbox(self, limit: int) -> list[str]:
        """Return the oldest wire bodies in the outbox."""
        ...

    def remove_from_outbox(self, bodies: Sequence[str]) -> None:
        """Remove bodies that are kept elsewhere now."""
        ...


class CacheLayer(Cache, CacheEraser, Outbox, Protocol):
    """All of L1: Redis."""
