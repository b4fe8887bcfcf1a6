"""Checks deletions and the responses of `/invoking` from outside (guarantees 3, 4 and 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.chaos.journal import Deleted, Journal, Request, Turn
from tests.chaos.stored import WINDOW

_LACKS: Final = 3


@dataclass(frozen=True, slots=True)
class Deletions:
    """A run's deletions. They determine which turns a deletion may have affected, and which it must have affected."""

    by_thread: Mapping[str, list[Deleted]]

    @classmethod
    def of(cls, journal: Journal) -> Deletions:
        """Return the deletions of a run."""
        by_thread: defaultdict[str, list[Deleted]] = defaultdict(list)
        for deletion in journal.deletions:
            by_thread[deletion.thread_id].append(deletion)
        return cls(by_thread)

    def may_reach(self, turn: Turn) -> bool:
        """Return whether a deletion may have affected a turn.

        A deletion may affect a turn unless the deletion succeeded before the turn was first sent.
        """
        return any(each.ended >= turn.sent for each in self.by_thread.get(turn.move.thread_id, []))

    def reached_at(self, turn: Turn) -> float | None:
        """Return the earliest time at which a deletion succeeded that started after all responses of the turn."""
        if any(request.is_unknown for request in turn.requests):
            # The server may have executed the request at any time after its caller's timeout.
            return None
        last = max(request.ended for request in turn.requests)
        done = [each.ended for each in self.by_thread.get(turn.move.thread_id, []) if each.began > last]
        return min((end for end in done if end != float("inf")), default=None)


class Recalls:
    """Compares the responses of `/invoking` with what PostgreSQL contains at the end of the run.

    Args:
        places: Each exchange's position in its thread in PostgreSQL.
    """

    def __init__(self, journal: Journal, deletions: Deletions, places: Mapping[str, tuple[str, int]]) -> None:
        self._journal = journal
        self._deletions = deletions
        self._places = places
        self._turns: defaultdict[str, list[Turn]] = defaultdict(list)
        for turn in journal.turns:
            self._turns[turn.move.thread_id].append(turn)

    def too_little(self) -> Iterable[str]:
        """Yield each response that lacks a stored exchange without reporting a degraded layer."""
        for recall in self._recalls():
            if recall.is_answered and not recall.degraded:
                lacks = list(self._lacking(recall))
                if lacks:
                    yield f"{_describe(recall)} lacks {', '.join(lacks[:_LACKS])}"
        for recall in self._journal.last_looks:
            if not recall.is_answered or recall.degraded:
                yield f"{_describe(recall)} at the end: {recall.status} {recall.error} {recall.degraded}"

    def too_much(self) -> Iterable[str]:
        """Yield each response with an exchange that was deleted before the request."""
        gone: dict[str, tuple[Turn, float]] = {}
        for turn in self._journal.turns:
            reached = self._deletions.reached_at(turn)
            if reached is not None:
                gone |= {request.exchange_id: (turn, reached) for request in turn.answered}
        for recall in self._recalls():
            back = [one for one in recall.shown if one in gone and gone[one][1] < recall.sent]
            if back:
                turn, reached = gone[back[0]]
                yield f"{_describe(recall)} shows {turn.move.marker}, deleted {recall.sent - reached:.2f} s earlier"

    def _recalls(self) -> Iterable[Request]:
        yield from (turn.recall for turn in self._journal.turns if turn.recall is not None)
        yield from self._journal.last_looks

    def _lacking(self, recall: Request) -> Iterable[str]:
        shown = set(recall.shown)
        places = [self._places[one][1] for one in shown if one in self._places]
        oldest = min(places, default=0) if len(shown) >= WINDOW else -1
        for turn in self._turns[recall.thread_id]:
            known = next((one for one in turn.requests if one.is_answered), None)
            if known is None or known.ended > recall.sent or known.exchange_id in shown:
                continue
            place = self._places.get(known.exchange_id)
            # An exchange that is missing at the end was deleted, or is counted as lost.
            if place is not None and place[1] > oldest:
                age = f"known for {recall.sent - known.ended:.2f} s"
                yield f"{turn.move.marker} ({known.durability}, cached {known.is_cached}, {age})"


def _describe(recall: Request) -> str:
    return f"{recall.thread_id}: an answer with {len(recall.shown)} exchanges from {recall.answer.get('source', '-')}"
