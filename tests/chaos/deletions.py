"""Threads and users are deleted now and then while exchanges are written to them."""

from __future__ import annotations

import threading
import time
from typing import Final

from tests.chaos.callers import Callers
from tests.chaos.journal import Deleted, Journal, Request, Turn
from tests.chaos.plan import Deletion, Move, Plan

_DELETED: Final = 204
_NOT_FOUND: Final = 404
_RETRY_PAUSE_SECONDS: Final = 1.0
_MAX_TRIES: Final = 60
# The deletions' own turns have numbers from here on. The numbers of the callers are lower.
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
        """Finish the current deletion, which is repeated until it succeeds."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        for deletion in self._plan.deletions():
            if self._stopped.wait(deletion.gap):
                return
            self._act(deletion)

    def _act(self, deletion: Deletion) -> None:
        self._say(_FIRST_CALLER, deletion.before)
        sides = [
            threading.Thread(target=self._say_late, args=(_FIRST_CALLER + place, move, delay), name=move.marker)
            for place, (move, delay) in enumerate(zip(deletion.meanwhile, deletion.delays, strict=True), start=1)
        ]
        for side in sides:
            side.start()
        self._delete(deletion)
        self._say(_FIRST_CALLER, deletion.after)
        for side in sides:
            side.join()

    def _delete(self, deletion: Deletion) -> None:
        began = time.monotonic()
        deleted = [Deleted(thread_id, began, user_id=deletion.user_id) for thread_id in deletion.thread_ids]
        self._journal.deletions += deleted
        for _ in range(_MAX_TRIES):
            request: Request = self._callers.delete(deletion.thread_ids[0], deletion.user_id)
            for each in deleted:
                each.tries += 1
                each.last = str(request.status or request.error)
                if _is_done(request, each.tries):
                    each.ended = request.ended
            if _is_done(request, deleted[0].tries):
                return
            time.sleep(_RETRY_PAUSE_SECONDS)

    def _say_late(self, caller: int, move: Move, delay: float) -> None:
        self._stopped.wait(delay)
        self._say(caller, move)

    def _say(self, caller: int, move: Move) -> None:
        self._callers.take_turn(Turn(caller, move))


def _is_done(request: Request, tries: int) -> bool:
    """Return whether the deletion is complete.

    The first request may have deleted the rows, and Redis may have lost the list by itself. A repetition then finds
    nothing.
    """
    return request.status == _DELETED or (request.status == _NOT_FOUND and tries > 1)
