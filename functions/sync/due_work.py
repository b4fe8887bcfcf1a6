"""Sends the threads that something is to be derived from to the derive function."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from shared.errors import StoreUnavailable
from shared.stores.derivations import VECTORS, DueQueue
from shared.stores.vectors import VectorArchive

_logger = logging.getLogger(__name__)
# A thread that has been due for longer was not sent, or its derivation failed. The agent function sends no threads.
_MISSED_SECONDS: Final = 60.0
# A message may wait for long. If the sweep sent the thread more often, there would be many messages of one thread.
_SENT_SECONDS: Final = 900.0
_MAX_MISSED: Final = 1_000


@dataclass(frozen=True, slots=True)
class DueWork:
    """The derivations of a deployment.

    Attributes:
        queue: The queue of the derive function.
        vector_model: The name of the model of embeddings; '' if the search compares words only.
    """

    queue: DueQueue
    vector_model: str

    def send(self, thread_ids: Collection[str]) -> None:
        """Send threads whose exchanges the drain has just stored. If that fails, the sweep sends them later."""
        if not thread_ids or not self.vector_model:
            return
        try:
            self.queue.send(VECTORS, sorted(thread_ids))
        except StoreUnavailable as error:
            _logger.warning("the sweep sends the due threads later", extra={"error": str(error)})

    def sweep(self, archive: VectorArchive, deadline: float) -> int:
        """Send the threads that were missed, and mark those that existed before the model; return the number sent.

        Then remove the vectors of other models, and convert those that were stored before PostgreSQL got pgvector.

        Raises:
            StoreUnavailable: PostgreSQL or SQS did not respond.
        """
        if not self.vector_model:
            archive.forget_progress(VECTORS)
            return 0
        while archive.mark_old_threads(VECTORS, self.vector_model) and time.monotonic() < deadline:
            pass
        missed = archive.due_threads(VECTORS, _MISSED_SECONDS, _SENT_SECONDS, _MAX_MISSED)
        if missed:
            self.queue.send(VECTORS, missed)
        while archive.remove_other_vectors(self.vector_model) and time.monotonic() < deadline:
            pass
        while archive.convert_vectors() and time.monotonic() < deadline:
            pass
        return len(missed)
