"""Sends the threads that something is to be derived from to the derive function."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from shared.errors import StoreUnavailable
from shared.models import Exchange
from shared.stores.derivations import KINDS, VECTORS, DueQueue, DueThread
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
        names: The kinds in use, each with the name of what derives it; see `derivations_in_use`.
    """

    queue: DueQueue
    names: Mapping[str, str]

    def send(self, exchanges: Iterable[Exchange]) -> None:
        """Send the threads of the exchanges that the drain has just stored. If that fails, the sweep sends them later.

        Nothing is derived from an exchange without a user.
        """
        threads = sorted({each.thread_id for each in exchanges if each.user_id is not None})
        if not threads or not self.names:
            return
        try:
            self.queue.send([DueThread(kind, thread_id) for thread_id in threads for kind in self.names])
        except StoreUnavailable as error:
            _logger.warning("the sweep sends the due threads later", extra={"error": str(error)})

    def sweep(self, archive: VectorArchive, deadline: float) -> int:
        """Send the threads that were missed, and mark those that existed before the model; return the number sent.

        Then remove the vectors of other models, and convert those that were stored before PostgreSQL got pgvector.

        Raises:
            StoreUnavailable: PostgreSQL or SQS did not respond in a step. The other steps have run.
        """
        sent: list[DueThread] = []
        steps: list[Callable[[], None]] = []
        # Sending comes first, because its cost does not grow with the number of threads.
        steps += [partial(self._send_missed, archive, kind, sent) for kind in KINDS if kind in self.names]
        steps += [partial(self._mark_old, archive, kind, deadline) for kind in KINDS]
        if VECTORS in self.names:
            steps.append(partial(_update_vectors, archive, self.names[VECTORS], deadline))
        errors = [error for error in map(_error_of, steps) if error is not None]
        if errors:
            raise errors[0]
        return len(sent)

    def _send_missed(self, archive: VectorArchive, kind: str, sent: list[DueThread]) -> None:
        threads = archive.due_threads(kind, _MISSED_SECONDS, _SENT_SECONDS, _MAX_MISSED)
        missed = [DueThread(kind, thread_id) for thread_id in threads]
        if missed:
            self.queue.send(missed)
        sent += missed

    def _mark_old(self, archive: VectorArchive, kind: str, deadline: float) -> None:
        if kind not in self.names:
            archive.forget_progress(kind)
            return
        while archive.mark_old_threads(kind, self.names[kind]) and time.monotonic() < deadline:
            pass


def _update_vectors(archive: VectorArchive, model: str, deadline: float) -> None:
    while archive.remove_other_vectors(model) and time.monotonic() < deadline:
        pass
    while archive.convert_vectors() and time.monotonic() < deadline:
        pass


def _error_of(step: Callable[[], None]) -> StoreUnavailable | None:
    """Run a step, and return its error, so that the caller can run the other steps before it raises the error."""
    try:
        step()
    except StoreUnavailable as error:
        return error
    return None
