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
    process = memory()
    archive.change_preferences("ana", {"tone": "dry"}, replace=True, update_cache=lambda _: True)
    _load_memory(process)
    _append(process, 0)
    archive.store(queue.take())
    return process


def _load_memory(memory: Memory) -> Recall:
    return Turn(memory, "t", "ana").recall()


def _append(memory: Memory, number: int, exchange_id: UUID | None = None) -> AppendResult:
    return Turn(memory, "t", "ana").append(f"q{number}", f"a{number}", exchange_id=exchange_id)


def test_postgresql_serves_turns_without_redis(process: Memory, cache: InMemoryCache, queue: InMemoryQueue) -> None:
    """Without Redis, PostgreSQL serves history and preferences. The exchange is durable and not cached."""
    cache.is_down = True
    recall, result = _load_memory(process), _append(process, 1)
    assert texts(recall.messages) == contents_of(0)
    assert (recall.preferences, recall.source, recall.degraded) == ({"tone": "dry"}, "postgres", ["redis"])
    assert (result.durability, result.cached, result.degraded) == ("queue", False, ["redis"])
    assert len(queue.bodies) == 1


def test_changes_of_an_outage_are_visible_after_it(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """After an outage of Redis, every process sees the changes that were made during the outage, without a restart."""
    cache.is_down = True
    _append(process, 1)
    archive.store(queue.take())
    cache.is_down = False
    assert texts(_load_memory(process).messages) == contents_of(0, 1)
    assert _load_memory(process).degraded == []


def test_redis_serves_turns_without_postgresql(process: Memory, archive: InMemoryArchive) -> None:
    """Without PostgreSQL, L1 serves turns whose data it has cached."""
    archive.is_down = True
    recall, result = _load_memory(process), _append(process, 1)
    assert (texts(recall.messages), recall.source, recall.degraded) == (contents_of(0), "redis", [])
    assert (result.durability, result.cached, result.degraded) == ("queue", True, [])
    assert texts(_load_memory(process).messages) == contents_of(0, 1)


def test_a_lost_list_is_degraded_without_postgresql(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, memory: MakeMemory
) -> None:
    """The response reports the outage of PostgreSQL.

    The response omits recently stored exchanges, because another process may have deleted them.
    """
    archive.is_down = True
    cache.lose_everything()
    recall = _load_memory(process)
    assert (texts(recall.messages), recall.preferences, recall.degraded) == ([], {}, ["postgres"])
    other_process = _load_memory(memory())
    assert (other_process.messages, other_process.source, other_process.degraded) == ([], "none", ["postgres"])


def test_a_new_thread_is_degraded_without_postgresql(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """Only L2 knows whether a thread is new. Without L2, the response is degraded.

    The process still remembers the exchanges that it has accepted.
    """
    archive.is_down = True
    process = memory()
    for number in range(3):
        recall = _load_memory(process)
        assert (texts(recall.messages), recall.degraded) == (contents_of(*range(number)), ["postgres"])
        assert _append(process, number).cached


def test_exchanges_are_durable_without_redis_and_postgresql(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """Without Redis and PostgreSQL, the agent runs without memory, and the exchange is still durable."""
    cache.is_down = archive.is_down = True
    recall, result = _load_memory(process), _append(process, 1)
    assert recall == Recall([], {}, "none", ["redis", "postgres"])
    assert (result.durability, result.cached, result.degraded) == ("queue", False, ["redis"])


def test_postgresql_stores_exchanges_without_sqs(
    process: Memory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """Without SQS, PostgreSQL stores the exchange directly."""
    queue.is_down = True
    result = _append(process, 1)
    assert (result.durability, result.cached, result.degraded) == ("postgres", True, ["queue"])
    assert [each.user_message for each in archive.exchanges("t")] == ["q0", "q1"]


def test_postgresql_logs_an_invalidation_without_sqs_and_redis(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """Without SQS and Redis, PostgreSQL stores the exchange and records that L1 needs an update."""
    queue.is_down = cache.is_down = True
    result = _append(process, 1)
    assert (result.durability, result.cached, result.degraded) == ("postgres", False, ["queue", "redis"])
    assert [(invalidation.kind, invalidation.id) for invalidation in archive.invalidations(9)] == [("thread", "t")]


def test_the_outbox_has_exchanges_without_sqs_and_postgresql(
    process: Memory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """Without SQS and PostgreSQL, the exchange is in L1's outbox until the queue or PostgreSQL is back."""
    queue.is_down = archive.is_down = True
    result = _append(process, 1)
    assert (result.durability, result.cached, result.degraded) == ("redis", True, ["queue", "postgres"])
    assert len(cache.outbox_bodies) == 1


def test_without_all_stores_the_loss_is_reported(
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
    result = _append(process, 1)
    assert (result.durability, result.cached) == ("none", False)
    assert result.degraded == ["queue", "postgres", "redis"]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.__dict__["exchange_id"] == str(result.exchange_id)
    assert "q1" not in caplog.text


@pytest.mark.usefixtures("process")
def test_a_failed_refill_is_reported(memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive) -> None:
    """If Redis fails before the refill, the response has L2's result and reports that L1's refill failed."""
    cache.lose_everything()
    window = archive.window

    def read_window_and_stop_redis(thread_id: str, limit: int, users: list[str]) -> object:
        cache.is_down = True
        return window(thread_id, limit, users)

    archive.window = read_window_and_stop_redis  # type: ignore[method-assign,assignment]
    recall = _load_memory(memory())
    assert (texts(recall.messages), recall.preferences, recall.degraded) == (
        contents_of(0),
        {"tone": "dry"},
        ["redis"],
    )


def test_a_turn_without_a_thread_uses_preferences(process: Memory, cache: InMemoryCache) -> None:
    """A turn without a thread has no history, but uses preferences."""
    recall = Turn(process, None, "ana").recall()
    assert (recall.messages, recall.preferences, recall.source) == ([], {"tone": "dry"}, "redis")
    assert Turn(process, None, "ana").append("q", "a") == AppendResult(None, "none", cached=False)
    assert list(cache.lists) == ["t"]


def test_a_turn_without_a_user_uses_the_thread(process: Memory) -> None:
    """A turn without a user has no preferences, but uses the thread."""
    recall = Turn(process, "t", None).recall()
    assert (texts(recall.messages), recall.preferences) == (contents_of(0), {})
    assert Turn(process, "t", None).append("q1", "a1").durability == "queue"
