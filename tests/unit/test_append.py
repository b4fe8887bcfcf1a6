"""A turn's exchange gets an id and is stored, even while deletions run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from shared.ids import ExchangeIds, milliseconds_of, order_key, timestamp_of
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.memory.turn import AppendResult, Turn
from shared.models import Exchange
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import contents_of, exchange, exchanges, texts

MakeMemory = Callable[..., Memory]


def _append(
    memory: Memory, number: int = 0, exchange_id: UUID | None = None, user_id: str | None = None
) -> AppendResult:
    return Turn(memory, "t", user_id).append(f"q{number}", f"a{number}", exchange_id=exchange_id)


def _shown_texts(memory: Memory) -> list[str]:
    return texts(Turn(memory, "t", None).recall().messages)


def test_an_append_puts_the_exchange_on_the_queue_and_into_l1(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """An append puts the exchange on the queue and into L1. Only the drain stores the exchange in L2."""
    result = Turn(memory(), "t", "ana").append("q0", "a0", ["d1", "d2", "d1"])
    (sent,) = queue.take()
    assert result == AppendResult(sent.exchange_id, "queue", cached=True)
    assert (sent.thread_id, sent.user_id, sent.document_ids) == ("t", "ana", ("d1", "d2"))
    assert abs(sent.created_at - timestamp_of(sent.exchange_id)) < timedelta(seconds=5)
    assert cache.contents("t") == [("user", "q0"), ("assistant", "a0")]
    assert "store" not in archive.calls


def test_without_a_thread_nothing_is_stored(memory: MakeMemory, cache: InMemoryCache, queue: InMemoryQueue) -> None:
    """A turn without a thread stores nothing and raises no error."""
    assert Turn(memory(), None, "ana").append("q", "a") == AppendResult(None, "none", cached=False)
    assert (queue.bodies, cache.calls) == ([], [])


def test_an_exchange_too_large_for_the_queue_goes_to_l2(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """L2 stores an exchange that is too large for the queue, and no layer is degraded."""
    result = Turn(memory(), "t", None).append("🎉" * 200_000, "🎉" * 200_000)
    assert (result.durability, result.cached, result.degraded) == ("postgres", True, [])
    assert (len(archive.exchanges("t")), queue.bodies, cache.undrained) == (1, [], {})


def test_a_stored_exchange_is_in_the_next_turn(memory: MakeMemory) -> None:
    """The next turn has the exchange before the exchange is drained, even in another process."""
    process = memory()
    for number in range(3):
        _append(process, number)
        assert _shown_texts(process) == _shown_texts(memory()) == contents_of(*range(number + 1))


def test_an_id_sorts_after_the_loaded_exchanges(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """A new id sorts after the loaded exchanges, even if a loaded id comes from a clock that is an hour ahead."""
    ahead = ExchangeIds().new(now=time.time() + 3_600)
    archive.store([exchange(0, exchange_id=ahead)])
    process = memory()
    turn = Turn(process, "t", None)
    turn.recall()
    result = turn.append("q1", "a1")
    assert result.exchange_id is not None
    assert result.exchange_id > ahead
    assert _shown_texts(memory()) == contents_of(0, 1)


def test_a_clock_days_ahead_does_not_affect_the_thread(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """An id more than a day ahead does not affect later ids."""
    archive.store([exchange(0, exchange_id=ExchangeIds().new(now=time.time() + 40 * 86_400))])
    turn = Turn(memory(), "t", None)
    turn.recall()
    result = turn.append("q1", "a1")
    assert result.exchange_id is not None
    assert milliseconds_of(result.exchange_id) < (time.time() + 86_400) * 1_000


def test_processes_use_l1s_clock(memory: MakeMemory) -> None:
    """Processes with clocks ten seconds apart create ids in the order of their turns."""
    slow, fast = memory(clock=lambda: time.time() - 5), memory(clock=lambda: time.time() + 5)
    created_ids = []
    for number, process in enumerate((fast, slow, fast, slow)):
        _shown_texts(process)
        created_ids.append(_append(process, number).exchange_id)
    ids = [exchange_id for exchange_id in created_ids if exchange_id]
    assert ids == sorted(ids)
    assert all(abs(milliseconds_of(each) / 1000 - time.time()) < 4 for each in ids)
    assert _shown_texts(slow) == contents_of(0, 1, 2, 3)


def test_an_append_without_a_read_uses_l1s_clock(memory: MakeMemory, cache: InMemoryCache) -> None:
    """An append without a read uses L1's time. Without L1, the process uses its own clock."""
    fast = memory(clock=lambda: time.time() + 500)
    results = [_append(fast, number) for number in range(2)]
    assert "clock" not in cache.calls
    cache.is_down = True
    own_clock_id = _append(memory(clock=lambda: 1_000.0)).exchange_id
    assert own_clock_id is not None
    assert milliseconds_of(own_clock_id) == 1_000_000
    ids = [result.exchange_id for result in results if result.exchange_id]
    assert len(ids) == 2
    assert all(milliseconds_of(each) / 1000 < time.time() + 50 for each in ids)


# --- callers' ids ---


@pytest.mark.parametrize("exchange_id", [ExchangeIds().new(), uuid4(), UUID(int=5)])
def test_the_same_id_twice_is_one_exchange(
    exchange_id: UUID, memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """If two exchanges have the same id, L1 and L2 keep the first exchange."""
    assert _append(memory(), 1, exchange_id) == AppendResult(exchange_id, "queue", cached=True)
    assert _append(memory(), 2, exchange_id).exchange_id == exchange_id
    assert _shown_texts(memory()) == contents_of(1)
    archive.store(list(reversed(queue.take())))
    assert [each.user_message for each in archive.exchanges("t")] == ["q1"]


def test_an_id_without_a_time_is_sorted_by_acceptance(
    memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """An exchange whose id has no time sorts after earlier exchanges and before later ones."""
    process = memory()
    _append(process, 0)
    _append(process, 1, UUID(int=7))
    _append(process, 2)
    archive.store(queue.take())
    assert _shown_texts(process) == contents_of(0, 1, 2)
    assert [each.user_message for each in archive.exchanges("t")] == ["q0", "q1", "q2"]


# --- deletions ---


def _delete_thread(memory: Memory) -> None:
    Threads(memory).delete("t")


def test_only_new_exchanges_are_shown_after_a_deletion(
    memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """After a deletion, turns show and store only new exchanges."""
    process = memory()
    _append(process, 0)
    _delete_thread(process)
    _append(process, 1)
    archive.store(queue.take())
    assert _shown_texts(memory()) == contents_of(1)
    assert [each.user_message for each in archive.exchanges("t")] == ["q1"]


@pytest.mark.parametrize("exchange_id", [None, uuid4()])
def test_an_exchange_sorts_after_a_cutoff_in_the_future(
    exchange_id: UUID | None, memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """If the deletion's clock was ahead, a new exchange gets an id or a time after the cutoff."""
    cutoff = ExchangeIds().new(now=time.time() + 5)
    archive.forget_thread("t", cutoff)
    cache.forget_threads({"t": cutoff})
    result = _append(memory(), 1, exchange_id)
    assert (result.durability, result.cached) == ("queue", True)
    assert exchange_id in (None, result.exchange_id)
    archive.store(queue.take())
    assert [each.user_message for each in archive.exchanges("t")] == ["q1"]
    assert _shown_texts(memory()) == contents_of(1)


def test_an_id_from_before_the_deletion_is_rejected(memory: MakeMemory, queue: InMemoryQueue) -> None:
    """An exchange with an id from before the deletion is rejected, and the result says so."""
    process = memory()
    old = ExchangeIds().new()
    _append(process, 0, old)
    _delete_thread(process)
    result = _append(process, 0, old)
    assert (result.durability, result.cached) == ("none", False)
    assert _shown_texts(process) == []
    assert len(queue.bodies) == 1


def test_a_deleted_users_exchanges_stay_deleted(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """A deleted user's queued exchanges stay deleted. The user's later exchanges are stored."""
    process = memory()
    _append(process, 0, user_id="ana")
    cutoff = process.new_id()
    for thread_id in archive.forget_user("ana", cutoff, cache.threads_of("ana"))[1]:
        cache.forget_threads({thread_id: cutoff})
    cache.forget_user("ana", cutoff)
    _append(memory(), 1, user_id="ana")
    archive.store(queue.take())
    assert [each.user_message for each in archive.exchanges("t")] == ["q1"]


def test_lower_bounds_are_stored_for_ten_thousand_threads(memory: MakeMemory) -> None:
    """The process stores the lower bound of the next id for ten thousand threads.

    Beyond this number, the process removes the least recently used thread's bound.
    """
    process = memory()
    for number in range(10_001):
        process.observe(f"t{number}", process.new_id())
    assert len(process._latest_orders) == 10_000
    assert "t0" not in process._latest_orders


def test_an_id_without_a_time_gets_a_time_after_its_thread(memory: MakeMemory) -> None:
    """An exchange whose id has no time gets a creation time after its thread's last exchange."""
    process = memory()
    ahead = ExchangeIds().new(now=time.time() + 600)
    process.observe("t", ahead)
    created_at = process.acceptance_time("t", UUID(int=9))
    assert order_key(UUID(int=9), created_at) > ahead
    assert process.acceptance_time("other", UUID(int=9)) - datetime.now(UTC) < timedelta(minutes=1)
    assert process.acceptance_time("t", ExchangeIds().new()) - datetime.now(UTC) < timedelta(minutes=1)


def test_a_copy_with_another_id_has_the_same_content() -> None:
    """A copy with another id and time has the same texts, thread and documents."""
    (original,) = exchanges(1)
    copy = original.with_id(UUID(int=3), datetime(2026, 1, 1, tzinfo=UTC))
    assert copy == Exchange(UUID(int=3), "t", None, "q0", "a0", datetime(2026, 1, 1, tzinfo=UTC))
