"""The protocols of the inspector's reads. A read has no side effects and does not wait for data to appear."""

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
        messages: The list's newest messages, oldest first, without deleted messages.
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
        in_flight: Received, and not yet deleted or visible again.
        delayed: Sent, and not yet visible for the first time.
        oldest: When the oldest message was sent, or in the outbox, accepted. None if there is no message, or the source
            does not report the time.
    """

    visible: int
    in_flight: int = 0
    delayed: int = 0
    oldest: datetime | None = None

    @property
    def total(self) -> int:
        """The number of all messages."""
        return self.visible + self.in_flight + self.delayed


class CacheInspector(Protocol):
    """The inspector's reads of L1. Methods raise `StoreUnavailable` if L1 does not respond."""

    def thread(self, thread_id: str, max_messages: int) -> ListSnapshot:
        """Read the newest `max_messages` messages of a thread's list."""
        ...

    def outbox(self) -> QueueCounts:
        """Count the entries of the outbox."""
        ...


class QueueInspector(Protocol):
    """The inspector's reads of a queue."""

    def waiting(self) -> QueueCounts:
        """Count the queue's messages approximately.

        Raises:
            StoreUnavailable: SQS does not respond, or refuses.
        """
        ...
