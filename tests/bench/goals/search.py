"""Measures searches of one user among many, and draining into the search index."""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

import redis

from shared.ids import ExchangeIds, timestamp_of
from shared.memory.search.search import Search
from shared.models import Exchange
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.search import SearchScope
from tests.bench.floors import copy_rows, message_rows
from tests.bench.goals.figures import Figure, Goal, compare, microseconds
from tests.bench.goals.system import BenchSystem

_BATCH: Final = 1_000
_USER: Final = "search-user"
# Of every fifty exchanges, one is the searching user's: 20,000 of 1,000,000 messages.
_SHARE: Final = 50
_THREADS: Final = 200
_EXCHANGES_OF_OTHERS: Final = 100
_WORDS_OF_MESSAGES: Final = (20, 80)
_WORDS_OF_QUERIES: Final = (3, 8)
_LIMIT: Final = 10
_QUANTILES: Final = 20
_INDEX: Final = "ix_messages_search_keys"


class _Texts:
    """Random texts whose words are as frequent as in natural texts without stop words (Zipf's law)."""

    def __init__(self) -> None:
        self._random = random.Random(7)  # noqa: S311 - reproducible, not for security
        self._words = ["".join(self._syllables()) for _ in range(30_000)]
        self._weights = list(itertools.accumulate(1 / (rank + 20) for rank in range(len(self._words))))

    def _syllables(self) -> Iterator[str]:
        for _ in range(self._random.randint(2, 4)):
            yield self._random.choice("bcdfghklmnprstv") + self._random.choice("aeiou")

    def text(self, words: int) -> str:
        """Return a text of this number of words."""
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=words))

    def query(self) -> str:
        """Return a query. Its words are as frequent as those of the texts."""
        return self.text(self._random.randint(*_WORDS_OF_QUERIES))

    def number(self, stop: int) -> int:
        """Return a number from 0 to before `stop`."""
        return self._random.randrange(stop)


def search(system: BenchSystem) -> Iterator[Figure]:
    """Fill the table, search it, and drain into it with and without the index."""
    texts, ids = _Texts(), ExchangeIds()

    def exchange(thread_id: str, user_id: str) -> Exchange:
        exchange_id = ids.new()
        user_message, assistant_message = (texts.text(words) for words in _WORDS_OF_MESSAGES)
        return Exchange(exchange_id, thread_id, user_id, user_message, assistant_message, timestamp_of(exchange_id))

    exchanges = system.sizes.searched // 2
    others = max(1, exchanges // _EXCHANGES_OF_OTHERS)

    def any_exchange(number: int) -> Exchange:
        if number % _SHARE == 0:
            return exchange(f"{_USER}-{texts.number(_THREADS)}", _USER)
        user = f"other-{texts.number(others)}"
        return exchange(f"{user}-{texts.number(5)}", user)

    (definition,) = system.connection.execute("select pg_get_indexdef(%s::regclass)", (_INDEX,)).fetchone() or ("",)
    _drop_index(system)
    for start in range(0, exchanges, _BATCH):
        numbers = range(start, min(start + _BATCH, exchanges))
        system.patient_archive.store([any_exchange(number) for number in numbers])
    # Building the index takes less time than filling it.
    system.connection.execute(definition.encode())
    system.connection.execute("vacuum analyze")
    yield from _searches(system, texts)
    yield _drain(system, lambda: [any_exchange(number) for number in range(_BATCH)], "")
    _drop_index(system)
    yield _drain(system, lambda: [any_exchange(number) for number in range(_BATCH)], ", without the index")


def _drop_index(system: BenchSystem) -> None:
    system.connection.execute(f"drop index {_INDEX}".encode())


def _searches(system: BenchSystem, texts: _Texts) -> Iterator[Figure]:
    memory = system.memory(PostgresArchive)
    # A Redis that is known to have lost nothing, as in a running deployment. The read starts its first generation.
    with redis.Redis(port=system.redis_port) as client:
        client.flushall()
    memory.cache.read(None, _USER)
    memory.cache.record_loss(is_first=True)
    scope, times = SearchScope(_USER), []
    for number in range(system.sizes.searches + _QUANTILES):
        query = texts.query()
        started = time.perf_counter_ns()
        answer = Search(memory).search(scope, query, _LIMIT)
        elapsed = (time.perf_counter_ns() - started) / 1000
        if answer.degraded:
            raise RuntimeError(f"a search did not look at everything: {answer.degraded}")
        if number >= _QUANTILES:
            times.append(elapsed)
    name = f"search of {system.sizes.searched // _SHARE:,} of {system.sizes.searched:,} messages"
    percentiles = statistics.quantiles(times, n=_QUANTILES)
    yield Figure(f"{name}, median", microseconds(percentiles[9]), "", None, percentiles[9], None)
    yield Figure(f"{name}, p95", microseconds(percentiles[-1]), "", None, percentiles[-1], Goal(40_000, "us"))


def _drain(system: BenchSystem, batch: Callable[[], Sequence[Exchange]], kind: str) -> Figure:
    floor_times, work_times = [], []
    for _ in range(system.sizes.batches):
        # Both insert only messages, because the threads exist.
        copied, drained = (_in_threads(system, batch()) for _ in range(2))
        rows = message_rows(*copied)
        started = time.perf_counter_ns()
        copy_rows(system.connection, rows)
        copied_at = time.perf_counter_ns()
        system.patient_archive.store(drained[0])
        work_times.append((time.perf_counter_ns() - copied_at) / 1000)
        floor_times.append((copied_at - started) / 1000)
    floor, work = statistics.median(floor_times), statistics.median(work_times)
    return compare(f"drain of 1,000, 100 random words{kind}", work, "COPY with keys", floor, None)


def _in_threads(system: BenchSystem, exchanges: Sequence[Exchange]) -> tuple[Sequence[Exchange], dict[str, UUID]]:
    """Return the exchanges with the ids of their threads. Create the threads that do not exist."""
    threads = {exchange.thread_id: exchange for exchange in exchanges}
    statement = "select thread_id, id from conversations where thread_id = any(%s)"
    rows = system.connection.execute(statement, (list(threads),)).fetchall()
    if missing := threads.keys() - dict(rows).keys():
        system.patient_archive.store([replace(threads[thread_id], exchange_id=uuid4()) for thread_id in missing])
        rows = system.connection.execute(statement, (list(threads),)).fetchall()
    return exchanges, dict(rows)
