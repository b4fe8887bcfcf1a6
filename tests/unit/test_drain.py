"""The drain stores valid records, dead-letters invalid ones alone, and waits for the end of an outage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from functions.sync.drain import Drain, DrainResult
from shared.errors import InvalidRecord, StoreUnavailable
from shared.ids import ExchangeIds
from shared.models import Exchange
from shared.sqs_record import SqsRecord
from shared.stores.archive import StoreResult, Window
from shared.testing import InMemoryArchive, InMemoryCache
from tests.support.exchanges import contents_of, exchange, exchanges, refill

# SQS's maximum of `maxReceiveCount`.
MAX_RECEIVES: Final = 1_000


@dataclass
class RecordingQueue:
    """A queue that records the drain's calls. Each method may fail, and no method sends a message."""

    failing_methods: set[str] = field(default_factory=set)
    dead_letters: list[tuple[str, str, str]] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)

    def _check(self, name: str) -> None:
        if name in self.failing_methods:
            raise StoreUnavailable("queue", "injected")

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Record a dead letter."""
        self._check("dead_letter")
        self.dead_letters.append((message.message_id, reason, detail))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Record the visibility timeouts."""
        self._check("postpone")
        self.postponed += [(message.message_id, seconds) for message in messages]


class RefusingArchive(InMemoryArchive):
    """An L2 that refuses batches with certain texts, as PostgreSQL does, and records the batch sizes."""

    refused: frozenset[str] = frozenset()
    sizes: tuple[int, ...] = ()

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store the whole batch or nothing."""
        self.sizes += (len(exchanges),)
        if any(each.user_message in self.refused for each in exchanges):
            raise InvalidRecord("refused_by_postgres", "22023: no")
        return super().store(exchanges)


@pytest.fixture
def archive() -> RefusingArchive:
    """Return an in-memory L2 that may refuse exchanges."""
    return RefusingArchive()


@pytest.fixture
def sqs_queue() -> RecordingQueue:
    """Return a fake of the queues."""
    return RecordingQueue()


@pytest.fixture
def run(archive: RefusingArchive, cache: InMemoryCache, sqs_queue: RecordingQueue) -> Callable[..., DrainResult]:
    """Return a function that drains a batch with the longest delays that jitter allows."""
    return Drain(archive, cache, sqs_queue, random=lambda: 1.0).run


def template() -> dict[str, Any]:
    """Return the template's resources."""
    resources: dict[str, Any] = yaml_parse((Path(__file__).parents[2] / "template.yaml").read_text())["Resources"]
    return resources


def _record(body: str | Exchange, number: int = 0, receives: int = 1) -> dict[str, Any]:
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"r{number}",
        "body": body if isinstance(body, str) else body.to_wire(),
        "attributes": {"ApproximateReceiveCount": str(receives)},
    }


def _records(bodies: Sequence[str | Exchange]) -> list[dict[str, Any]]:
    return [_record(body, number) for number, body in enumerate(bodies)]


def test_a_batch_is_stored_in_one_call(run: Callable[..., DrainResult], archive: RefusingArchive) -> None:
    """The drain calls L2 once for a batch of any size."""
    valid = exchanges(100)
    result = run(_records(valid))
    assert (result.stored, result.duplicates, result.failed, result.dead) == (100, 0, [], {})
    assert result.newest is not None
    assert result.newest.created_at == valid[-1].created_at
    assert archive.sizes == (100,)


def test_an_empty_batch_needs_no_store(run: Callable[..., DrainResult], archive: RefusingArchive) -> None:
    """The drain calls no store for an empty batch."""
    assert run([]) == DrainResult()
    assert archive.calls == []


def test_a_redelivered_batch_changes_nothing(run: Callable[..., DrainResult], archive: RefusingArchive) -> None:
    """A redelivered batch changes nothing and causes no failure."""
    records = _records(exchanges(3))
    run(records)
    repeated = run(records)
    assert (repeated.stored, repeated.duplicates, repeated.failed) == (0, 3, [])
    assert len(archive.exchanges("t")) == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no json", "not_json"),
        ("", "not_json"),
        (exchange().to_wire().replace('"version":1', '"version":2'), "unknown_version"),
        (exchange().to_wire().replace('"thread_id"', '"thread"'), "missing_field"),
        (json.dumps({**json.loads(exchange().to_wire()), "created_at": "0001-01-01T00:00:00Z"}), "invalid_field"),
    ],
)
def test_an_invalid_record_is_dead_lettered_alone(
    body: str, reason: str, run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """The drain dead-letters only the invalid record. It stores the other records, so the queue is empty."""
    valid = exchanges(4)
    result = run(_records([*valid[:2], body, *valid[2:]]))
    assert (result.stored, result.failed, result.dead) == (4, [], {reason: 1})
    assert [(message_id, error_reason) for message_id, error_reason, _ in sqs_queue.dead_letters] == [("m2", reason)]
    assert archive.exchanges("t") == valid


def test_a_refused_record_is_found_by_halving(
    run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """The drain dead-letters only the refused record of a thousand. The number of L2 calls grows logarithmically."""
    archive.refused = frozenset({"q617"})
    result = run(_records(exchanges(1_000)))
    assert (result.stored, result.dead, result.failed) == (999, {"refused_by_postgres": 1}, [])
    assert sqs_queue.dead_letters == [("m617", "refused_by_postgres", "22023: no")]
    assert len(archive.sizes) <= 2 * 11


def test_each_refused_record_is_found(
    run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """The drain finds each refused record, also at the ends of the batch."""
    archive.refused = frozenset({"q0", "q7", "q8", "q15"})
    result = run(_records(exchanges(16)))
    assert (result.stored, {message_id for message_id, _, _ in sqs_queue.dead_letters}) == (
        12,
        {"m0", "m7", "m8", "m15"},
    )


def test_invalid_records_wait_for_the_dead_letter_queue(
    run: Callable[..., DrainResult], sqs_queue: RecordingQueue
) -> None:
    """If the dead-letter queue is down, the drain stores valid records. The invalid record stays in the queue."""
    sqs_queue.failing_methods.add("dead_letter")
    result = run(_records(["no json", *exchanges(2)]))
    assert (result.stored, result.failed, result.dead) == (2, ["m0"], {})


@pytest.mark.parametrize(
    ("receives", "seconds"), [(1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (11, 60), (240, 60), (241, 600), (9_999, 600)]
)
def test_messages_are_hidden_while_postgresql_is_down(
    receives: int, seconds: int, run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """While PostgreSQL is down, all messages stay in the queue, hidden for increasing times.

    No message is dead-lettered.
    """
    archive.is_down = True
    result = run([_record(exchange(), 1, receives)])
    assert (result.stored, result.failed, result.dead) == (0, ["m1"], {})
    assert (sqs_queue.postponed, sqs_queue.dead_letters) == ([("m1", seconds)], [])


def test_messages_of_a_failed_batch_have_one_delay(
    archive: RefusingArchive, cache: InMemoryCache, sqs_queue: RecordingQueue
) -> None:
    """All messages of a failed batch are hidden for the same time. Other batches are hidden for other times."""
    archive.is_down = True
    draws = iter([0.0, 0.5, 1.0])
    drain = Drain(archive, cache, sqs_queue, random=lambda: next(draws))
    for _ in range(3):
        drain.run([_record(exchange(number), number, receives=7) for number in range(3)])
    assert [seconds for _, seconds in sqs_queue.postponed] == [48] * 3 + [54] * 3 + [60] * 3


@pytest.mark.parametrize("hours", [1, 16, 90])
def test_outages_of_days_cause_no_dead_letters(
    hours: int, archive: RefusingArchive, cache: InMemoryCache, sqs_queue: RecordingQueue
) -> None:
    """After an outage of hours or days, a message still has receives left, even with the shortest delays."""
    archive.is_down = True
    run = Drain(archive, cache, sqs_queue, random=lambda: 0.0).run
    seconds, receives = 0.0, 0
    while seconds < hours * 3_600:
        receives += 1
        result = run([_record(exchange(1), 1, receives), _record(exchange(2), 2, receives)])
        assert result.failed == ["m1", "m2"]
        seconds += sqs_queue.postponed[-1][1]
    assert receives < MAX_RECEIVES
    assert sqs_queue.dead_letters == []
    archive.is_down = False
    assert run([_record(exchange(1), 1, receives), _record(exchange(2), 2, receives)]).stored == 2


def test_the_function_sends_nothing_to_its_own_queue() -> None:
    """The function may send messages only to the dead-letter queue and to the derive queue.

    Lambda stops a function that triggers itself after sixteen times.
    """
    (policy,) = template()["SyncRole"]["Properties"]["Policies"]
    sends = [
        statement["Resource"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "sqs:SendMessage" in statement.get("Action", "")
    ]
    assert {each["Fn::GetAtt"][0] for each in sends} == {"ExchangeDeadLetterQueue", "DeriveQueue"}


def test_a_message_fails_if_its_visibility_cannot_change(
    run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """If SQS cannot hide a message longer, the message returns after its visibility timeout at the latest."""
    archive.is_down = True
    sqs_queue.failing_methods = {"postpone"}
    assert run([_record(exchange(), 1, 9)]).failed == ["m1"]


def test_the_drain_updates_l1(run: Callable[..., DrainResult], cache: InMemoryCache) -> None:
    """The drain updates the lists in L1. For a duplicate, the list gets L2's text."""
    exchange_id = UUID(int=5)
    first = exchange("first", exchange_id=exchange_id)
    run(_records([first]))
    refill(cache, "t", Window([], is_all=True))
    later = Exchange(exchange_id, "t", None, "qlater", "alater", first.created_at + timedelta(hours=1))
    cache.append(later, is_drained=False)
    run(_records([later, exchange(2)]))
    assert [content for _, content in cache.contents("t")] == contents_of("first", 2)
    assert cache.undrained["t"] == {}


def test_a_batch_is_stored_during_an_outage_of_l1(
    run: Callable[..., DrainResult], cache: InMemoryCache, archive: RefusingArchive
) -> None:
    """During an outage of L1, the drain stores the batch and records that L1 needs an update."""
    cache.is_down = True
    result = run(_records([exchange(0, "t1"), exchange(1, "t2"), exchange(2, "t1")]))
    assert (result.stored, result.failed, result.is_cache_behind) == (3, [], True)
    assert sorted(invalidation.id for invalidation in archive.invalidations(9)) == ["t1", "t2"]


def test_a_batch_is_redelivered_if_no_invalidation_is_logged(
    run: Callable[..., DrainResult], cache: InMemoryCache, archive: RefusingArchive
) -> None:
    """If the drain cannot record L1's missing update, SQS redelivers the batch. The duplicates then update L1."""
    cache.is_down = True

    def fail_to_log(*_: object) -> None:
        raise StoreUnavailable("postgres", "gone meanwhile")

    archive.log_invalidations = fail_to_log  # type: ignore[method-assign,assignment]
    records = _records(exchanges(2))
    assert run(records).failed == ["m0", "m1"]
    cache.is_down = False
    assert run(records).failed == []


def _future_exchange(days: float, exchange_id: UUID | None) -> Exchange:
    future = exchange(9, exchange_id=exchange_id or ExchangeIds().new(now=time.time() + days * 86_400))
    return future.with_id(future.exchange_id, future.created_at + timedelta(days=days if exchange_id else 0))


@pytest.mark.parametrize("exchange_id", [None, UUID(int=5)])
@pytest.mark.parametrize("days", [0.1, 2, 30, 300])
def test_a_record_of_a_fast_clock_is_stored(
    days: float,
    exchange_id: UUID | None,
    run: Callable[..., DrainResult],
    archive: RefusingArchive,
    sqs_queue: RecordingQueue,
) -> None:
    """The drain stores a record from a clock that is ahead, because the API has accepted the record."""
    future = _future_exchange(days, exchange_id)
    result = run(_records([future, exchange(1)]))
    assert (result.stored, result.dead, sqs_queue.dead_letters) == (2, {}, [])
    assert future in archive.exchanges("t")


@pytest.mark.parametrize("days", [2, 20_000])
def test_a_drain_with_a_slow_clock_stores_records(
    days: int, run: Callable[..., DrainResult], sqs_queue: RecordingQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain's clock may be behind. The drain also compares an id with SQS's sent time, so it stores the record."""
    record = _record(exchange(1, exchange_id=ExchangeIds().new()))
    record["attributes"]["SentTimestamp"] = str(int(time.time() * 1000))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: max(0.0, now - days * 86_400))
    assert (run([record]).stored, sqs_queue.dead_letters) == (1, [])


@pytest.mark.parametrize("exchange_id", [None, UUID(int=5)])
def test_a_record_from_the_far_future_is_dead_lettered(
    exchange_id: UUID | None, run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """The drain dead-letters a record whose time is far in the future.

    No clock error explains such a time, and the exchange would stay at the thread's end forever.
    """
    result = run(_records([_future_exchange(400, exchange_id), exchange(1)]))
    assert (result.stored, result.dead) == (1, {"invalid_field": 1})
    assert [message_id for message_id, _, _ in sqs_queue.dead_letters] == ["m0"]
    assert len(archive.exchanges("t")) == 1


def test_deleted_exchanges_are_not_stored(run: Callable[..., DrainResult], archive: RefusingArchive) -> None:
    """The drain does not store a deleted exchange, and does not report it as a failure."""
    old, new = exchanges(2)
    archive.forget_thread("t", old.order)
    result = run(_records([old, new]))
    assert (result.stored, result.tombstoned, result.failed) == (1, 1, [])
    assert archive.exchanges("t") == [new]


def test_the_default_receive_count_is_one() -> None:
    """The drain treats a record without a receive count as received for the first time."""
    assert SqsRecord.from_record({"messageId": "m", "receiptHandle": "r", "body": "b"}).receive_count == 1


def test_logs_contain_no_text(run: Callable[..., DrainResult], caplog: pytest.LogCaptureFixture) -> None:
    """The log names an invalid record by its id and reason, without its text."""
    with caplog.at_level("DEBUG"):
        run(_records(['{"version": 1, "user_message": "secret', exchange("secret")]))
    assert "secret" not in caplog.text
    (dead_letter,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (dead_letter.__dict__["message_id"], dead_letter.__dict__["reason"]) == ("m0", "not_json")


def test_another_users_exchange_is_dead_lettered(
    run: Callable[..., DrainResult], archive: RefusingArchive, sqs_queue: RecordingQueue
) -> None:
    """The drain dead-letters the other user's exchange with the reason.

    The drain stores the owner's exchange of the same batch.
    """
    archive.claim_ownership("t", "ana")
    result = run(_records([exchange(1, "t", "bob"), exchange(2, "t", "ana")]))
    assert (result.stored, result.failed, result.dead) == (1, [], {"not_the_owner": 1})
    assert [(message, reason) for message, reason, _ in sqs_queue.dead_letters] == [("m0", "not_the_owner")]
    assert [each.user_id for each in archive.exchanges("t")] == ["ana"]
    assert run(_records([exchange(1, "free", "bob"), exchange(2, "free", "ana")])).stored == 2


def test_a_hanging_dead_letter_queue_is_called_once(run: Callable[..., DrainResult], sqs_queue: RecordingQueue) -> None:
    """If the dead-letter queue hangs, the drain calls it only once in a batch."""
    sqs_queue.failing_methods.add("dead_letter")
    calls: list[str] = []
    sqs_queue._check = calls.append  # type: ignore[method-assign,assignment]

    def hang(message: SqsRecord, *_: str) -> None:
        calls.append(message.message_id)
        raise StoreUnavailable("queue", "hangs")

    sqs_queue.dead_letter = hang  # type: ignore[method-assign,assignment]
    assert run(_records(["no json"] * 50)).failed == [f"m{number}" for number in range(50)]
    assert calls == ["m0"]


@pytest.mark.parametrize("error", [RecursionError, OverflowError, MemoryError, KeyError, UnicodeEncodeError])
def test_a_parser_error_dead_letters_one_record(
    error: type[Exception],
    run: Callable[..., DrainResult],
    archive: RefusingArchive,
    sqs_queue: RecordingQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the parser fails on one record, the drain dead-letters only this record."""
    parse = Exchange.from_wire

    def from_wire(body: str) -> Exchange:
        if "q3" in body:
            raise error.__new__(error)
        return parse(body)

    monkeypatch.setattr(Exchange, "from_wire", from_wire)
    result = run(_records(exchanges(8)))
    assert (result.stored, result.failed, result.dead) == (7, [], {"unforeseen": 1})
    assert sqs_queue.dead_letters == [("m3", "unforeseen", error.__name__)]
    assert len(archive.exchanges("t")) == 7


@pytest.mark.parametrize("error", [ValueError("q"), RecursionError("q"), StoreUnavailable("redis"), KeyError("q")])
def test_any_error_of_l1_leaves_the_batch_stored(
    error: Exception,
    run: Callable[..., DrainResult],
    archive: RefusingArchive,
    cache: InMemoryCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For any error of L1, the drain stores the batch. Otherwise SQS would redeliver the batch forever."""

    def fail(_: Sequence[Exchange]) -> None:
        raise error

    monkeypatch.setattr(cache, "merge_stored", fail)
    result = run(_records(exchanges(3)))
    assert (result.stored, result.failed, result.is_cache_behind) == (3, [], True)
    assert [invalidation.id for invalidation in archive.invalidations(9)] == ["t"]
