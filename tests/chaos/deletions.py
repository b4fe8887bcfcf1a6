"""Deletes threads and users repeatedly while callers write exchanges to them."""

from __future__ import annotations

import threading
import time
from typing import Final

from tests.chaos.callers import Callers
from tests.chaos.journal import Journal, LoggedDeletion, Request, Turn
from tests.chaos.plan import Deletion, Plan, PlannedTurn

_DELETED: Final = 204
_NOT_FOUND: Final = 404
_RETRY_PAUSE_SECONDS: Final = 1.0
_MAX_ATTEMPTS: Final = 60
# The first caller number for the deletions' own turns. The plan's callers have lower numbers.
_FIRST_CALLER: Final = 1_000


class Deletions:
    """Runs the plan's deletions until it is stopped."""

    def __init__(self, callers: Callers, plan: Plan, journal: Journal) -> None:
        self._callers = callers
        self._plan = plan
        self._journal = journal
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deletions", daemon=True)

    def start(self) -> None:
        """Start the deletions."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current deletion, which is repeated until it succeeds or has failed too often."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for deletion in self._plan.deletions():
            if self._stopped.wait(deletion.pause_before):
                return
            self._run_deletion(deletion)

    def _run_deletion(self, deletion: Deletion) -> None:
        self._take_turn(_FIRST_CALLER, deletion.turn_before)
        writers = [
            threading.Thread(
                target=self._take_turn_after, args=(_FIRST_CALLER + number, planned, delay), name=planned.label
            )
            for number, (planned, delay) in enumerate(zip(deletion.turns_during, deletion.delays, strict=True), start=1)
        ]
        for writer in writers:
            writer.start()
        self._delete(deletion)
        self._take_turn(_FIRST_CALLER, deletion.turn_after)
        for writer in writers:
            writer.join()

    def _delete(self, deletion: Deletion) -> None:
        began = time.monotonic()
        logged = [LoggedDeletion(thread_id, began, user_id=deletion.user_id) for thread_id in deletion.thread_ids]
        self._journal.deletions += logged
        for _ in range(_MAX_ATTEMPTS):
            request: Request = self._callers.delete(deletion.thread_ids[0], deletion.user_id)
            for each in logged:
                each.attempts += 1
                each.last_response = str(request.status or request.error)
                if _is_done(request, each.attempts):
                    each.ended = request.ended
            if _is_done(request, logged[0].attempts):
                return
            time.sleep(_RETRY_PAUSE_SECONDS)

    def _take_turn_after(self, caller: int, planned: PlannedTurn, delay: float) -> None:
        self._stopped.wait(delay)
        self._take_turn(caller, planned)

    def _take_turn(self, caller: int, planned: PlannedTurn) -> None:
        self._callers.take_turn(Turn(caller, planned))


def _is_done(request: Request, attempts: int) -> bool:
    """Return whether the deletion is complete.

    The first request may have deleted the rows, and Redis may have lost the list by itself. A repeated request then
    finds nothing, so its 404 also means that the deletion is complete.
    """
    return request.status == _DELETED or (request.status == _NOT_FOUND and attempts > 1)
