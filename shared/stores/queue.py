"""The exchange queue's protocol."""

from __future__ import annotations

from typing import Protocol

from shared.models import Exchange


class ExchangeQueue(Protocol):
    """The exchange queue. Every method raises `StoreUnavailable` if the queue does not respond."""

    def send(self, exchange: Exchange) -> None:
        """Send an exchange to the queue.

        Raises:
            TooLargeForQueue: The message exceeds SQS' limit.
        """
        ...

    def depth(self) -> int:
        """Return the approximate number of visible, in-flight and delayed messages."""
        ...

    def ping(self) -> None:
        """Check, within the timeout, that the queue accepts messages."""
        ...
