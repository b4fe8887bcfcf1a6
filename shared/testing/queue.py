"""The exchange queue's twin."""

from __future__ import annotations

from typing import Final

from shared.errors import TooLargeForQueue
from shared.models import Exchange
from shared.testing.twin import Twin

_MAX_BYTES: Final = 1_048_576 - 4_096


class InMemoryQueue(Twin):
    """The exchange queue's twin.

    Attributes:
        bodies: The sent messages that were not taken yet, oldest first.
    """

    layer = "queue"

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def send(self, exchange: Exchange) -> None:
        """Send an exchange to the queue.

        Raises:
            TooLargeForQueue: The message exceeds SQS' limit.
        """
        body = exchange.to_wire()
        if len(body.encode()) > _MAX_BYTES:
            raise TooLargeForQueue(f"{len(body.encode())} bytes")
        self.begin("send")
        self.bodies.append(body)

    def depth(self) -> int:
        """Return the number of waiting messages."""
        self.begin("depth")
        return len(self.bodies)

    def take(self) -> list[Exchange]:
        """Return the queue's messages and empty it."""
        taken, self.bodies = self.bodies, []
        return [Exchange.from_wire(body) for body in taken]
