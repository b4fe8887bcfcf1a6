"""What the memory asks of the exchange queue."""

from __future__ import annotations

from typing import Protocol

from shared.models import Exchange


class ExchangeQueue(Protocol):
    """The exchange queue. Every method raises `StoreUnavailable` when it does not answer."""

    def send(self, exchange: Exchange) -> None:
        """Put an exchange on the queue.

        Raises:
            TooLargeForQueue: The message is over what SQS takes.
        """
        ...

    def depth(self) -> int:
        """Return how many messages wait or are in flight, about."""
        ...

    def ping(self) -> None:
        """Return if it takes messages, within its timeout."""
        ...
