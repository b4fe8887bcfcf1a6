"""The exchange queue's protocol."""

from __future__ import annotations

from typing import Protocol

from shared.models import Exchange


class ExchangeQueue(Protocol):
    """The exchange queue. Every method raises `StoreUnavailable` if it does not respond."""

    def send(self, exchange: Exchange) -> None:
        """Send an exchange to the queue.

        Raises:
            TooLargeForQueue: The message exceeds SQS' limit.
        """
        ...

    def depth(self) -> int:
        """Return approximately how many messages wait or are in flight."""
        ...

    def ping(self) -> None:
        """Return if it accepts messages, within its timeout."""
        ...
