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
        bodies: The messages that were sent and not taken, oldest first.
    """

    layer = "queue"

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[str] = []

    def send(self, exchange: Exchange) -> None:
        """Put an exchange on the queue.

        Raises:
            TooLargeForQueue: The message is over what SQS takes.
        """
        body = exchange.to_wire()
        if len(body.encode()) > _MAX_BYTES:
            raise TooLargeForQueue(f"{len(body.encode())} bytes")
        self.begin("send")
        self.bodies.append(body)

    def depth(self) -> int:
        """Return how many messages wait."""
        self.begin("depth")
        return len(self.bodies)

    def take(self) -> list[Exchange]:
        """Return what is on the queue and empty it."""
        taken, self.bodies = self.bodies, []
        return [Exchange.from_wire(body) for body in taken]
