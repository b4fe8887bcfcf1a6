"""The tests count each request's round trips to Redis and PostgreSQL, and its new connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from infra.local.servers import ValkeyServer
from shared.ids import ExchangeIds
from shared.memory.memory import Memory
from shared.memory.providers import ThreadMemoryProvider, UserPreferencesProvider
from shared.memory.turn import Turn
from shared.memory.users import Users
from shared.settings import MemorySettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.testing import InMemoryQueue
from tests.support.exchanges import exchange, exchanges
from tests.support.proxy import CountingProxy


@dataclass
class CountedMemory:
    """A process' memory, with counters of its calls to the stores."""

    memory: Memory
    redis: CountingProxy
    postgres: CountingProxy

    def costs(self, action: Callable[[], object]) -> tuple[int, int, int]:
        """Return an action's round trips to Redis and PostgreSQL, and its new connections."""
        self.redis.reset()
        self.postgres.reset()
        action()
        return self.redis.round_trips, self.postgres.round_trips, self.redis.connections + self.postgres.connections


@pytest.fixture
def counted_memory(
    valkey: ValkeyServer,
    database_url: str,
    real_cache: Callable[..., RedisCache],
    real_archive: Callable[..., PostgresArchive],
) -> Iterator[CountedMemory]:
    """Create a memory behind two proxies. Its user has a preference, and Redis knows that its thread is new."""
    port = urlsplit(database_url).port or 0
    with CountingProxy(valkey.port) as redis, CountingProxy(port) as postgres:
        url = database_url.replace(f":{port}/", f":{postgres.port}/") + "?sslmode=disable&gssencmode=disable"
        memory = Memory(real_cache(redis.port), real_archive(url), InMemoryQueue(), MemorySettings())
        Users(memory).replace("ana", {"tone": "dry"})
        Turn(memory, "t", "ana").recall()
        yield CountedMemory(memory, redis, postgres)


def _invoking(memory: Memory) -> tuple[str, str]:
    turn = Turn(memory, "t", "ana")

    async def both() -> tuple[str, str]:
        return await ThreadMemoryProvider(turn).invoking(), await UserPreferencesProvider(turn).invoking()

    return asyncio.run(both())


def _invoked(turn: Turn, number: int) -> None:
    async def both() -> None:
        await ThreadMemoryProvider(turn).invoked(f"q{number}", f"a{number}")
        await UserPreferencesProvider(turn).invoked(f"q{number}", f"a{number}")

    asyncio.run(both())


def _loaded_turn(memory: Memory) -> Turn:
    """Return a turn whose context is loaded."""
    turn = Turn(memory, "t", "ana")
    turn.recall()
    return turn


def test_invoking_is_one_round_trip(counted_memory: CountedMemory) -> None:
    """`invoking` reads history and preferences in one round trip to Redis. It does not use PostgreSQL."""
    _invoked(_loaded_turn(counted_memory.memory), 0)
    for _ in range(3):
        assert counted_memory.costs(lambda: _invoking(counted_memory.memory)) == (1, 0, 0)
    assert _invoking(counted_memory.memory) == (
        "Previous conversation:\nuser: q0\nassistant: a0",
        "User preferences:\ntone: dry",
    )


def test_invoked_is_one_round_trip(counted_memory: CountedMemory) -> None:
    """`invoked` takes one round trip to Redis. Only for a thread's first exchange, it may take two."""
    _invoked(_loaded_turn(counted_memory.memory), 0)
    for number in range(1, 4):
        turn = _loaded_turn(counted_memory.memory)
        assert counted_memory.costs(lambda turn=turn, number=number: _invoked(turn, number)) == (1, 0, 0)  # type: ignore[misc]


def test_a_full_window_is_one_round_trip(counted_memory: CountedMemory) -> None:
    """One round trip returns a hundred messages."""
    for number in range(55):
        _invoked(_loaded_turn(counted_memory.memory), number)
    assert counted_memory.costs(lambda: _invoking(counted_memory.memory)) == (1, 0, 0)
    assert _invoking(counted_memory.memory)[0].count("\n") == 100


def test_a_miss_reads_postgresql_once(counted_memory: CountedMemory) -> None:
    """A miss takes one query of PostgreSQL and three round trips to Redis. It also refills the list."""
    counted_memory.memory.archive.store([*exchanges(50, "other")])
    turn = Turn(counted_memory.memory, "other", None)
    redis, postgres, connections = counted_memory.costs(turn.recall)
    assert len(turn.recall().messages) == 100
    assert (redis, postgres, connections) == (3, 1, 0)


def test_missing_preferences_are_read_once(counted_memory: CountedMemory) -> None:
    """L1 caches that a user has no preferences. The second read does not use PostgreSQL."""
    first = counted_memory.costs(lambda: Turn(counted_memory.memory, None, "bob").recall())
    assert first[1] > 0
    assert counted_memory.costs(lambda: Turn(counted_memory.memory, None, "bob").recall()) == (1, 0, 0)
    # The user API reads preferences from PostgreSQL and sends no request to Redis.
    assert counted_memory.costs(lambda: Users(counted_memory.memory).preferences("bob")) == (0, 1, 0)


@pytest.mark.parametrize("threads", [1, 10, 100])
def test_deleting_a_user_has_a_constant_cost(counted_memory: CountedMemory, threads: int) -> None:
    """The number of round trips does not depend on how many threads the user has in Redis or in PostgreSQL."""
    memory = counted_memory.memory
    for number in range(threads):
        memory.cache.append(exchange(0, f"cached-{number}", "eve"), is_drained=False)
    memory.archive.store([exchange(0, f"stored-{number}", "eve") for number in range(threads)])
    redis, postgres, connections = counted_memory.costs(lambda: Users(memory).forget("eve"))
    assert (redis, connections) == (6, 0)
    assert postgres <= 22
    assert memory.archive.threads("eve", 9, None) == []
    assert memory.archive.erase_rows() == 0  # nothing is left for the sweep
    assert counted_memory.costs(lambda: memory.archive.forget_thread("t", ExchangeIds().new()))[1] <= 12
