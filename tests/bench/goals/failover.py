"""Measures reads after a failover in which Redis loses nothing. Each list is then compared with PostgreSQL once.

Several processes of the agent function are simulated by Python threads, each with its own connections. A read is a
turn's recall, which loads the memory. The first read of a list compares the list, with one query. In the first 150
seconds it needs two queries, because it also checks the queue.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import redis

from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.models import Exchange
from shared.stores.archive import Window
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.entries import encode, encode_seal_or_token
from shared.stores.redis.names import GENERATION_KEY, messages_key
from tests.bench.goals.figures import Figure, Goal, microseconds
from tests.bench.goals.system import BenchSystem

_LENGTH: Final = 200
_PROCESSES: Final = 8
_BATCH: Final = 1_000
# One of this many threads is read for comparison.
_SAMPLE_INTERVAL: Final = 10
_HOT: Final = "failover-hot"
# The maximum number of queries for each read of a list that is not sealed.
_QUERIES: Final = 2.0
_LONG_UPTIME: Final = """
insert into drain_health values (1, now() - interval '1 hour', now() + interval '1 day')
on conflict (id) do update set healthy_since = excluded.healthy_since, beat_at = excluded.beat_at"""


class _CountingArchive(PostgresArchive):
    """L2, with the number of windows that were read."""

    queries = 0

    def window(self, thread_id: str, limit: int, users: Collection[str] = ()) -> Window:
        """Count a query and run it."""
        self.queries += 1
        return super().window(thread_id, limit, users)


def failover(system: BenchSystem) -> Iterator[Figure]:
    """Measure the reads of all threads before and after the failover."""
    names = [f"failover-{number}" for number in range(system.sizes.unsealed)]
    with redis.Redis(port=system.redis_port) as client, ThreadPoolExecutor(_PROCESSES) as pool:
        memories = [system.memory(_CountingArchive) for _ in range(_PROCESSES)]
        _fill(system, client, [*names, _HOT])
        some = random.sample(names, max(1, len(names) // _SAMPLE_INTERVAL))
        # Each process learns the generation with its first read.
        _read(pool, memories, names[:_PROCESSES])
        sealed, _ = _read(pool, memories, some)
        # Like a promoted replica with all data, Redis now has the identity of the previous server.
        client.hset(GENERATION_KEY, "identity", "the server before")
        hot = _queries(memories)
        list(pool.map(lambda memory: Turn(memory, _HOT, None).recall(), memories))
        hot = _queries(memories) - hot
        first, queries = _read(pool, memories, names)
        second_read, queries_again = _read(pool, memories, some)
    description = f"of {len(names):,} threads by {_PROCESSES} processes"
    yield _figure(f"read {description}, after a failover", first, sealed)
    yield _figure("read some of them again", second_read, sealed)
    per_thread = queries / len(names)
    maximum = Goal(_QUERIES, "x")
    yield Figure(f"PostgreSQL queries of these {len(names):,} reads", f"{queries:,}", "", None, per_thread, maximum)
    yield Figure("PostgreSQL queries of the reads again", f"{queries_again:,}", "", None, queries_again, Goal(0.0, "x"))
    at_once = f"PostgreSQL queries of {_PROCESSES} reads of one thread at once"
    yield Figure(at_once, f"{hot:,}", "", None, hot / _PROCESSES, maximum)


def _fill(system: BenchSystem, client: redis.Redis, names: Sequence[str]) -> None:
    """Store an exchange of each thread, and seal its list."""
    # Record that this is not the stack's first Redis, and that the stack has run for an hour.
    system.archive.log_empty_cache()
    system.connection.execute(_LONG_UPTIME)
    generation = system.cache.read("failover", None).state.generation or ""
    for start in range(0, len(names), _BATCH):
        exchanges = [system.exchange(name, _LENGTH) for name in names[start : start + _BATCH]]
        system.archive.store(exchanges)
        pipe = client.pipeline(transaction=False)
        for exchange in exchanges:
            pipe.rpush(messages_key(exchange.thread_id), *_sealed(exchange, generation))
        pipe.execute()


def _sealed(exchange: Exchange, generation: str) -> tuple[bytes, bytes]:
    user, assistant = encode(exchange)
    return user[:-1] + encode_seal_or_token("first", generation), assistant


def _read(pool: ThreadPoolExecutor, memories: Sequence[Memory], names: Sequence[str]) -> tuple[float, int]:
    """Read each thread once; return the microseconds of a read, and the number of queries."""
    shuffled_names = random.sample(names, len(names))
    before = _queries(memories)

    def read(index: int) -> None:
        for name in shuffled_names[index::_PROCESSES]:
            recall = Turn(memories[index], name, None).recall()
            if len(recall.messages) != 2 or recall.degraded:
                raise RuntimeError(f"{name} was read as {recall}")

    started = time.perf_counter()
    list(pool.map(read, range(_PROCESSES)))
    return (time.perf_counter() - started) * 1e6 / len(names), _queries(memories) - before


def _queries(memories: Sequence[Memory]) -> int:
    return sum(memory.archive.queries for memory in memories if isinstance(memory.archive, _CountingArchive))


def _figure(name: str, cost: float, sealed: float) -> Figure:
    per_second = f"{1e6 / cost:,.0f} a second"
    reference = f"sealed lists: {1e6 / sealed:,.0f} a second, {microseconds(sealed)}"
    return Figure(name, f"{per_second}, {microseconds(cost)}", reference, cost / sealed, cost / sealed, None)
