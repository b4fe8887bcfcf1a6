"""Records that kill the process become dead letters. The other records are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.sync.drain import Drain
from functions.sync.received import SqsRecord
from shared.errors import StoreBusy, StoreUnavailable
from shared.models import Exchange
from shared.stores.archive import StoreResult
from shared.testing import InMemoryArchive, InMemoryAttempts, InMemoryCache
from tests.support.exchanges import exchange


class ProcessEnded(BaseException):
    """An exception that no code catches, like the end of a process."""


class CrashingArchive(InMemoryArchive):
    """An L2 that kills the process on certain texts, and can be down or busy."""

    ends: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    sizes: tuple[int, ...] = ()

    def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
        """Store all exchanges, or end the process."""
        self.sizes += (len(exchanges),)
        texts = {each.user_message for each in exchanges}
        if texts & self.ends:
            raise ProcessEnded
        if texts & self.busy:
            raise StoreBusy("postgres")
        return super().store(exchanges)


@dataclass
class World:
    """A queue that delivers all messages at once, and processes that can end."""

    archive: CrashingArchive = field(default_factory=CrashingArchive)
    cache: InMemoryCache = field(default_factory=InMemoryCache)
    attempts: InMemoryAttempts = field(default_factory=InMemoryAttempts)
    waiting: dict[str, str] = field(default_factory=dict)
    receives: dict[str, int] = field(default_factory=dict)
    dead: list[tuple[str, str]] = field(default_factory=list)
    is_dlq_away: bool = False

    def send(self, count: int) -> None:
        """Send exchanges; each message's id is its question."""
        for number in range(count):
            sent = exchange(number)
            self.waiting[sent.user_message] = sent.to_wire()

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Record the dead letter."""
        assert detail
        if self.is_dlq_away:
            raise StoreUnavailable("queue")
        self.dead.append((message.message_id, reason))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Do nothing: all messages are delivered at once."""

    def drain(self) -> bool:
        """Run one invocation in its own process; return whether it finished."""
        records: list[dict[str, Any]] = []
        for name, body in self.waiting.items():
            self.receives[name] = self.receives.get(name, 0) + 1
            received = {"ApproximateReceiveCount": str(self.receives[name])}
            records.append({"messageId": name, "receiptHandle": "r", "body": body, "attributes": received})
        self.archive.sizes = ()
        try:
            failed = Drain(self.archive, self.cache, self, self.attempts).run(records).failed
        except ProcessEnded:
            return False
        self.waiting = {name: body for name, body in self.waiting.items() if name in failed}
        return True

    def stored(self) -> set[str]:
        """Return the questions in L2."""
        return {message.content for message in self.archive.messages("t", 1000, None, descending=False)} - {"a"}


@pytest.fixture
def world() -> World:
    """Return an empty system."""
    return World()


def _question(number: int) -> str:
    return exchange(number).user_message


@pytest.mark.parametrize("at", [0, 4, 9])
def test_one_record(world: World, at: int) -> None:
    """One record kills the process. The drain stores the others by the fourth receive.

    The drain dead-letters this record at the sixth receive. Then the queue is empty.
    """
    world.send(10)
    world.archive.ends = frozenset({_question(at)})
    others = {_question(number) for number in range(10)} - world.archive.ends
    assert [world.drain() for _ in range(4)] == [False] * 4
    assert others <= world.stored()
    assert [world.drain() for _ in range(2)] == [False, True]
    assert world.dead == [(_question(at), "process_ended")]
    assert (world.waiting, world.attempts.counts) == ({}, {})


def test_several_records(world: World) -> None:
    """Several records kill the process. Each is dead-lettered once, after two receives in a batch and four alone."""
    world.send(10)
    world.archive.ends = frozenset({_question(2), _question(3), _question(7)})
    for _ in range(4 * 3 + 2):
        world.drain()
    assert sorted(name for name, _ in world.dead) == sorted(world.archive.ends)
    assert len(world.stored() & {_question(number) for number in range(10)}) == 7
    assert (world.waiting, world.attempts.counts) == ({}, {})


def test_a_crashing_record_beside_an_invalid_one(world: World) -> None:
    """An invalid record is dead-lettered once, even beside a record that kills the process."""
    world.send(4)
    world.archive.ends = frozenset({_question(1)})
    assert not world.drain()
    world.waiting["poison"] = "no json"
    for _ in range(8):
        world.drain()
    assert sorted(world.dead) == [("poison", "not_json"), (_question(1), "process_ended")]
    assert (world.waiting, world.attempts.counts) == ({}, {})


def test_a_batch_that_crashes_only_as_a_whole(world: World) -> None:
    """If only the whole batch kills the process, the drain stores the records one by one and dead-letters none."""
    world.send(10)

    class Large(CrashingArchive):
        def store(self, exchanges: Sequence[Exchange]) -> StoreResult:
            """End the process for a large batch."""
            if len(exchanges) > 5:
                raise ProcessEnded
            return super().store(exchanges)

    world.archive = Large()
    assert [world.drain() for _ in range(3)] == [False, False, True]
    assert (world.dead, world.waiting, len(world.archive.sizes)) == ([], {}, 10)


def test_receives_during_an_outage_do_not_count(world: World) -> None:
    """Receives during an outage do not count. The drain stores the whole batch after the outage."""
    world.send(10)
    world.archive.is_down = True
    assert [world.drain() for _ in range(30)] == [True] * 30
    assert world.attempts.counts == {}
    world.archive.is_down = False
    assert world.drain()
    assert (world.archive.sizes, world.waiting) == ((10,), {})


def test_the_first_receive_records_nothing(world: World) -> None:
    """The drain records nothing at the first receive, because almost all batches succeed there."""
    world.send(10)
    assert world.drain()
    assert world.attempts.calls == []


def test_without_redis(world: World) -> None:
    """Without Redis, the batch stays together. The drain stores the batch once no record kills the process."""
    world.send(3)
    world.attempts.is_down = True
    world.archive.ends = frozenset({_question(1)})
    assert [world.drain() for _ in range(10)] == [False] * 10
    world.archive.ends = frozenset()
    assert world.drain()
    assert (world.archive.sizes, world.dead) == ((3,), [])


def test_redis_goes_down_between_attempts(world: World) -> None:
    """If Redis goes down between attempts, the drain later continues with the remaining counters."""
    world.send(3)
    world.archive.ends = frozenset({_question(1)})
    for is_down in (False, False, False, True, False, True, False, False, False):
        world.attempts.is_down = is_down
        world.drain()
    assert world.dead == [(_question(1), "process_ended")]


def test_a_dead_letter_queue_that_is_down(world: World) -> None:
    """If the dead-letter queue is down, the marked record waits and does not kill the process again.

    The drain stores the other records.
    """
    world.send(3)
    world.archive.ends = frozenset({_question(1)})
    for _ in range(5):
        world.drain()
    world.is_dlq_away = True
    assert [world.drain() for _ in range(3)] == [True] * 3
    assert list(world.waiting) == [_question(1)]
    world.is_dlq_away = False
    assert world.drain()
    assert (world.dead, world.waiting) == ([(_question(1), "process_ended")], {})


def test_postgresql_down_during_single_attempts(world: World) -> None:
    """If PostgreSQL is down at the first single record, the other records wait, too. The drain counts no attempt."""
    world.send(5)
    world.archive.ends = frozenset({_question(0)})
    assert [world.drain() for _ in range(2)] == [False, False]
    world.archive.ends, world.archive.is_down = frozenset(), True
    assert world.drain()
    assert world.archive.sizes == (1,)
    world.archive.is_down = False
    assert world.drain()
    assert (world.waiting, world.dead) == ({}, [])


def test_a_busy_record_does_not_delay_the_others(world: World) -> None:
    """A busy record returns to the queue. The drain tries the other records first next time."""
    world.send(5)
    world.archive.ends = frozenset({_question(4)})
    world.archive.busy = frozenset({_question(0)})
    for _ in range(9):
        world.drain()
    assert {_question(number) for number in (1, 2, 3)} <= world.stored()
    assert world.dead == [(_question(4), "process_ended")]


def test_no_time_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no time is left, the untried records wait and stay marked."""
    world.send(4)
    world.archive.ends = frozenset({_question(3)})
    assert [world.drain() for _ in range(2)] == [False, False]
    world.archive.ends = frozenset()
    now: list[float] = [0.0]

    def passed() -> float:
        now[0] += 3.0
        return now[0]

    monkeypatch.setattr("functions.sync.drain.time.monotonic", passed)
    assert world.drain()
    monkeypatch.undo()
    assert 0 < len(world.waiting) < 4
    assert set(world.attempts.counts) == set(world.waiting)
    assert world.drain()
    assert (world.waiting, world.dead) == ({}, [])
