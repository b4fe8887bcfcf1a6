"""Deletes memories of users while callers write exchanges that teach others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from tests.chaos.callers import Callers
from tests.chaos.journal import ForgottenMemory, Journal
from tests.chaos.learned import find_forgotten, label_of
from tests.chaos.plan import Plan

_PAUSE: Final = (0.5, 2.0)
_RETRY_PAUSE_SECONDS: Final = 1.0
_MAX_ATTEMPTS: Final = 60
_DELETED: Final = 204
_NOT_FOUND: Final = 404


class MemoryDeletions:
    """Deletes one memory after another until it is stopped, and checks that none is listed again."""

    def __init__(self, callers: Callers, plan: Plan, journal: Journal) -> None:
        self._callers = callers
        self._plan = plan
        self._journal = journal
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory deletions", daemon=True)

    def start(self) -> None:
        """Start the deletions."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current deletion, which is repeated until it succeeds or has failed too often."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        draw = self._plan.random("memory deletions")
        while not self._stopped.wait(draw.uniform(*_PAUSE)):
            user_id = draw.choice(self._plan.user_ids)
            chosen = self._list(user_id, draw.choice)
            if chosen is not None:
                self._delete(user_id, chosen)

    def _list(self, user_id: str, choose: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> dict[str, Any] | None:
        """Return a memory of one exchange only, whose text has the exchange's label."""
        confirmed = [each.label for each in self._journal.forgotten if each.is_confirmed]
        memories = self._callers.list_memories(user_id) or []
        self._journal.returned_memories += find_forgotten(memories, confirmed)
        labelled = [each for each in memories if each["kind"] != "summary" and label_of(each["text"])]
        return choose(labelled) if labelled else None

    def _delete(self, user_id: str, memory: dict[str, Any]) -> None:
        forgotten = ForgottenMemory(user_id, label_of(memory["text"]))
        self._journal.forgotten.append(forgotten)
        for attempt in range(_MAX_ATTEMPTS):
            status = self._callers.delete_memory(user_id, memory["id"])
            # As for threads: an earlier request may have deleted it, or its exchange was deleted meanwhile.
            if status == _DELETED or (status == _NOT_FOUND and attempt):
                forgotten.is_confirmed = True
                return
            if status == _NOT_FOUND:
                return
            time.sleep(_RETRY_PAUSE_SECONDS)
