"""Records that kill the process become dead letters. The other records are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.sync.drain import Drain
from shared.errors import StoreBusy, StoreUnavailable
from shared.models import Exchange
from shared.sqs_record import SqsRecord
from shared.stores.archive import StoreResult
from shared.testing import InMemoryArchive, InMemoryAttempts, InMemoryCache
from tests.support.exchanges import exchange


class ProcessKilled(BaseException):
    """An exception that no code catches. It simulates a killed process."""


class CrashingArchive(InMemoryArchive):
    """An L2 that kills the process on certain texts, and can be down or busy."""

    fatal_texts: frozenset[str] = frozenset()
    busy_texts: frozenset[str] = frozenset()
    sizes: tuple[int, ...] = ()

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store all exchanges, or kill the process."""
        self.sizes += (len(exchanges),)
        texts = {each.user_message for each in exchanges}
        if texts & self.fatal_texts:
            raise ProcessKilled
        if texts & self.busy_texts:
            raise StoreBusy("postgres")
        return super().store(exchanges)


@dataclass
class FakeSystem:
    """A queue that delivers all messages at once, and a drain whose process can be killed."""

    archive: CrashingArchive = field(default_factory=CrashingArchive)
    cache: InMemoryCache = field(default_factory=InMemoryCache)
    attempts: InMemoryAttempts = field(default_factory=InMemoryAttempts)
    queued: dict[str, str] = field(default_factory=dict)
    receives: dict[str, int] = field(default_factory=dict)
    dead_letters: list[tuple[str, str]] = field(default_factory=list)
    is_dlq_down: bool = False

    def send(self, count: int) -> None:
        """Send exchanges; each message's id is its question."""
        for number in range(count):
            new_exchange = exchange(number)
            self.queued[new_exchange.user_message] = new_exchange.to_wire()

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Record the dead letter."""
        assert detail
        if self.is_dlq_down:
            raise StoreUnavailable("queue")
        self.dead_letters.append((message.message_id, reason))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Do nothing: all messages are delivered at once."""

    def drain(self) -> bool:
        """Run one invocation in its own process, and return whether the process survived."""
        records: list[dict[str, Any]] = []
        for message_id, body in self.queued.items():
            self.receives[message_id] = self.receives.get(message_id, 0) + 1
            received = {"ApproximateReceiveCount": str(self.receives[message_id])}
            records.append({"messageId": message_id, "receiptHandle": "r", "body": body, "attributes": received})
        self.archive.sizes = ()
        try:
            failed = Drain(self.archive, self.cache, self, self.attempts).run(records).failed
        except ProcessKilled:
            return False
        self.queued = {message_id: body for message_id, body in self.queued.items() if message_id in failed}
        return True

    def stored(self) -> set[str]:
        """Return the questions in L2."""
        return {message.content for message in self.archive.messages("t", 1000, None, descending=False)} - {"a"}


@pytest.fixture
def system() -> FakeSystem:
    """Return an empty system."""
    return FakeSystem()


def _question(number: int) -> str:
    return exchange(number).user_message


@pytest.mark.parametrize("position", [0, 4, 9])
def test_one_fatal_record_is_dead_lettered(system: FakeSystem, position: int) -> None:
    """One record kills the process. The drain stores the others by the fourth receive.

    The drain dead-letters this record at the sixth receive. Then the queue is empty.
    """
    system.send(10)
    system.archive.fatal_texts = frozenset({_question(position)})
    others = {_question(number) for number in range(10)} - system.archive.fatal_texts
    assert [system.drain() for _ in range(4)] == [False] * 4
    assert others <= system.stored()
    assert [system.drain() for _ in range(2)] == [False, True]
    assert system.dead_letters == [(_question(position), "process_ended")]
    assert (system.queued, system.attempts.counts) == ({}, {})


def test_each_fatal_record_is_dead_lettered_once(system: FakeSystem) -> None:
    """Several records kill the process. Each is dead-lettered once, after two receives in a batch and four alone."""
    system.send(10)
    system.archive.fatal_texts = frozenset({_question(2), _question(3), _question(7)})
    for _ in range(4 * 3 + 2):
        system.drain()
    assert sorted(message_id for message_id, _ in system.dead_letters) == sorted(system.archive.fatal_texts)
    assert len(system.stored() & {_question(number) for number in range(10)}) == 7
    assert (system.queued, system.attempts.counts) == ({}, {})


def test_an_invalid_record_is_dead_lettered_once(system: FakeSystem) -> None:
    """An invalid record is dead-lettered once, even in a batch with a record that kills the process."""
    system.send(4)
    system.archive.fatal_texts = frozenset({_question(1)})
    assert not system.drain()
    system.queued["poison"] = "no json"
    for _ in range(8):
        system.drain()
    assert sorted(system.dead_letters) == [("poison", "not_json"), (_question(1), "process_ended")]
    assert (system.queued, system.attempts.counts) == ({}, {})


def test_records_of_a_fatal_batch_are_stored_one_by_one(system: FakeSystem) -> None:
    """If only the whole batch kills the process, the drain stores the records one by one and dead-letters none."""
    system.send(10)

    class LargeBatchCrash(CrashingArchive):
        def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
            """Kill the process for a large batch."""
            if len(exchanges) > 5:
                raise ProcessKilled
            return super().store(exchanges)

    system.archive = LargeBatchCrash()
    assert [system.drain() for _ in range(3)] == [False, False, True]
    assert (system.dead_letters, system.queued, len(system.archive.sizes)) == ([], {}, 10)


def test_receives_during_an_outage_do_not_count(system: FakeSystem) -> None:
    """Receives during an outage do not count. The drain stores the whole batch after the outage."""
    system.send(10)
    system.archive.is_down = True
    assert [system.drain() for _ in range(30)] == [True] * 30
    assert system.attempts.counts == {}
    system.archive.is_down = False
    assert system.drain()
    assert (system.archive.sizes, system.queued) == ((10,), {})


def test_the_first_receive_records_nothing(system: FakeSystem) -> None:
    """The drain records nothing at the first receive, because almost all batches succeed there."""
    system.send(10)
    assert system.drain()
    assert system.attempts.calls == []


def test_the_batch_stays_together_without_redis(system: FakeSystem) -> None:
    """Without Redis, the batch stays together. The drain stores the batch once no record kills the process."""
    system.send(3)
    system.attempts.is_down = True
    system.archive.fatal_texts = frozenset({_question(1)})
    assert [system.drain() for _ in range(10)] == [False] * 10
    system.archive.fatal_texts = frozenset()
    assert system.drain()
    assert (system.archive.sizes, system.dead_letters) == ((3,), [])


def test_attempts_are_counted_after_an_outage_of_redis(system: FakeSystem) -> None:
    """If Redis goes down between attempts, the drain later continues with the counters that Redis still has."""
    system.send(3)
    system.archive.fatal_texts = frozenset({_question(1)})
    for is_down in (False, False, False, True, False, True, False, False, False):
        system.attempts.is_down = is_down
        system.drain()
    assert system.dead_letters == [(_question(1), "process_ended")]


def test_a_marked_record_waits_for_the_dead_letter_queue(system: FakeSystem) -> None:
    """If the dead-letter queue is down, the record that killed the process waits. The drain does not try it again.

    The drain stores the other records.
    """
    system.send(3)
    system.archive.fatal_texts = frozenset({_question(1)})
    for _ in range(5):
        system.drain()
    system.is_dlq_down = True
    assert [system.drain() for _ in range(3)] == [True] * 3
    assert list(system.queued) == [_question(1)]
    system.is_dlq_down = False
    assert system.drain()
    assert (system.dead_letters, system.queued) == ([(_question(1), "process_ended")], {})


def test_attempts_during_an_outage_are_not_counted(system: FakeSystem) -> None:
    """If PostgreSQL is down at the first single record, the other records wait, too. The drain counts no attempt."""
    system.send(5)
    system.archive.fatal_texts = frozenset({_question(0)})
    assert [system.drain() for _ in range(2)] == [False, False]
    system.archive.fatal_texts, system.archive.is_down = frozenset(), True
    assert system.drain()
    assert system.archive.sizes == (1,)
    system.archive.is_down = False
    assert system.drain()
    assert (system.queued, system.dead_letters) == ({}, [])


def test_a_busy_record_does_not_delay_the_others(system: FakeSystem) -> None:
    """A busy record returns to the queue. At the next receive, the drain tries the other records first."""
    system.send(5)
    system.archive.fatal_texts = frozenset({_question(4)})
    system.archive.busy_texts = frozenset({_question(0)})
    for _ in range(9):
        system.drain()
    assert {_question(number) for number in (1, 2, 3)} <= system.stored()
    assert system.dead_letters == [(_question(4), "process_ended")]


def test_untried_records_wait_if_no_time_is_left(system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no time is left, the untried records wait, and their attempt counters stay."""
    system.send(4)
    system.archive.fatal_texts = frozenset({_question(3)})
    assert [system.drain() for _ in range(2)] == [False, False]
    system.archive.fatal_texts = frozenset()
    now: list[float] = [0.0]

    def advance_clock() -> float:
        now[0] += 3.0
        return now[0]

    monkeypatch.setattr("functions.sync.drain.time.monotonic", advance_clock)
    assert system.drain()
    monkeypatch.undo()
    assert 0 < len(system.queued) < 4
    assert set(system.attempts.counts) == set(system.queued)
    assert system.drain()
    assert (system.queued, system.dead_letters) == ({}, [])
