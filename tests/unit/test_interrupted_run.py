"""A client repeats `POST /run` after a process ended between storing the exchange and storing the response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from functions.agent.agents.runner import AgentRunner
from functions.agent.operations import Operations
from functions.agent.schemas import RunRequest
from shared.errors import IdempotencyConflict, StoreUnavailable
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.settings import AgentSettings
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryKeys, InMemoryQueue
from tests.support.exchanges import exchange, exchanges


class FakeClock:
    """A clock that only the test advances."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


REQUEST = RunRequest(prompt="q", thread_id="t")
STORED = exchange("dead")


@pytest.fixture
def clock() -> FakeClock:
    """Return the key stores' clock."""
    return FakeClock()


@pytest.fixture
def operations(
    memory: Callable[..., Memory],
    inspection: Callable[[Memory], Inspection],
    clock: FakeClock,
) -> Operations:
    """Return the operations of a new process."""
    process = memory()
    runner = AgentRunner(AgentSettings(model="offline"), Search(process).conversations)
    keys = Idempotency(
        [InMemoryKeys("redis", clock), InMemoryKeys("postgres", clock)], Backlog(InMemoryQueue(), InMemoryArchive())
    )
    return Operations(process, runner, keys, inspection(process))


@pytest.fixture
def interrupted_request(
    operations: Operations, archive: InMemoryArchive, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Store the first request's exchange with the id of `DEAD`.

    Then store sixty more exchanges. A window has fewer exchanges.
    """

    class Killed(BaseException):
        pass

    def fail(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(operations._memory, "new_id", lambda _: STORED.exchange_id)
        patch.setattr(operations, "_run", fail)
        with pytest.raises(Killed):
            asyncio.run(operations.run(REQUEST, "k"))
    archive.store([STORED, *exchanges(60)])
    clock.now += 60


@pytest.mark.usefixtures("interrupted_request")
def test_the_stored_answer_is_returned(operations: Operations) -> None:
    """The retry returns the stored answer with its exchange id, even if the exchange is older than the window."""
    answer = asyncio.run(operations.run(REQUEST, "k")).answer
    assert (answer["response"], answer["exchange_id"]) == (STORED.assistant_message, str(STORED.exchange_id))


@pytest.mark.usefixtures("interrupted_request")
def test_the_exchange_id_stays_after_a_failure(
    operations: Operations, archive: InMemoryArchive, clock: FakeClock
) -> None:
    """If a retry acquires the key and fails, the key stays acquired. The next retry has the same exchange id."""
    exchange_of = archive.exchange

    def fail(*_: object) -> None:
        raise StoreUnavailable("postgres", "gone")

    archive.exchange = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreUnavailable):
        asyncio.run(operations.run(REQUEST, "k"))
    archive.exchange = exchange_of  # type: ignore[method-assign]
    with pytest.raises(IdempotencyConflict):
        asyncio.run(operations.run(REQUEST, "k"))
    clock.now += 60
    assert asyncio.run(operations.run(REQUEST, "k")).answer["exchange_id"] == str(STORED.exchange_id)


def test_the_stored_answer_is_returned_with_the_callers_id(
    operations: Operations, archive: InMemoryArchive, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange id of the key differs from the caller's id. The retry finds the exchange by the caller's id."""

    class Killed(BaseException):
        pass

    async def fail(*_: object, **__: object) -> None:
        raise Killed

    request = REQUEST.model_copy(update={"exchange_id": STORED.exchange_id})
    with monkeypatch.context() as patch:
        patch.setattr(operations, "_run", fail)
        with pytest.raises(Killed):
            asyncio.run(operations.run(request, "k"))
    archive.store([STORED])
    clock.now += 60
    answer = asyncio.run(operations.run(request, "k")).answer
    assert (answer["response"], answer["exchange_id"]) == (STORED.assistant_message, str(STORED.exchange_id))


def test_a_retry_stores_a_lost_exchange(
    operations: Operations,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All stores fail while the agent runs. The retry returns the same answer and stores the exchange once."""
    run_agent = operations._runner.run

    async def answer_and_stop_stores(**arguments: Any) -> str:
        answer = await run_agent(**arguments)
        cache.is_down = archive.is_down = queue.is_down = True
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(operations._runner, "run", answer_and_stop_stores)
        first = asyncio.run(operations.run(REQUEST, "k")).answer
    assert (first["memory"]["durability"], first["memory"]["cached"]) == ("none", False)
    cache.is_down = archive.is_down = queue.is_down = False
    for _ in range(2):
        repeated = asyncio.run(operations.run(REQUEST, "k"))
        assert repeated.is_replayed
        assert (repeated.answer["response"], repeated.answer["exchange_id"]) == (
            first["response"],
            first["exchange_id"],
        )
        assert repeated.answer["memory"] == {**first["memory"], "degraded": [], "durability": "queue", "cached": True}
    assert len(queue.bodies) == 1
