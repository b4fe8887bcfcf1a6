"""What the drain notes of its attempts to store, so that another process learns of one that ended the process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Attempts(Protocol):
    """Attempts that have begun and not finished, by the message's id. Methods raise `StoreUnavailable`."""

    def note(self, message_ids: Sequence[str]) -> list[int | None]:
        """Note that these are attempted.

        Return for each how many attempts on it alone are unfinished; None where no attempt was.
        """
        ...

    def note_alone(self, message_id: str) -> None:
        """Count an attempt on one message alone."""
        ...

    def forget(self, message_ids: Sequence[str]) -> None:
        """Forget the attempts on these: the process is still there."""
        ...
