"""The protocol of the drain's attempt counters. They show a process which attempt ended the process before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Attempts(Protocol):
    """Unfinished attempts by message id. Methods raise `StoreUnavailable`."""

    def note(self, message_ids: Sequence[str]) -> list[int | None]:
        """Record that an attempt on these messages starts.

        Return for each message the number of unfinished attempts on it alone; None if no attempt on it was recorded.
        """
        ...

    def note_alone(self, message_id: str) -> None:
        """Count an attempt on one message alone."""
        ...

    def forget(self, message_ids: Sequence[str]) -> None:
        """Delete the records of these messages' attempts, because the process has survived them."""
        ...
