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


def _keep(memory: Memory, number: int) -> str:
    return Turn(memory, "t", None).keep(f"q{number}", f"a{number}").durability


@pytest.fixture
def process(memory: MakeMemory, archive: InMemoryArchive, queue: InMemoryQueue) -> Memory:
    """Return a process that could store two exchanges only in the outbox."""
    made = memory()
    archive.is_down = queue.is_down = True
    assert [_keep(made, number) for number in range(2)] == ["redis", "redis"]
    return made


def test_sent_to_the_queue_when_that_is_back(process: Memory, cache: InMemoryCache, queue: InMemoryQueue) -> None:
    """When the queue is back, the process sends the two exchanges to the queue, even if the outbox was lost."""
    cache.lose_everything()
    queue.is_down = False
    assert _keep(process, 2) == "queue"
    assert sorted(exchange.user_message for exchange in queue.take()) == ["q0", "q1", "q2"]
    _keep(process, 3)
    assert [exchange.user_message for exchange in queue.take()] == ["q3"]


def test_stored_when_only_postgres_is_back(process: Memory, archive: InMemoryArchive) -> None:
    """When only PostgreSQL is back, PostgreSQL stores the two exchanges together with the next exchange."""
    archive.is_down = False
    assert _keep(process, 2) == "postgres"
    assert [exchange.user_message for exchange in archive.exchanges("t")] == ["q0", "q1", "q2"]


def test_forgotten_with_their_thread(process: Memory, queue: InMemoryQueue) -> None:
    """The process does not retry a deleted thread's exchanges."""
    process.forget(Deletion({"t": process.new_id("t")}))
    queue.is_down = False
    Turn(process, "other", None).keep("q", "a")
    assert [exchange.thread_id for exchange in queue.take()] == ["other"]


@pytest.mark.parametrize("lost", [0, 1])
def test_an_answer_that_one_layer_missed(lost: int) -> None:
    """A later request stores the answer again in the layer that missed it.

    Then the other layer may lose its copy of the answer.
    """
    layers = [InMemoryKeys("redis"), InMemoryKeys("postgres")]
    keys = Idempotency(layers, Backlog(InMemoryQueue(), InMemoryArchive()))
    layers[1 - lost].is_down = True
    keys.acquire("ana", "k", b"{}", ExchangeIds().new()).complete({"response": "Hi!"})
    layers[1 - lost].is_down = False
    keys.acquire("ana", "other", b"{}", ExchangeIds().new())
    layers[lost].states.clear()
    assert keys.acquire("ana", "k", b"{}", ExchangeIds().new()).replayed == {"response": "Hi!"}


def test_failed_retries_stay() -> None:
    """An exchange whose retry fails stays. One request retries only some of the exchanges."""
    accepted, put, kept = AcceptedExchanges(), list[Exchange](), exchanges(30)
    for each in kept:
        accepted.add(each, now=0, is_durable=False)

    def fail(_: Exchange) -> None:
        raise StoreUnavailable("queue", "gone")

    with pytest.raises(StoreUnavailable):
        accepted.retry(fail)
    accepted.retry(put.append)
    assert len(put) == 20
    accepted.retry(put.append)
    assert put == kept
