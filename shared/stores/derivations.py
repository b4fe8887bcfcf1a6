"""The protocol of the queue of due derivations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

VECTORS: Final = "vectors"
"""The kind of derivation that makes the vectors of a thread's exchanges."""


class DueQueue(Protocol):
    """The queue of threads from whose exchanges something is to be derived."""

    def send(self, kind: str, thread_ids: Sequence[str]) -> None:
        """Send one message for each thread. The messages become visible after the debounce.

        Args:
            kind: What is due, such as `vectors`.
            thread_ids: The threads. A repeated id has one message.

        Raises:
            StoreUnavailable: The queue does not respond, or refused a message. It may have accepted others.
        """
        ...
