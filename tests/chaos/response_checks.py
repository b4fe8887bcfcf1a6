"""Checks deletions and the responses of `/invoking` (guarantees 3, 4 and 8 of docs/guarantees.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.chaos.journal import Journal, LoggedDeletion, Request, Turn
from tests.chaos.stored import WINDOW

_MAX_LISTED: Final = 3


@dataclass(frozen=True, slots=True)
class DeletionIndex:
    """A run's deletions by thread. They determine which exchanges may or must be deleted."""

    by_thread: Mapping[str, list[LoggedDeletion]]

    @classmethod
    def of(cls, journal: Journal) -> DeletionIndex:
        """Return the deletions of a run."""
        by_thread: defaultdict[str, list[LoggedDeletion]] = defaultdict(list)
        for deletion in journal.deletions:
            by_thread[deletion.thread_id].append(deletion)
        return cls(by_thread)

    def may_have_deleted(self, turn: Turn) -> bool:
        """Return whether a deletion may have removed a turn's exchange.

        A deletion that succeeded before the turn's first request cannot have removed it.
        """
        return any(each.ended >= turn.sent for each in self.by_thread.get(turn.planned.thread_id, []))

    def deleted_at(self, turn: Turn) -> float | None:
        """Return the time from which a turn's exchange must be deleted; None if no deletion must include it.

        Only a deletion that started after all responses of the turn must include the exchange. If there are several,
        the time of the earliest success is returned.
        """
        if any(request.is_unknown for request in turn.requests):
            # The server may have executed the request at any time after its caller's timeout.
            return None
        last = max(request.ended for request in turn.requests)
        ended = [each.ended for each in self.by_thread.get(turn.planned.thread_id, []) if each.began > last]
        return min((end for end in ended if end != float("inf")), default=None)


class ResponseChecks:
    """Compares the responses of `/invoking` with what PostgreSQL contains at the end of the run.

    Args:
        positions: Each exchange's position in its thread in PostgreSQL.
    """

    def __init__(self, journal: Journal, deletions: DeletionIndex, positions: Mapping[str, tuple[str, int]]) -> None:
        self._journal = journal
        self._deletions = deletions
        self._positions = positions
        self._turns: defaultdict[str, list[Turn]] = defaultdict(list)
        for turn in journal.turns:
            self._turns[turn.planned.thread_id].append(turn)

    def find_incomplete(self) -> Iterable[str]:
        """Yield each response that lacks a stored exchange without reporting a degraded layer."""
        for recall in self._recalls():
            if recall.is_answered and not recall.degraded:
                missing = list(self._missing_from(recall))
                if missing:
                    yield f"{_describe(recall)} lacks {', '.join(missing[:_MAX_LISTED])}"
        for recall in self._journal.final_reads:
            if not recall.is_answered or recall.degraded:
                yield f"{_describe(recall)} at the end: {recall.status} {recall.error} {recall.degraded}"

    def find_deleted(self) -> Iterable[str]:
        """Yield each response that contains an exchange deleted before the request."""
        deleted_exchanges: dict[str, tuple[Turn, float]] = {}
        for turn in self._journal.turns:
            deleted_at = self._deletions.deleted_at(turn)
            if deleted_at is not None:
                deleted_exchanges |= {request.exchange_id: (turn, deleted_at) for request in turn.answered}
        for recall in self._recalls():
            returned = [
                each
                for each in recall.exchange_ids
                if each in deleted_exchanges and deleted_exchanges[each][1] < recall.sent
            ]
            if returned:
                turn, deleted_at = deleted_exchanges[returned[0]]
                age = f"deleted {recall.sent - deleted_at:.2f} s earlier"
                yield f"{_describe(recall)} contains {turn.planned.label}, {age}"

    def _recalls(self) -> Iterable[Request]:
        yield from (turn.recall for turn in self._journal.turns if turn.recall is not None)
        yield from self._journal.final_reads

    def _missing_from(self, recall: Request) -> Iterable[str]:
        returned_ids = set(recall.exchange_ids)
        positions = [self._positions[each][1] for each in returned_ids if each in self._positions]
        oldest = min(positions, default=0) if len(returned_ids) >= WINDOW else -1
        for turn in self._turns[recall.thread_id]:
            accepted = next((each for each in turn.requests if each.is_answered), None)
            if accepted is None or accepted.ended > recall.sent or accepted.exchange_id in returned_ids:
                continue
            position = self._positions.get(accepted.exchange_id)
            # An exchange that is missing at the end was deleted, or is counted as lost.
            if position is not None and position[1] > oldest:
                age = f"accepted {recall.sent - accepted.ended:.2f} s earlier"
                yield f"{turn.planned.label} ({accepted.durability}, cached {accepted.is_cached}, {age})"


def _describe(recall: Request) -> str:
    source = recall.answer.get("source", "-")
    return f"{recall.thread_id}: a response with {len(recall.exchange_ids)} exchanges from {source}"
