"""The queue of due derivations in memory."""

from __future__ import annotations

from collections.abc import Sequence

from shared.stores.derivations import DueThread
from shared.testing.store import InMemoryStore


class InMemoryDueQueue(InMemoryStore):
    """The queue of due derivations in memory.

    Attributes:
        sent: The kind and the thread of each message, in the order of sending.
    """

    layer = "queue"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[DueThread] = []

    def send(self, threads: Sequence[DueThread]) -> None:
        """Send one message for each thread and kind."""
        self.record_call("send")
        self.sent += threads
