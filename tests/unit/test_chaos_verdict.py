"""A chaos run's verdict detects incomplete responses and restored deleted exchanges."""

from __future__ import annotations

from tests.chaos.journal import FaultPeriod, Journal, LoggedDeletion, Request, Turn
from tests.chaos.plan import FAULT_KINDS, Plan, PlannedTurn
from tests.chaos.stored import StoredMessage, Thread
from tests.chaos.verdict import Judge, Verdict

_THREAD = "chaos-1"


def _turn(label: str, start: float, *, exchange_ids: list[str] | None = None, degraded: tuple[str, ...] = ()) -> Turn:
    """Return a turn that starts at `start` and takes half a second. With `exchange_ids`, it loads the memory first."""
    planned = PlannedTurn(
        label, _THREAD, None, "service", exchange_ids is not None, 1, f"[{label}] q", f"[{label}] a", 0
    )
    answer = {"exchange_id": label, "durability": "queue", "cached": True}
    sent = Request(0, "invoked", _THREAD, sent=start, ended=start + 0.5, status=202, answer=answer)
    turn = Turn(0, planned, requests=[sent])
    if exchange_ids is not None:
        turn.recall = _recall(start - 0.2, exchange_ids, degraded)
    return turn


def _recall(start: float, exchange_ids: list[str], degraded: tuple[str, ...] = ()) -> Request:
    answer = {"degraded": list(degraded), "source": "redis"}
    return Request(
        0, "invoking", _THREAD, sent=start, ended=start + 0.1, status=200, answer=answer, exchange_ids=exchange_ids
    )


def _judge(journal: Journal, *stored: str) -> Verdict:
    messages = [
        StoredMessage(exchange_id, role, f"[{exchange_id}] {role[0].replace('u', 'q')}")
        for exchange_id in stored
        for role in ("user", "assistant")
    ]
    return Judge(journal).judge([Thread(_THREAD, messages, [0, 1] * len(stored), None, is_sealed=False)])


def test_a_response_without_a_known_exchange_is_a_violation() -> None:
    """A response lacks a stored exchange that a caller knows of, and reports no degraded layer. This is a violation."""
    journal = Journal(turns=[_turn("x1", 1), _turn("x2", 3, exchange_ids=[])])
    assert _judge(journal, "x1", "x2").incomplete


def test_a_degraded_response_is_not_a_violation() -> None:
    """An incomplete response with a degraded layer is correct."""
    journal = Journal(turns=[_turn("x1", 1), _turn("x2", 3, exchange_ids=[], degraded=("queue",))])
    assert _judge(journal, "x1", "x2").is_clean


def test_a_response_may_lack_an_unknown_exchange() -> None:
    """A response may lack an exchange if no caller knew of the exchange when the memory was loaded."""
    journal = Journal(turns=[_turn("x1", 1), _turn("x2", 1.4, exchange_ids=[])])
    assert _judge(journal, "x1", "x2").is_clean


def test_incomplete_responses_are_violations_during_faults_too() -> None:
    """During any fault an incomplete response must report a degraded layer."""
    journal = Journal(
        turns=[_turn("x1", 1), _turn("x2", 3, exchange_ids=[])],
        faults=[FaultPeriod("valkey restores older data", 0, 4)],
    )
    assert _judge(journal, "x1", "x2").incomplete


def test_the_last_response_must_be_complete_and_not_degraded() -> None:
    """The last response of each thread must be complete and not degraded."""
    assert _judge(Journal(turns=[_turn("x1", 1)], final_reads=[_recall(9, [])]), "x1").incomplete
    assert _judge(Journal(turns=[_turn("x1", 1)], final_reads=[_recall(9, ["x1"], ("redis",))]), "x1").incomplete
    assert _judge(Journal(turns=[_turn("x1", 1)], final_reads=[_recall(9, ["x1"])]), "x1").is_clean


def test_exchanges_before_a_full_window_may_be_missing() -> None:
    """A window has fifty exchanges. Only exchanges older than the window may be missing."""
    turns = [_turn(f"x{number}", number) for number in range(51)]
    exchange_ids = [f"x{number}" for number in range(1, 51)]
    stored = [f"x{number}" for number in range(51)]
    assert _judge(Journal(turns=turns, final_reads=[_recall(90, exchange_ids)]), *stored).is_clean
    without_one = ["x0", *exchange_ids[:30], *exchange_ids[31:]]
    assert _judge(Journal(turns=turns, final_reads=[_recall(90, without_one)]), *stored).incomplete


def test_deleted_exchanges_must_not_return() -> None:
    """A deleted exchange in PostgreSQL or in a response is a violation."""
    deletions = [LoggedDeletion(_THREAD, 5, 6)]
    assert _judge(Journal(turns=[_turn("x1", 1)], deletions=deletions)).is_clean
    assert _judge(Journal(turns=[_turn("x1", 1)], deletions=deletions), "x1").returned
    returned = Journal(turns=[_turn("x1", 1)], deletions=deletions, final_reads=[_recall(9, ["x1"], ("redis",))])
    assert _judge(returned).returned


def test_exchanges_after_a_deletion_must_stay() -> None:
    """The loss of an exchange that was accepted after a deletion is a violation."""
    assert _judge(Journal(turns=[_turn("x1", 7)], deletions=[LoggedDeletion(_THREAD, 5, 6)])).lost


def test_exchanges_during_a_deletion_are_shown_if_stored() -> None:
    """An exchange that is accepted during a deletion may be deleted. If it is stored, responses must show it."""
    deletions = [LoggedDeletion(_THREAD, 0.9, 2)]
    assert _judge(Journal(turns=[_turn("x1", 1)], deletions=deletions)).is_clean
    stored_journal = Journal(turns=[_turn("x1", 1), _turn("x2", 3, exchange_ids=[])], deletions=deletions)
    assert _judge(stored_journal, "x1", "x2").incomplete


def test_each_round_of_faults_begins_with_refused_writes_and_has_every_kind() -> None:
    """The faults of a run come in rounds, and each round has every kind of fault.

    Refused writes come first, and a Redis with older data comes third.
    """
    faults = Plan(1, 200).faults()
    first_round = [next(faults).kind for _ in FAULT_KINDS]
    assert set(first_round) == set(FAULT_KINDS)
    assert first_round[0] in {"valkey full", "valkey without replicas", "valkey cannot save"}
    assert first_round[2] in {"valkey restores older data", "valkey fails over"}


def test_an_outbox_may_be_lost_with_its_redis_before_the_sweep() -> None:
    """If Redis loses the outbox before the next sweep, the loss of an exchange in the outbox is not a violation.

    A deleted exchange does not count as lost.
    """
    turn = _turn("x1", 1)
    turn.requests[0].answer["durability"] = "redis"
    assert _judge(Journal(turns=[turn], faults=[FaultPeriod("valkey killed", 5, 6)])).outbox_lost == {"x1"}
    assert _judge(Journal(turns=[turn], faults=[FaultPeriod("valkey full", 5, 6)])).lost
    assert _judge(Journal(turns=[turn], faults=[FaultPeriod("valkey killed", 900, 901)])).lost
    deleted = Journal(
        turns=[turn], faults=[FaultPeriod("valkey killed", 5, 6)], deletions=[LoggedDeletion(_THREAD, 3, 4)]
    )
    assert not _judge(deleted).outbox_lost
