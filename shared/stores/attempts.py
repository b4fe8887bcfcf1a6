"""The protocol of the drain's attempt counters, which show the next process which attempt killed the previous one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Attempts(Protocol):
    """Unfinished attempts by message id. Methods raise `StoreUnavailable`."""

    def note(self, message_ids: Sequence[str]) -> list[int | None]:
        """Record that an attempt on these messages starts.

        Return for each how many attempts on it alone are unfinished; None if no attempt was recorded.
        """
        ...

    def note_alone(self, message_id: str) -> None:
        """Count an attempt on one message alone."""
        ...

    def forget(self, message_ids: Sequence[str]) -> None:
        """Delete the records of these messages' attempts, because the process has survived them."""
        ...
