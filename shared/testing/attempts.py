"""The drain's unfinished attempts in memory."""

from __future__ import annotations

from collections.abc import Sequence

from shared.testing.store import InMemoryStore


class InMemoryAttempts(InMemoryStore):
    """Unfinished attempts.

    Attributes:
        counts: Attempts on a message alone, by its id.
    """

    layer = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def note(self, message_ids: Sequence[str]) -> list[int | None]:
        """Record an attempt on these messages, and return each message's number of unfinished attempts, or None."""
        self.record_call("note")
        values = [self.counts.get(message_id) for message_id in message_ids]
        for message_id in message_ids:
            self.counts.setdefault(message_id, 0)
        return values

    def note_alone(self, message_id: str) -> None:
        """Count an attempt on one message alone."""
        self.record_call("note_alone")
        self.counts[message_id] = self.counts.get(message_id, 0) + 1

    def forget(self, message_ids: Sequence[str]) -> None:
        """Delete the records of these messages' attempts."""
        self.record_call("forget")
        for message_id in message_ids:
            self.counts.pop(message_id, None)
