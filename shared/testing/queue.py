"""The exchange queue in memory."""

from __future__ import annotations

from typing import Final

from shared.errors import TooLargeForQueue
from shared.models import Exchange
from shared.testing.store import InMemoryStore

_MAX_BYTES: Final = 1_048_576 - 4_096


class InMemoryQueue(InMemoryStore):
    """The exchange queue in memory.

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
        self.record_call("send")
        self.bodies.append(body)

    def depth(self) -> int:
        """Return the number of waiting messages."""
        self.record_call("depth")
        return len(self.bodies)

    def take(self) -> list[Exchange]:
        """Return the queue's messages and empty it."""
        taken, self.bodies = self.bodies, []
        return [Exchange.from_wire(body) for body in taken]
