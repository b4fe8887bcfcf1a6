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
from shared.settings import AgentSettings
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryKeys, InMemoryQueue
from tests.support.exchanges import exchange, exchanges


class Clock:
    """A clock that only the test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


REQUEST = RunRequest(prompt="q", thread_id="t")
DEAD = exchange("dead")


@pytest.fixture
def clock() -> Clock:
    """Return the key stores' clock."""
    return Clock()


@pytest.fixture
def operations(
    memory: Callable[..., Memory],
    inspection: Callable[[Memory], Inspection],
    archive: InMemoryArchive,
    clock: Clock,
) -> Operations:
    """Return the operations of a new process."""
    runner = AgentRunner(AgentSettings(model="offline"), archive.search)
    keys = Idempotency(
        [InMemoryKeys("redis", clock), InMemoryKeys("postgres", clock)], Backlog(InMemoryQueue(), InMemoryArchive())
    )
    made = memory()
    return Operations(made, runner, keys, inspection(made))


@pytest.fixture
def taken_over(operations: Operations, archive: InMemoryArchive, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store the first request's exchange with the id of `DEAD`.

    More exchanges than a window has are stored after it.
    """

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(operations._memory, "new_id", lambda _: DEAD.exchange_id)
        patch.setattr(operations, "_run", die)
        with pytest.raises(Killed):
            asyncio.run(operations.run(REQUEST, "k"))
    archive.store([DEAD, *exchanges(60)])
    clock.now += 60


@pytest.mark.usefixtures("taken_over")
def test_the_stored_answer_is_returned(operations: Operations) -> None:
    """The retry returns the stored answer with its exchange id, even if the exchange is older than the window."""
    answer = asyncio.run(operations.run(REQUEST, "k")).answer
    assert (answer["response"], answer["exchange_id"]) == (DEAD.assistant_message, str(DEAD.exchange_id))


@pytest.mark.usefixtures("taken_over")
def test_the_id_outlives_a_failure(operations: Operations, archive: InMemoryArchive, clock: Clock) -> None:
    """If a request takes over the claim and fails, the claim stays. So only one exchange is stored."""
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
    assert asyncio.run(operations.run(REQUEST, "k")).answer["exchange_id"] == str(DEAD.exchange_id)


def test_the_stored_answer_is_returned_with_the_callers_id(
    operations: Operations, archive: InMemoryArchive, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim's exchange id differs from the caller's id. The retry finds the exchange by the caller's id."""

    class Killed(BaseException):
        pass

    async def die(*_: object, **__: object) -> None:
        raise Killed

    request = REQUEST.model_copy(update={"exchange_id": DEAD.exchange_id})
    with monkeypatch.context() as patch:
        patch.setattr(operations, "_run", die)
        with pytest.raises(Killed):
            asyncio.run(operations.run(request, "k"))
    archive.store([DEAD])
    clock.now += 60
    answer = asyncio.run(operations.run(request, "k")).answer
    assert (answer["response"], answer["exchange_id"]) == (DEAD.assistant_message, str(DEAD.exchange_id))


def test_a_repetition_stores_a_lost_exchange(
    operations: Operations,
    cache: InMemoryCache,
    archive: InMemoryArchive,
    queue: InMemoryQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All stores fail while the agent runs. The retry returns the same answer and stores the exchange once."""
    answering = operations._runner.run

    async def answer_and_fall(**asked: Any) -> str:
        answer = await answering(**asked)
        cache.is_down = archive.is_down = queue.is_down = True
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(operations._runner, "run", answer_and_fall)
        first = asyncio.run(operations.run(REQUEST, "k")).answer
    assert (first["memory"]["durability"], first["memory"]["cached"]) == ("none", False)
    cache.is_down = archive.is_down = queue.is_down = False
    for _ in range(2):
        again = asyncio.run(operations.run(REQUEST, "k"))
        assert again.is_replayed
        assert (again.answer["response"], again.answer["exchange_id"]) == (first["response"], first["exchange_id"])
        assert again.answer["memory"] == {**first["memory"], "degraded": [], "durability": "queue", "cached": True}
    assert len(queue.bodies) == 1
