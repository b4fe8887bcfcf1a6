"""A deletion: it includes the exchanges up to a cutoff, and no exchange that was accepted later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.cutoffs import is_reached
from shared.models import Exchange
from shared.stores.cache import CacheRead


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion of threads, or of a user and their threads.

    Attributes:
        threads: The cutoff of each thread: the acceptance key up to which its exchanges are deleted.
        user_id: The deleted user, None for a deletion of threads only.
        user_cutoff: The cutoff of the deleted user's exchanges, in all threads.
    """

    threads: Mapping[str, UUID] = field(default_factory=dict)
    user_id: str | None = None
    user_cutoff: UUID | None = None

    def includes(self, exchange: Exchange) -> bool:
        """Return whether the deletion includes the exchange."""
        cutoffs = [self.threads.get(exchange.thread_id)]
        if self.user_id is not None and exchange.user_id == self.user_id:
            cutoffs.append(self.user_cutoff)
        return is_reached(exchange.acceptance, *cutoffs)


def later_than(cutoff: UUID, cached: CacheRead, accepted: Sequence[Exchange], user_id: str | None) -> frozenset[UUID]:
    """Return the ids of a thread's exchanges in Redis and this process that a wrong clock has dated after the cutoff.

    Args:
        cutoff: The cutoff of a deletion. It is after all of these exchanges that no wrong clock has dated.
        cached: Redis' data.
        accepted: The thread's exchanges that this process accepted recently.
        user_id: The user whose exchanges are returned; None for all users.
    """
    return frozenset(
        each.exchange_id
        for each in (*cached.messages, *cached.undrained, *accepted)
        if each.exchange_id is not None
        and each.acceptance is not None
        and user_id in {None, each.user_id}
        and not is_reached(each.acceptance, cutoff)
    )


def deleted_with_users(cached: CacheRead, cutoffs: Mapping[str, UUID]) -> frozenset[UUID]:
    """Return the ids of exchanges in Redis that a deletion of their user includes. Redis may lack that deletion."""
    messages = [(each.exchange_id, each.acceptance, each.user_id) for each in cached.messages]
    undrained = [(each.exchange_id, each.acceptance, each.user_id) for each in cached.undrained]
    return frozenset(
        exchange_id
        for exchange_id, acceptance, user_id in [*messages, *undrained]
        if exchange_id and is_reached(acceptance, cutoffs.get(user_id or ""))
    )


def users_in(cached: CacheRead) -> set[str]:
    """Return the users of a thread's data in Redis."""
    users = {message.user_id for message in cached.messages} | {exchange.user_id for exchange in cached.undrained}
    return {user_id for user_id in users if user_id is not None}


def drained_among(undrained: Sequence[Exchange], stored: Sequence[Exchange]) -> list[Exchange]:
    """Return the undrained exchanges that PostgreSQL already has, with this or a later revision."""
    revisions = {exchange.exchange_id: exchange.revision for exchange in stored}
    return [each for each in undrained if each.revision <= revisions.get(each.exchange_id, -1)]
