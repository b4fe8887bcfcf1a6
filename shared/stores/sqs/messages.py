"""A message of a queue, as returned by a peek."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message in a queue.

    Attributes:
        sent_at: When it was first sent, in UTC; a move to the dead-letter queue does not change it.
        receive_count: How often it was received, including by this project.
        is_visible: Whether a consumer could receive it now.
        attributes: Its text attributes, e.g. the drain's `reason`.
        receipt: The handle for deleting or releasing it; None for a message that was not received.
    """

    message_id: str
    body: str
    sent_at: datetime | None
    receive_count: int
    is_visible: bool
    attributes: dict[str, str] = field(default_factory=dict)
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The number of a queue's messages; approximate on AWS.

    Attributes:
        visible: Ready to be received.
        in_flight: Received, and neither deleted nor visible again.
        delayed: Not visible for the first time yet.
    """

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """The number of all messages."""
        return self.visible + self.in_flight + self.delayed
