"""The protocols of the inspector's reads. A read has no side effects and does not wait."""

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
        messages: Its newest messages, oldest first, without deleted ones.
        length: The number of entries, including those that are not in `messages`.
        ttl_seconds: The list's time to live; None without a list or without an expiry.
        undrained: The thread's undrained exchanges as far as L1 knows, even without a list.
    """

    messages: ListedMessages = field(default_factory=ListedMessages)
    length: int = 0
    ttl_seconds: float | None = None
    undrained: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """The depth of a queue, or of the outbox, which has no messages in flight or delayed.

    Attributes:
        visible: Ready to be received.
        in_flight: Received, and neither deleted nor visible again.
        delayed: Not visible for the first time yet.
        oldest: When the oldest was sent (in the outbox: accepted); None if there is none or the source does not report
            it.
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
    """L1. Methods raise `StoreUnavailable` if it does not respond."""

    def thread(self, thread_id: str, most: int) -> ListSnapshot:
        """Read the newest `most` messages of a thread's list."""
        ...

    def outbox(self) -> QueueCounts:
        """Count the outbox' entries."""
        ...


class QueueInspector(Protocol):
    """A queue."""

    def waiting(self) -> QueueCounts:
        """Count its messages approximately.

        Raises:
            StoreUnavailable: SQS does not respond, or refuses.
        """
        ...
