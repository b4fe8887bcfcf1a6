"""A chaos run's verdict detects incomplete responses and restored deleted exchanges."""

from __future__ import annotations

from tests.chaos.journal import Deleted, Journal, Request, Turn, Window
from tests.chaos.plan import FAULT_KINDS, Move, Plan
from tests.chaos.stored import Side, Thread
from tests.chaos.verdict import Judge, Verdict

_THREAD = "chaos-1"


def _turn(marker: str, start: float, *, shown: list[str] | None = None, degraded: tuple[str, ...] = ()) -> Turn:
    """Return a turn that starts at `start` and takes half a second. With `shown`, the turn loads the memory first."""
    move = Move(marker, _THREAD, None, "service", shown is not None, 1, f"[{marker}] q", f"[{marker}] a", 0)
    answer = {"exchange_id": marker, "durability": "queue", "cached": True}
    sent = Request(0, "invoked", _THREAD, sent=start, ended=start + 0.5, status=202, answer=answer)
    turn = Turn(0, move, requests=[sent])
    if shown is not None:
        turn.recall = _recall(start - 0.2, shown, degraded)
    return turn


def _recall(start: float, shown: list[str], degraded: tuple[str, ...] = ()) -> Request:
    answer = {"degraded": list(degraded), "source": "redis"}
    return Request(0, "invoking", _THREAD, sent=start, ended=start + 0.1, status=200, answer=answer, shown=shown)


def _judge(journal: Journal, *stored: str) -> Verdict:
    sides = [
        Side(exchange_id, role, f"[{exchange_id}] {role[0].replace('u', 'q')}")
        for exchange_id in stored
        for role in ("user", "assistant")
    ]
    return Judge(journal).judge([Thread(_THREAD, sides, [0, 1] * len(stored), None, is_sealed_from_first=False)])


def test_a_response_without_a_known_exchange_is_a_violation() -> None:
    """A response that lacks a known stored exchange and reports no degraded layer is a violation."""
    journal = Journal(turns=[_turn("x1", 1), _turn("x2", 3, shown=[])])
    assert _judge(journal, "x1", "x2").shown_too_little


def test_a_degraded_response_is_not_a_violation() -> None:
    """An incomplete response with a degraded layer is correct."""
    journal = Journal(turns=[_turn("x1", 1), _turn("x2", 3, shown=[], degraded=("queue",))])
    assert _judge(journal, "x1", "x2").is_clean


def test_a_response_may_lack_an_unknown_exchange() -> None:
    """A response may lack an exchange if no caller knew of the exchange when the memory was loaded."""
    journal = Journal(turns=[_turn("x1", 1), _turn("x2", 1.4, shown=[])])
    assert _judge(journal, "x1", "x2").is_clean


def test_incomplete_responses_are_violations_during_faults_too() -> None:
    """During any fault an incomplete response must report a degraded layer."""
    journal = Journal(
        turns=[_turn("x1", 1), _turn("x2", 3, shown=[])], faults=[Window("valkey comes back older", 0, 4)]
    )
    assert _judge(journal, "x1", "x2").shown_too_little


def test_the_last_response_must_be_complete_and_not_degraded() -> None:
    """The last response of each thread must be complete and not degraded."""
    assert _judge(Journal(turns=[_turn("x1", 1)], last_looks=[_recall(9, [])]), "x1").shown_too_little
    assert _judge(Journal(turns=[_turn("x1", 1)], last_looks=[_recall(9, ["x1"], ("redis",))]), "x1").shown_too_little
    assert _judge(Journal(turns=[_turn("x1", 1)], last_looks=[_recall(9, ["x1"])]), "x1").is_clean


def test_exchanges_before_a_full_window_may_be_missing() -> None:
    """A window has fifty exchanges. Only exchanges older than the window may be missing."""
    turns = [_turn(f"x{number}", number) for number in range(51)]
    shown = [f"x{number}" for number in range(1, 51)]
    stored = [f"x{number}" for number in range(51)]
    assert _judge(Journal(turns=turns, last_looks=[_recall(90, shown)]), *stored).is_clean
    without_one = ["x0", *shown[:30], *shown[31:]]
    assert _judge(Journal(turns=turns, last_looks=[_recall(90, without_one)]), *stored).shown_too_little


def test_deleted_exchanges_must_not_return() -> None:
    """A deleted exchange in PostgreSQL or in a response is a violation."""
    deletions = [Deleted(_THREAD, 5, 6)]
    assert _judge(Journal(turns=[_turn("x1", 1)], deletions=deletions)).is_clean
    assert _judge(Journal(turns=[_turn("x1", 1)], deletions=deletions), "x1").back
    shown_again = Journal(turns=[_turn("x1", 1)], deletions=deletions, last_looks=[_recall(9, ["x1"], ("redis",))])
    assert _judge(shown_again).back


def test_exchanges_after_a_deletion_must_stay() -> None:
    """The loss of an exchange that was accepted after a deletion is a violation."""
    assert _judge(Journal(turns=[_turn("x1", 7)], deletions=[Deleted(_THREAD, 5, 6)])).lost


def test_exchanges_during_a_deletion_are_shown_if_stored() -> None:
    """An exchange that is accepted during a deletion may be deleted. If it is stored, responses must show it."""
    deletions = [Deleted(_THREAD, 0.9, 2)]
    assert _judge(Journal(turns=[_turn("x1", 1)], deletions=deletions)).is_clean
    stored = Journal(turns=[_turn("x1", 1), _turn("x2", 3, shown=[])], deletions=deletions)
    assert _judge(stored, "x1", "x2").shown_too_little


def test_each_round_has_every_kind_of_fault() -> None:
    """The faults of a run come in rounds, and each round has every kind of fault.

    Refused writes come first, and an older Redis comes third.
    """
    faults = Plan(1, 200).faults()
    round_of_faults = [next(faults).kind for _ in FAULT_KINDS]
    assert set(round_of_faults) == set(FAULT_KINDS)
    assert round_of_faults[0] in {"valkey full", "valkey without replicas", "valkey cannot save"}
    assert round_of_faults[2] in {"valkey comes back older", "valkey fails over"}


def test_an_outbox_may_be_lost_with_its_redis_before_the_sweep() -> None:
    """An exchange of a lost outbox is not a violation if its Redis was lost before the next sweep.

    A deleted exchange does not count as lost.
    """
    turn = _turn("x1", 1)
    turn.requests[0].answer["durability"] = "redis"
    assert _judge(Journal(turns=[turn], faults=[Window("valkey killed", 5, 6)])).outbox_lost == {"x1"}
    assert _judge(Journal(turns=[turn], faults=[Window("valkey full", 5, 6)])).lost
    assert _judge(Journal(turns=[turn], faults=[Window("valkey killed", 900, 901)])).lost
    deleted = Journal(turns=[turn], faults=[Window("valkey killed", 5, 6)], deletions=[Deleted(_THREAD, 3, 4)])
    assert not _judge(deleted).outbox_lost
