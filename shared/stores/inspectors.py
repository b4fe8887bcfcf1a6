"""The inspector's protocols of the stores: reads without side effects and without waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.listed_messages import ListedMessages
from shared.models import Exchange


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """A thread's list in L1.

    Attributes:
        messages: Its newest messages, oldest first; deleted ones left out.
        length: How many entries the list has, also those that are not in `messages`.
        ttl_seconds: How long the list has to live; None when there is none, or it lives for ever.
        pending: The thread's exchanges that were not drained yet when L1 last heard of them, also without a list.
    """

    messages: ListedMessages = field(default_factory=ListedMessages)
    length: int = 0
    ttl_seconds: float | None = None
    pending: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """What waits in a queue, or in the outbox, where nothing is in flight or delayed.

    Attributes:
        visible: Ready to be received.
        in_flight: Received and neither deleted nor visible again.
        delayed: Not visible for the first time yet.
        oldest: When the oldest was sent (in the outbox: accepted); None if there is none, or the source does not tell.
    """

    visible: int
    in_flight: int = 0
    delayed: int = 0
    oldest: datetime | None = None

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


class CacheInspector(Protocol):
    """L1. Methods raise `StoreUnavailable` when it does not answer."""

    def thread(self, thread_id: str, most: int) -> ListSnapshot:
        """Look at the newest `most` messages of a thread's list."""
        ...

    def outbox(self) -> QueueCounts:
        """Count what waits in the outbox."""
        ...


class QueueInspector(Protocol):
    """A queue."""

    def waiting(self) -> QueueCounts:
        """Count its messages, about.

        Raises:
            StoreUnavailable: SQS does not answer, or refuses.
        """
        ...
