"""Checks each exchange's responses against the stores (guarantees 1, 2 and 6 of docs/guarantees.md)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.journal import Journal, Request, Turn
from tests.chaos.response_checks import DeletionIndex, ResponseChecks
from tests.chaos.stored import StoredMessage, Thread

# Redis may have lost data after these faults.
_DATA_LOSS_FAULTS = {
    *("valkey killed", "both stores killed", "postgres frozen, valkey killed"),
    *("valkey restores older data", "valkey fails over", "valkey fails over to wrong clock"),
}
# An outbox is emptied within this time: two sweeps and the longest outage of the stores.
_MAX_OUTBOX_SECONDS = 180.0
# A fault of PostgreSQL can prevent storing a key for this long after the fault's end.
_BREAKER_SECONDS = 3.0


@dataclass(slots=True)
class Verdict:
    """The result of the checks. Each list has one sentence for each deviation.

    Attributes:
        lost: Accepted exchanges that PostgreSQL does not have.
        outbox_lost: Exchanges with durability `redis` that Valkey may have lost before the sweep.
        keys_lost: Keys that only Valkey had, because PostgreSQL did not respond, and that Valkey may have lost.
        duplicated: Exchanges that are stored more than once.
        altered: Exchanges that are stored with another thread, role or text.
        differing: Threads whose list in Redis differs from PostgreSQL.
        incomplete: Responses that lack stored exchanges without reporting a degraded layer.
        returned: Deleted exchanges that are stored or in a later response.
        double_responses: Keys or ids with two different responses.
        refused: Requests that failed although they were valid.
        not_learned: Statements of stored exchanges that were not learned.
        learned_twice: Statements that were learned twice.
        unproven: Learned statements that their exchange does not make, or that do not quote it.
        returned_memories: Memories of deleted exchanges, and deleted memories that are learned or listed again.
        unfinished: Work that was not finished at the end of the run.
        statements: The number of statements that the stored exchanges make.
        memories: The number of memories in the users' lists at the end.
        forgotten: The number of memories whose deletion was confirmed.
        ordered_pairs: The number of checked pairs of exchanges.
        erased: The number of turns whose exchange must be deleted.
        unknown_stored: The number of turns without a response, but with a stored exchange.
        unknown_missing: The number of turns without a response and without a stored exchange.
    """

    lost: list[str] = field(default_factory=list)
    outbox_lost: set[str] = field(default_factory=set)
    keys_lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    double_responses: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    not_learned: list[str] = field(default_factory=list)
    learned_twice: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    returned_memories: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    statements: int = 0
    memories: int = 0
    forgotten: int = 0
    threads: int = 0
    cached_threads: int = 0
    ordered_pairs: int = 0
    erased: int = 0
    unknown_stored: int = 0
    unknown_missing: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        """Return the violations of guarantees, by kind."""
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "altered": self.altered,
            "out of order": self.out_of_order,
            "differing threads": self.differing,
            "incomplete responses": self.incomplete,
            "deleted and returned": self.returned,
            "two responses for one key or id": self.double_responses,
            "refused requests": self.refused,
            "statements not learned": self.not_learned,
            "statements learned twice": self.learned_twice,
            "unproven statements": self.unproven,
            "memories deleted and returned": self.returned_memories,
            "unfinished": self.unfinished,
        }

    @property
    def is_clean(self) -> bool:
        """Return whether no guarantee was violated."""
        return not any(self.violations.values())


class Judge:
    """Compares the log with the contents of the layers."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._verdict = Verdict()
        self._deletions = DeletionIndex.of(journal)
        self._positions: dict[str, tuple[str, int]] = {}
        self._messages: dict[str, list[StoredMessage]] = {}
        self._ids_by_label: defaultdict[str, set[str]] = defaultdict(set)

    def judge(self, threads: Iterable[Thread]) -> Verdict:
        """Return the verdict."""
        for thread in threads:
            self._record_thread(thread)
        for turn in self._journal.turns:
            self._check_turn(turn)
        self._check_order()
        checks = ResponseChecks(self._journal, self._deletions, self._positions)
        self._verdict.incomplete += checks.find_incomplete()
        self._verdict.returned += checks.find_deleted()
        return self._verdict

    def _record_thread(self, thread: Thread) -> None:
        self._verdict.threads += 1
        self._verdict.cached_threads += thread.cached is not None
        if difference := thread.difference():
            self._verdict.differing.append(f"{thread.thread_id}: {difference}")
        seen: Counter[str] = Counter()
        for index, (message, position) in enumerate(zip(thread.stored, thread.positions, strict=True)):
            seen[message.exchange_id] += 1
            if (position == 0) != (message.role == "user"):
                self._verdict.altered.append(f"{message.exchange_id}: role {message.role} at position {position}")
            if message.exchange_id in self._positions and self._positions[message.exchange_id][0] != thread.thread_id:
                self._verdict.duplicated.append(f"{message.exchange_id} is in two threads")
            self._positions.setdefault(message.exchange_id, (thread.thread_id, index))
            self._messages.setdefault(message.exchange_id, []).append(message)
            if message.role == "user":
                self._ids_by_label[_label_of(message.content)].add(message.exchange_id)
        for exchange_id, count in seen.items():
            if count != len(("user", "assistant")):
                self._verdict.duplicated.append(f"{exchange_id} has {count} messages")

    def _check_turn(self, turn: Turn) -> None:
        may_be_deleted = self._deletions.may_have_deleted(turn)
        for request in [*turn.requests, *turn.repeated]:
            is_key_of_deleted_exchange = request.is_body_mismatch and turn.planned.id_source == "key" and may_be_deleted
            if not (request.is_answered or request.is_unknown or request.is_conflict or is_key_of_deleted_exchange):
                self._verdict.refused.append(f"{turn.planned.label}: {request.status} {request.answer}")
        stored = self._ids_by_label[turn.planned.label]
        if len(stored) > 1 and not self._is_key_lost(turn):
            self._verdict.duplicated.append(f"{_describe(turn)} is stored as {sorted(stored)}")
        for request in turn.answered:
            self._check_stored(turn, request)
        if turn.is_unknown:
            self._verdict.unknown_stored += bool(stored)
            self._verdict.unknown_missing += not stored
        self._check_responses(turn)
        self._check_erased(turn, stored)

    def _check_erased(self, turn: Turn, stored: set[str]) -> None:
        if self._deletions.deleted_at(turn) is None:
            return
        self._verdict.erased += 1
        if stored and not self._is_key_lost(turn):
            self._verdict.returned.append(f"{_describe(turn)} is stored as {sorted(stored)}")

    def _check_stored(self, turn: Turn, request: Request) -> None:
        messages = self._messages.get(request.exchange_id)
        if messages is None:
            if request.durability == "none" or self._deletions.may_have_deleted(turn):
                return
            if request.durability == "redis" and self._may_be_lost_after(request):
                self._verdict.outbox_lost.add(request.exchange_id)
            else:
                self._verdict.lost.append(
                    f"{_describe(turn)} as {request.exchange_id}, durability {request.durability}"
                )
            return
        thread_id, _ = self._positions[request.exchange_id]
        if thread_id != request.thread_id:
            self._verdict.altered.append(f"{_describe(turn)} is in {thread_id}")
        planned = turn.planned
        expected = [planned.user_message, planned.assistant_message]
        if request.route == "run":
            expected = [f"{planned.user_message} {planned.assistant_message}", request.answer["response"]]
        if [message.content for message in messages] != expected:
            self._verdict.altered.append(f"{_describe(turn)} as {request.exchange_id} has other texts")

    def _may_be_lost_after(self, request: Request) -> bool:
        """Return whether Redis may have lost data after the request and before the sweep had emptied the outbox."""
        return any(
            fault.kind in _DATA_LOSS_FAULTS
            and fault.ended >= request.sent
            and fault.began <= request.ended + _MAX_OUTBOX_SECONDS
            for fault in self._journal.faults
        )

    def _is_key_lost(self, turn: Turn) -> bool:
        """Return whether the key and its exchange may have been only in Valkey, which may have lost them later."""
        responses = sorted(turn.answered, key=lambda request: request.sent)
        if turn.planned.id_source != "key" or len(responses) < len(("first", "second")):
            return False
        first, last = responses[0], responses[-1]
        if first.durability not in {"redis", "none"}:
            return False
        was_only_in_redis = any(
            "postgres" in fault.kind or "both" in fault.kind
            for fault in self._journal.faults
            if fault.began <= first.ended and first.sent <= fault.ended + _BREAKER_SECONDS
        )
        data_losses = (fault for fault in self._journal.faults if fault.kind in _DATA_LOSS_FAULTS)
        return was_only_in_redis and any(
            first.sent <= fault.ended and fault.began <= last.sent for fault in data_losses
        )

    def _check_responses(self, turn: Turn) -> None:
        """Check that each id has one exchange, and each key has one response."""
        responses = turn.answered
        if turn.planned.id_source == "key":
            distinct = {(response.exchange_id, str(response.answer["response"])) for response in responses}
        elif turn.planned.id_source in {"uuid4", "uuid7", "import"}:
            distinct = {(response.exchange_id, "") for response in responses}
        else:
            return
        if len(distinct) > 1 and self._is_key_lost(turn):
            self._verdict.keys_lost.append(_describe(turn))
        elif len(distinct) > 1:
            durabilities = [
                (response.durability, response.is_replayed, round(response.sent, 2)) for response in responses
            ]
            self._verdict.double_responses.append(
                f"{_describe(turn)}: {sorted({exchange_id for exchange_id, _ in distinct})} {durabilities}"
            )

    def _check_order(self) -> None:
        """Check that each caller's exchanges are in order.

        An exchange that was stored before a second exchange was sent must sort before the second exchange.
        """
        sequences: defaultdict[tuple[int, str], list[Turn]] = defaultdict(list)
        for turn in self._journal.turns:
            if turn.requests:
                sequences[turn.caller, turn.planned.thread_id].append(turn)
        for sequence in sequences.values():
            self._check_sequence(sorted(sequence, key=lambda turn: turn.sent))

    def _check_sequence(self, sequence: Sequence[Turn]) -> None:
        stored_turns = [
            turn for turn in sequence if turn.accepted_at is not None and self._position_of(turn) is not None
        ]
        for first, second in pairwise(stored_turns):
            if first.accepted_at is None or first.accepted_at > second.sent or not _must_sort_after(first, second):
                continue
            self._verdict.ordered_pairs += 1
            before, after = self._position_of(first), self._position_of(second)
            if before is not None and after is not None and before > after:
                age = f"accepted {second.sent - first.accepted_at:.2f} s earlier"
                self._verdict.out_of_order.append(
                    f"{second.planned.thread_id}: {_describe(second)} sorts before {_describe(first)}, {age}"
                )

    def _position_of(self, turn: Turn) -> int | None:
        position = self._positions.get(turn.answered[0].exchange_id)
        return position[1] if position else None


def _must_sort_after(first: Turn, second: Turn) -> bool:
    """Return whether the second exchange must sort after the first exchange.

    Imports sort by their own times, and a caller's UUIDv7 sorts by the caller's time. The result is therefore false if
    either exchange is an import, or if the caller created the second id as a UUIDv7. Otherwise it is true if the second
    turn began with a successful `/invoking`, or if the service created both ids from the time.
    """
    if second.planned.id_source == "uuid7" or "import" in {first.planned.id_source, second.planned.id_source}:
        return False
    if second.recall is not None and second.recall.is_answered:
        return True
    return {first.planned.id_source, second.planned.id_source} <= {"service", "run", "key"}


def _label_of(text: str) -> str:
    return text[1 : text.index("]")] if text.startswith("[") and "]" in text else text[:40]


def _describe(turn: Turn) -> str:
    return f"{turn.planned.label} ({turn.planned.id_source})"
