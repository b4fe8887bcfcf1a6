"""The responses and their degraded layers follow the specification's degradation table, on in-memory stores."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from shared.memory.memory import Memory
from shared.memory.recall import Recall
from shared.memory.turn import AppendResult, Turn
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, texts

MakeMemory = Callable[..., Memory]


@pytest.fixture
def process(memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue) -> Memory:
    """Return a process whose thread and user are in both layers.

    The thread has one drained exchange, and the user has one preference.
    """
    made = memory()
    archive.change_preferences("ana", {"tone": "dry"}, replace=True, then=lambda _: True)
    _recall(made)
    _keep(made, 0)
    archive.store(queue.take())
    return made


def _recall(memory: Memory) -> Recall:
    return Turn(memory, "t", "ana").recall()


def _keep(memory: Memory, number: int, exchange_id: UUID | None = None) -> AppendResult:
    return Turn(memory, "t", "ana").keep(f"q{number}", f"a{number}", exchange_id=exchange_id)


def test_redis_is_down(process: Memory, cache: InMemoryCache, queue: InMemoryQueue) -> None:
    """Without Redis, PostgreSQL serves history and preferences. The exchange is durable and not cached."""
    cache.is_down = True
    recalled, receipt = _recall(process), _keep(process, 1)
    assert texts(recalled.messages) == contents_of(0)
    assert (recalled.preferences, recalled.source, recalled.degraded) == ({"tone": "dry"}, "postgres", ["redis"])
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("queue", False, ["redis"])
    assert len(queue.bodies) == 1


def test_redis_is_back(process: Memory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue) -> None:
    """After an outage of Redis, every process sees the changes that were made during the outage, without a restart."""
    cache.is_down = True
    _keep(process, 1)
    archive.store(queue.take())
    cache.is_down = False
    assert texts(_recall(process).messages) == contents_of(0, 1)
    assert _recall(process).degraded == []


def test_postgresql_is_down(process: Memory, archive: InMemoryArchive) -> None:
    """Without PostgreSQL, L1 serves turns whose data it has cached."""
    archive.is_down = True
    recalled, receipt = _recall(process), _keep(process, 1)
    assert (texts(recalled.messages), recalled.source, recalled.degraded) == (contents_of(0), "redis", [])
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("queue", True, [])
    assert texts(_recall(process).messages) == contents_of(0, 1)


def test_postgresql_is_down_and_the_list_is_lost(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, memory: MakeMemory
) -> None:
    """The response reports the outage of PostgreSQL.

    The response omits recently stored exchanges, because another process may have deleted them.
    """
    archive.is_down = True
    cache.lose_everything()
    recalled = _recall(process)
    assert (texts(recalled.messages), recalled.preferences, recalled.degraded) == ([], {}, ["postgres"])
    other_process = _recall(memory())
    assert (other_process.messages, other_process.source, other_process.degraded) == ([], "none", ["postgres"])


def test_postgresql_is_down_and_the_thread_is_new(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """The response is degraded, because only L2 knows whether the thread is new.

    The process still remembers the exchanges that it has accepted.
    """
    archive.is_down = True
    made = memory()
    for number in range(3):
        recalled = _recall(made)
        assert (texts(recalled.messages), recalled.degraded) == (contents_of(*range(number)), ["postgres"])
        assert _keep(made, number).cached


def test_redis_and_postgresql_are_down(process: Memory, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """Without Redis and PostgreSQL, the agent runs without memory, and the exchange is still durable."""
    cache.is_down = archive.is_down = True
    recalled, receipt = _recall(process), _keep(process, 1)
    assert recalled == Recall([], {}, "none", ["redis", "postgres"])
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("queue", False, ["redis"])


def test_sqs_is_down(process: Memory, archive: InMemoryArchive, queue: InMemoryQueue) -> None:
    """Without SQS, PostgreSQL stores the exchange directly."""
    queue.is_down = True
    receipt = _keep(process, 1)
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("postgres", True, ["queue"])
    assert [each.user_message for each in archive.exchanges("t")] == ["q0", "q1"]


def test_sqs_and_redis_are_down(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """Without SQS and Redis, PostgreSQL stores the exchange and records that L1 needs an update."""
    queue.is_down = cache.is_down = True
    receipt = _keep(process, 1)
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("postgres", False, ["queue", "redis"])
    assert [(repair.kind, repair.id) for repair in archive.invalidations(9)] == [("thread", "t")]


def test_sqs_and_postgresql_are_down(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """Without SQS and PostgreSQL, the exchange is in L1's outbox until the queue or PostgreSQL is back."""
    queue.is_down = archive.is_down = True
    receipt = _keep(process, 1)
    assert (receipt.durability, receipt.cached, receipt.degraded) == ("redis", True, ["queue", "postgres"])
    assert len(cache.outbox_bodies) == 1


def test_all_stores_down(
    process: Memory,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without all stores, the user still gets the agent's answer.

    The response and the log say that no store has the exchange.
    """
    queue.is_down = archive.is_down = cache.is_down = True
    receipt = _keep(process, 1)
    assert (receipt.durability, receipt.cached) == ("none", False)
    assert receipt.degraded == ["queue", "postgres", "redis"]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.__dict__["exchange_id"] == str(receipt.exchange_id)
    assert "q1" not in caplog.text


@pytest.mark.usefixtures("process")
def test_redis_fails_between_the_read_and_the_refill(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """If Redis fails before the refill, the response has L2's result and reports that L1's refill failed."""
    cache.lose_everything()
    window = archive.window

    def window_and_then(thread_id: str, limit: int, users: list[str]) -> object:
        cache.is_down = True
        return window(thread_id, limit, users)

    archive.window = window_and_then  # type: ignore[method-assign,assignment]
    recalled = _recall(memory())
    assert (texts(recalled.messages), recalled.preferences, recalled.degraded) == (
        contents_of(0),
        {"tone": "dry"},
        ["redis"],
    )


def test_no_thread(process: Memory, cache: InMemoryCache) -> None:
    """A turn without a thread has no history, but uses preferences."""
    recalled = Turn(process, None, "ana").recall()
    assert (recalled.messages, recalled.preferences, recalled.source) == ([], {"tone": "dry"}, "redis")
    assert Turn(process, None, "ana").keep("q", "a") == AppendResult(None, "none", cached=False)
    assert list(cache.lists) == ["t"]


def test_no_user(process: Memory) -> None:
    """A turn without a user has no preferences, but uses the thread."""
    recalled = Turn(process, "t", None).recall()
    assert (texts(recalled.messages), recalled.preferences) == (contents_of(0), {})
    assert Turn(process, "t", None).keep("q1", "a1").durability == "queue"
