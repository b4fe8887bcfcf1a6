"""The verdict checks each exchange's response against the stores (guarantees 1, 2 and 6)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.journal import Journal, Request, Turn
from tests.chaos.shown import Deletions, Recalls
from tests.chaos.stored import Side, Thread

# Redis may have lost data after these faults.
_EMPTYING = {
    *("valkey killed", "both stores killed", "postgres frozen, valkey killed"),
    *("valkey comes back older", "valkey fails over", "valkey fails over to another day"),
}
# An outbox is emptied within this time: two sweeps and the longest outage of the stores.
_SWEPT_SECONDS = 180.0
# A fault of PostgreSQL can prevent storing a key for this long after the fault's end.
_BREAKER_SECONDS = 3.0


@dataclass(slots=True)
class Verdict:
    """The result of the checks. Each list has one sentence for each deviation.

    Attributes:
        outbox_lost: Exchanges with durability `redis` whose outbox was killed; no other store had them.
        keys_lost: Keys of requests during an outage of PostgreSQL. Only a Valkey that was killed had them.
        shown_too_little: Responses that lack stored exchanges without reporting a degraded layer.
        back: Deleted exchanges that are stored or were returned.
        unknown_stored: Turns without a response whose exchange is stored.
        unknown_absent: Turns without a response whose exchange is not stored.
    """

    lost: list[str] = field(default_factory=list)
    outbox_lost: set[str] = field(default_factory=set)
    keys_lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    shown_too_little: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    threads: int = 0
    cached_threads: int = 0
    ordered_pairs: int = 0
    erased: int = 0
    unknown_stored: int = 0
    unknown_absent: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        """Return the violations of guarantees, by kind."""
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "altered": self.altered,
            "out of order": self.out_of_order,
            "differing threads": self.differing,
            "answers that show less": self.shown_too_little,
            "deleted and back": self.back,
            "two answers for one key or id": self.answers,
            "refused requests": self.refused,
            "unfinished": self.unfinished,
        }

    @property
    def is_clean(self) -> bool:
        """Return whether every guarantee was kept."""
        return not any(self.violations.values())


class Judge:
    """Compares the log with the contents of the layers."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._verdict = Verdict()
        self._deletions = Deletions.of(journal)
        self._places: dict[str, tuple[str, int]] = {}
        self._sides: dict[str, list[Side]] = {}
        self._by_marker: defaultdict[str, set[str]] = defaultdict(set)

    def judge(self, threads: Iterable[Thread]) -> Verdict:
        """Return the verdict."""
        for thread in threads:
            self._read(thread)
        for turn in self._journal.turns:
            self._check_turn(turn)
        self._check_order()
        recalls = Recalls(self._journal, self._deletions, self._places)
        self._verdict.shown_too_little += recalls.too_little()
        self._verdict.back += recalls.too_much()
        return self._verdict

    def _read(self, thread: Thread) -> None:
        self._verdict.threads += 1
        self._verdict.cached_threads += thread.cached is not None
        if difference := thread.difference():
            self._verdict.differing.append(f"{thread.thread_id}: {difference}")
        seen: Counter[str] = Counter()
        for place, (side, position) in enumerate(zip(thread.stored, thread.positions, strict=True)):
            seen[side.exchange_id] += 1
            if (position == 0) != (side.role == "user"):
                self._verdict.altered.append(f"{side.exchange_id}: role {side.role} at position {position}")
            if side.exchange_id in self._places and self._places[side.exchange_id][0] != thread.thread_id:
                self._verdict.duplicated.append(f"{side.exchange_id} is in two threads")
            self._places.setdefault(side.exchange_id, (thread.thread_id, place))
            self._sides.setdefault(side.exchange_id, []).append(side)
            if side.role == "user":
                self._by_marker[_marker(side.content)].add(side.exchange_id)
        for exchange_id, count in seen.items():
            if count != len(("user", "assistant")):
                self._verdict.duplicated.append(f"{exchange_id} has {count} messages")

    def _check_turn(self, turn: Turn) -> None:
        is_reachable = self._deletions.may_reach(turn)
        for request in [*turn.requests, *turn.late]:
            is_key_of_deleted = request.is_of_other_body and turn.move.naming == "key" and is_reachable
            if not (request.is_answered or request.is_unknown or request.is_conflict or is_key_of_deleted):
                self._verdict.refused.append(f"{turn.move.marker}: {request.status} {request.answer}")
        stored = self._by_marker[turn.move.marker]
        if len(stored) > 1 and not self._is_key_lost(turn):
            self._verdict.duplicated.append(f"{_name(turn)} is there as {sorted(stored)}")
        for request in turn.answered:
            self._check_kept(turn, request)
        if turn.is_unknown:
            self._verdict.unknown_stored += bool(stored)
            self._verdict.unknown_absent += not stored
        self._check_answers(turn)
        self._check_erased(turn, stored)

    def _check_erased(self, turn: Turn, stored: set[str]) -> None:
        if self._deletions.reached_at(turn) is None:
            return
        self._verdict.erased += 1
        if stored and not self._is_key_lost(turn):
            self._verdict.back.append(f"{_name(turn)} is there as {sorted(stored)}")

    def _check_kept(self, turn: Turn, request: Request) -> None:
        sides = self._sides.get(request.exchange_id)
        if sides is None:
            if request.durability == "none" or self._deletions.may_reach(turn):
                return
            if request.durability == "redis" and self._was_emptied_after(request):
                self._verdict.outbox_lost.add(request.exchange_id)
            else:
                self._verdict.lost.append(f"{_name(turn)} as {request.exchange_id}, answered {request.durability}")
            return
        thread_id, _ = self._places[request.exchange_id]
        if thread_id != request.thread_id:
            self._verdict.altered.append(f"{_name(turn)} is in {thread_id}")
        move = turn.move
        expected = [move.user_message, move.assistant_message]
        if request.route == "run":
            expected = [f"{move.user_message} {move.assistant_message}", request.answer["response"]]
        if [side.content for side in sides] != expected:
            self._verdict.altered.append(f"{_name(turn)} as {request.exchange_id} has other texts")

    def _was_emptied_after(self, request: Request) -> bool:
        """Return whether Redis may have lost data after the request and before the sweep had emptied the outbox."""
        return any(
            fault.kind in _EMPTYING and fault.ended >= request.sent and fault.began <= request.ended + _SWEPT_SECONDS
            for fault in self._journal.faults
        )

    def _is_key_lost(self, turn: Turn) -> bool:
        """Return whether only a Valkey that was killed later had the key and its exchange."""
        answers = sorted(turn.answered, key=lambda request: request.sent)
        if turn.move.naming != "key" or len(answers) < len(("first", "second")):
            return False
        first, last = answers[0], answers[-1]
        if first.durability not in {"redis", "none"}:
            return False
        was_alone = any(
            "postgres" in fault.kind or "both" in fault.kind
            for fault in self._journal.faults
            if fault.began <= first.ended and first.sent <= fault.ended + _BREAKER_SECONDS
        )
        emptied = (fault for fault in self._journal.faults if fault.kind in _EMPTYING)
        return was_alone and any(first.sent <= fault.ended and fault.began <= last.sent for fault in emptied)

    def _check_answers(self, turn: Turn) -> None:
        """Check that each id has one exchange, and each key has one answer."""
        answers = turn.answered
        if turn.move.naming == "key":
            result = {(one.exchange_id, str(one.answer["response"])) for one in answers}
        elif turn.move.naming in {"uuid4", "uuid7"}:
            result = {(one.exchange_id, "") for one in answers}
        else:
            return
        if len(result) > 1 and self._is_key_lost(turn):
            self._verdict.keys_lost.append(_name(turn))
        elif len(result) > 1:
            durabilities = [(one.durability, one.is_replayed, round(one.sent, 2)) for one in answers]
            self._verdict.answers.append(f"{_name(turn)}: {sorted({one for one, _ in result})} {durabilities}")

    def _check_order(self) -> None:
        """Check that each caller's exchanges are in order.

        An exchange that was stored before a second exchange was sent must sort before the second exchange.
        """
        lines: defaultdict[tuple[int, str], list[Turn]] = defaultdict(list)
        for turn in self._journal.turns:
            if turn.requests:
                lines[turn.caller, turn.move.thread_id].append(turn)
        for line in lines.values():
            self._check_line(sorted(line, key=lambda turn: turn.sent))

    def _check_line(self, line: Sequence[Turn]) -> None:
        kept = [turn for turn in line if turn.known_at is not None and self._place(turn) is not None]
        for first, second in pairwise(kept):
            if first.known_at is None or first.known_at > second.sent or not _is_placed_after(first, second):
                continue
            self._verdict.ordered_pairs += 1
            before, after = self._place(first), self._place(second)
            if before is not None and after is not None and before > after:
                known = f"known {second.sent - first.known_at:.2f} s earlier"
                self._verdict.out_of_order.append(
                    f"{second.move.thread_id}: {_name(second)} stands before {_name(first)}, {known}"
                )

    def _place(self, turn: Turn) -> int | None:
        found = self._places.get(turn.answered[0].exchange_id)
        return found[1] if found else None


def _is_placed_after(first: Turn, second: Turn) -> bool:
    """Return whether the second exchange must sort after the first one.

    It must if the second turn began with a recall, or if the service created both ids from the time. If the caller
    created the second UUIDv7, it need not.
    """
    if second.move.naming == "uuid7":
        return False
    if second.recall is not None and second.recall.is_answered:
        return True
    return second.move.naming in {"service", "run", "key"} and first.move.naming in {"service", "run", "key"}


def _marker(text: str) -> str:
    return text[1 : text.index("]")] if text.startswith("[") and "]" in text else text[:40]


def _name(turn: Turn) -> str:
    return f"{turn.move.marker} ({turn.move.naming})"
