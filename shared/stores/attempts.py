"""The protocol of the drain's attempt counters. They show which messages may have ended a process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Attempts(Protocol):
    """Counters of unfinished attempts by message id. Methods raise `StoreUnavailable`."""

    def note(self, message_ids: Sequence[str]) -> list[int | None]:
        """Record the start of an attempt to store these messages in one batch.

        Returns for each message how many earlier attempts to store it alone are unfinished; None if no earlier attempt
        is recorded.
        """
        ...

    def note_alone(self, message_id: str) -> None:
        """Count the start of an attempt to store this message alone."""
        ...

    def forget(self, message_ids: Sequence[str]) -> None:
        """Delete the records of these messages' attempts, because the attempts have finished."""
        ...
