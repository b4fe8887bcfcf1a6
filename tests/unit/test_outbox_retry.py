"""A process retries the exchanges that only the outbox has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.errors import StoreUnavailable
from shared.ids import ExchangeIds
from shared.memory.accepted import AcceptedExchanges
from shared.memory.backlog import Backlog
from shared.memory.deletion import Deletion
from shared.memory.idempotency import Idempotency
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.models import Exchange
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryKeys, InMemoryQueue
from tests.support.exchanges import exchanges

MakeMemory = Callable[..., Memory]


def _append(memory: Memory, number: int) -> str:
    return Turn(memory, "t", None).append(f"q{number}", f"a{number}").durability


@pytest.fixture
def process(memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue) -> Memory:
    """Return a process that could store two exchanges only in the outbox."""
    process = memory()
    archive.is_down = queue.is_down = True
    assert [_append(process, number) for number in range(2)] == ["redis", "redis"]
    return process


def test_outbox_exchanges_are_sent_when_the_queue_is_back(
    process: Memory, cache: InMemoryCache, queue: InMemoryQueue
) -> None:
    """When the queue is back, the process sends the two exchanges to the queue, even if the outbox was lost."""
    cache.lose_everything()
    queue.is_down = False
    assert _append(process, 2) == "queue"
    assert sorted(exchange.user_message for exchange in queue.take()) == ["q0", "q1", "q2"]
    _append(process, 3)
    assert [exchange.user_message for exchange in queue.take()] == ["q3"]


def test_outbox_exchanges_are_stored_when_postgresql_is_back(process: Memory, archive: InMemoryArchive) -> None:
    """When only PostgreSQL is back, PostgreSQL stores the two exchanges together with the next exchange."""
    archive.is_down = False
    assert _append(process, 2) == "postgres"
    assert [exchange.user_message for exchange in archive.exchanges("t")] == ["q0", "q1", "q2"]


def test_a_deleted_threads_exchanges_are_not_retried(process: Memory, queue: InMemoryQueue) -> None:
    """The process does not retry a deleted thread's exchanges."""
    process.forget(Deletion({"t": process.new_id("t")}))
    queue.is_down = False
    Turn(process, "other", None).append("q", "a")
    assert [exchange.thread_id for exchange in queue.take()] == ["other"]


@pytest.mark.parametrize("failed_layer", [0, 1])
def test_an_answer_is_stored_again_in_a_layer_that_missed_it(failed_layer: int) -> None:
    """A later request stores the answer again in the layer that missed it.

    Then the other layer may lose its copy of the answer.
    """
    layers = [InMemoryKeys("redis"), InMemoryKeys("postgres")]
    keys = Idempotency(layers, Backlog(InMemoryQueue(), InMemoryArchive()))
    layers[1 - failed_layer].is_down = True
    keys.acquire("ana", "k", b"{}", ExchangeIds().new()).complete({"response": "Hi!"})
    layers[1 - failed_layer].is_down = False
    keys.acquire("ana", "other", b"{}", ExchangeIds().new())
    layers[failed_layer].states.clear()
    assert keys.acquire("ana", "k", b"{}", ExchangeIds().new()).replayed == {"response": "Hi!"}


def test_failed_retries_are_repeated() -> None:
    """An exchange whose retry fails stays. One request retries only some of the exchanges."""
    accepted, stored, undurable = AcceptedExchanges(), list[Exchange](), exchanges(30)
    for each in undurable:
        accepted.add(each, now=0, is_durable=False)

    def fail(_: Exchange) -> None:
        raise StoreUnavailable("queue", "gone")

    with pytest.raises(StoreUnavailable):
        accepted.retry(fail)
    accepted.retry(stored.append)
    assert len(stored) == 20
    accepted.retry(stored.append)
    assert stored == undurable
