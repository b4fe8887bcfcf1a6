"""What an inspector asks of the stores: reads that change nothing, and wait for nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.models import Exchange, Message


@dataclass(frozen=True, slots=True)
class ListLook:
    """A thread's list in L1.

    Attributes:
        messages: Its newest messages, oldest first; deleted ones left out.
        length: How many entries the list has, also those that are not in `messages`.
        ttl_seconds: How long the list has to live; None when there is none, or it lives for ever.
        pending: The thread's exchanges that were not drained yet when L1 last heard of them, also without a list.
    """

    messages: list[Message] = field(default_factory=list)
    length: int = 0
    ttl_seconds: float | None = None
    pending: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a queue, or in the outbox, where nothing is in flight or delayed.

    Attributes:
        visible: Ready to be received.
        in_flight: Received and neither deleted nor visible again.
        delayed: Not visible for the first time yet.
        oldest: When the oldest was sent (in the outbox: accepted); None when there is none, or nobody tells.
    """

    visible: int
    in_flight: int = 0
    delayed: int = 0
    oldest: datetime | None = None

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


class CacheLook(Protocol):
    """L1. Methods raise `StoreUnavailable` when it does not answer."""

    def thread(self, thread_id: str, most: int) -> ListLook:
        """Look at the newest `most` messages of a thread's list."""
        ...

    def outbox(self) -> Waiting:
        """Count what waits in the outbox."""
        ...


class QueueLook(Protocol):
    """A queue."""

    def waiting(self) -> Waiting:
        """Count its messages, about.

        Raises:
            StoreUnavailable: SQS does not answer, or refuses.
        """
        ...
