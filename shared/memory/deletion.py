"""What a deletion reaches: exchanges up to an order key, and none that was accepted after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from shared.models import Exchange


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion of threads, or of a user and their threads.

    Attributes:
        threads: The cutoff of each thread: the order key up to which its exchanges are deleted.
        user_id: The deleted user, None for a deletion of threads only.
        user_cutoff: The cutoff of the user's exchanges in all threads.
    """

    threads: Mapping[str, UUID] = field(default_factory=dict)
    user_id: str | None = None
    user_cutoff: UUID | None = None

    def reaches(self, exchange: Exchange) -> bool:
        """Return whether the deletion removes the exchange."""
        cutoffs = [self.threads.get(exchange.thread_id)]
        if self.user_id is not None and exchange.user_id == self.user_id:
            cutoffs.append(self.user_cutoff)
        return any(cutoff is not None and exchange.order <= cutoff for cutoff in cutoffs)
