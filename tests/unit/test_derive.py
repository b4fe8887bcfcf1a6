"""The derive function derives from the threads of a batch, and no record blocks another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from functions.derive.derivations import Derivation, Derivations, DeriveResult
from shared.errors import InvalidRecord, StoreUnavailable
from shared.sqs_record import SqsRecord
from shared.stores.derivations import DueThread

SECONDS = 60.0


class _FakeQueue:
    """The queues of the derive function.

    Attributes:
        dead: The id and the reason of each dead letter.
        delays: The delay of each message that waits.
        is_down: Whether SQS does not respond.
    """

    def __init__(self) -> None:
        self.dead: list[tuple[str, str]] = []
        self.delays: dict[str, int] = {}
        self.is_down = False

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Record the dead letter."""
        assert detail
        if self.is_down:
            raise StoreUnavailable("queue")
        self.dead.append((message.message_id, reason))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Record the delays."""
        if self.is_down:
            raise StoreUnavailable("queue")
        self.delays |= {message.message_id: seconds for message in messages}


class _FakeDerivation:
    """A derivation whose threads are finished, unfinished or fail.

    Attributes:
        shares: The seconds that each thread got, in the order of the threads.
    """

    def __init__(self, unfinished: Sequence[str] = (), failing: Sequence[str] = (), broken: Sequence[str] = ()) -> None:
        self._unfinished, self._failing, self._broken = unfinished, failing, broken
        self.shares: dict[str, float] = {}

    def derive(self, thread_id: str, seconds: float) -> bool:
        """Return whether the thread is finished, or fail."""
        self.shares[thread_id] = seconds
        if thread_id in self._failing:
            raise StoreUnavailable("search", "the model did not answer")
        if thread_id in self._broken:
            raise ZeroDivisionError
        return thread_id not in self._unfinished


def _record(thread_id: str, number: int = 0, receives: int = 1, **changes: Any) -> dict[str, Any]:
    body = {"version": 1, "kind": "vectors", "thread_id": thread_id, **changes}
    return {
        "messageId": f"{thread_id}-{number}",
        "receiptHandle": "r",
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": str(receives)},
    }


def _run(
    derive: Derivation | None, records: Sequence[object], queue: _FakeQueue | None = None, seconds: float = SECONDS
) -> DeriveResult:
    derivations = Derivations({"vectors": derive}, queue or _FakeQueue(), random=lambda: 1.0)
    return derivations.run(records, seconds)


def test_every_thread_of_a_batch_is_derived_from() -> None:
    """A thread with several messages is derived from once. Each thread gets a share of the time."""
    fake = _FakeDerivation()
    records = [_record("a"), _record("b"), _record("a", 1), _record("c"), _record("d")]
    outcome = _run(fake.derive, records)
    assert outcome == DeriveResult(derived=4)
    assert list(fake.shares) == ["a", "b", "c", "d"]
    assert SECONDS / 8 < fake.shares["a"] <= SECONDS / 4
    # The first threads have used no time, so the last one has all of it.
    assert SECONDS / 2 < fake.shares["d"] <= SECONDS


def test_no_thread_is_started_after_the_time() -> None:
    """If no time is left, the function starts no thread, because Lambda would end it. SQS redelivers all messages."""
    fake, queue = _FakeDerivation(), _FakeQueue()
    outcome = _run(fake.derive, [_record("a"), _record("b")], queue, seconds=0)
    assert outcome == DeriveResult(unfinished=2, failed=["a-0", "b-0"])
    assert (fake.shares, queue.delays) == ({}, {"a-0": 1, "b-0": 1})


def test_a_thread_with_work_left_is_continued_soon() -> None:
    """SQS redelivers all messages of a thread with work left after a second. The others are finished."""
    queue = _FakeQueue()
    records = [_record("long"), _record("long", 1, receives=50), _record("short")]
    outcome = _run(_FakeDerivation(unfinished=["long"]).derive, records, queue)
    assert outcome == DeriveResult(derived=1, unfinished=1, failed=["long-0", "long-1"])
    assert queue.delays == {"long-0": 1, "long-1": 1}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 4), (10, 60)])
def test_a_model_that_does_not_answer_fails_the_record(receives: int, seconds: int) -> None:
    """The record is retried after a delay that grows with each receive. The other threads are derived from."""
    queue = _FakeQueue()
    records = [_record("down", receives=receives), _record("up")]
    outcome = _run(_FakeDerivation(failing=["down"]).derive, records, queue)
    assert outcome == DeriveResult(derived=1, errors=1, failed=["down-0"])
    assert queue.delays == {"down-0": seconds}


def test_an_unexpected_error_fails_one_record(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged with its traceback, and the other threads are derived from."""
    outcome = _run(_FakeDerivation(broken=["broken"]).derive, [_record("broken"), _record("other")])
    assert outcome == DeriveResult(derived=1, errors=1, failed=["broken-0"])
    assert "ZeroDivisionError" in caplog.text


def test_messages_are_dropped_if_the_kind_is_switched_off() -> None:
    """Without embeddings, messages of the kind `vectors` are dropped. They are no failures."""
    queue = _FakeQueue()
    assert _run(None, [_record("a"), _record("b")], queue) == DeriveResult(dropped=2)
    assert (queue.dead, queue.delays) == ([], {})


INVALID = [
    ("not json", "not_json"),
    ("[]", "not_json"),
    ('{"version": 2, "kind": "vectors", "thread_id": "t"}', "unknown_version"),
    ('{"version": true, "kind": "vectors", "thread_id": "t"}', "unknown_version"),
    ('{"version": 1, "thread_id": "t"}', "missing_field"),
    ('{"version": 1, "kind": "vectors"}', "missing_field"),
    ('{"version": 1, "kind": ["vectors"], "thread_id": "t"}', "invalid_field"),
    ('{"version": 1, "kind": "vectors", "thread_id": 5}', "invalid_field"),
    ('{"version": 1, "kind": "vectors", "thread_id": ""}', "invalid_field"),
    (json.dumps({"version": 1, "kind": "vectors", "thread_id": "x" * 256}), "invalid_field"),
    ('{"version": 1, "kind": "vectors", "thread_id": "a\\u0000b"}', "invalid_field"),
    ('{"version": 1, "kind": "summaries", "thread_id": "t"}', "unknown_kind"),
    ('{"version": 1, "kind": "", "thread_id": "t"}', "unknown_kind"),
]


@pytest.mark.parametrize(("body", "reason"), INVALID)
def test_an_invalid_message_is_dead_lettered(body: str, reason: str) -> None:
    """An invalid message or one of an unknown kind goes to the dead-letter queue. The other messages are handled."""
    queue = _FakeQueue()
    outcome = _run(_FakeDerivation().derive, [_record("t") | {"messageId": "m", "body": body}, _record("ok")], queue)
    assert outcome == DeriveResult(derived=1, dead={reason: 1})
    assert queue.dead == [("m", reason)]


def test_a_malformed_record_is_dead_lettered() -> None:
    """A record without a body goes to the dead-letter queue."""
    queue = _FakeQueue()
    assert _run(None, [{"messageId": "m"}, 5], queue).dead == {"no_record": 2}


def test_messages_stay_in_the_queue_while_sqs_is_down() -> None:
    """If SQS does not respond, invalid, failed and unfinished messages stay in the queue."""
    queue = _FakeQueue()
    queue.is_down = True
    fake = _FakeDerivation(unfinished=["long"], failing=["down"])
    records = [_record("bad", version=9), _record("long"), _record("down"), _record("ok")]
    outcome = _run(fake.derive, records, queue)
    assert outcome == DeriveResult(derived=1, unfinished=1, errors=1, failed=["bad-0", "long-0", "down-0"])


@pytest.mark.parametrize("thread_id", ["ada", "a/b c", "क्षि", "🎉", "x" * 255])
def test_a_threads_id_may_have_any_printable_character(thread_id: str) -> None:
    """The message names its thread, whatever printable characters the id has."""
    body = json.dumps({"version": 1, "kind": "vectors", "thread_id": thread_id})
    assert DueThread.from_wire(body) == DueThread("vectors", thread_id)


def test_a_lone_surrogate_is_an_invalid_record() -> None:
    """A lone surrogate, which no thread's id has, is an invalid record."""
    with pytest.raises(InvalidRecord):
        DueThread.from_wire('{"version": 1, "kind": "vectors", "thread_id": "\\udc80"}')
