"""The queue of due derivations in memory."""

from __future__ import annotations

from collections.abc import Sequence

from shared.testing.store import InMemoryStore


class InMemoryDueQueue(InMemoryStore):
    """The queue of due derivations in memory.

    Attributes:
        sent: The kind and the thread of each message, in the order of sending.
    """

    layer = "queue"

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    def send(self, kind: str, thread_ids: Sequence[str]) -> None:
        """Send one message for each thread."""
        self.record_call("send")
        self.sent += [(kind, thread_id) for thread_id in dict.fromkeys(thread_ids)]
