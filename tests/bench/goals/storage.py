"""Compares draining a batch with a bare COPY, and reading an uncached thread with the query alone.

The bare COPY and the query alone are the floors: the part of the work that PostgreSQL does in any case.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar
from uuid import UUID

import psycopg

from shared.models import Exchange
from shared.stores.postgres.connection import sql
from tests.bench.floors import copy_rows, message_rows, window_parameters
from tests.bench.goals.figures import Figure, Goal, compare
from tests.bench.goals.system import LENGTHS, WINDOW, BenchSystem
from tests.bench.goals.turns import case_name

_Argument = TypeVar("_Argument")
_BATCH: Final = 1_000
_THREADS: Final = 100
_THREAD_LENGTH: Final = 100
_FILL: Final = """
insert into messages (conversation_id, exchange_id, position, role, content)
select c.id, e.id, p, case p when 0 then 'user' else 'assistant' end, repeat('text ', %(words)s)
from conversations c cross join generate_series(1, %(length)s) n
cross join lateral (select gen_random_uuid() as id where n > 0) e cross join generate_series(0, 1) p
where c.user_id = %(user)s"""
_CONVERSATIONS: Final = """
insert into conversations (thread_id, user_id, title)
select %(user)s || '-' || n, %(user)s, 'title' from generate_series(1, %(threads)s) n"""


def storage(system: BenchSystem) -> Iterator[Figure]:
    """Measure the drain in a small table, then reading from a large table."""
    for length in LENGTHS:
        yield _drain(system, length)
    for length in LENGTHS:
        yield from _hydrate(system, length)


def _drain(system: BenchSystem, length: int) -> Figure:
    def batch() -> list[Exchange]:
        threads = itertools.islice(itertools.cycle(range(_THREADS)), _BATCH)
        return [system.exchange(f"drain-{number}", length) for number in threads]

    system.archive.store(batch())
    conversations: dict[str, UUID] = dict(
        system.connection.execute("select thread_id, id from conversations").fetchall()
    )
    floor_times, work_times = [], []
    for _ in range(system.sizes.batches):
        rows = message_rows(batch(), conversations)
        floor_times.append(_microseconds(lambda argument: copy_rows(system.connection, argument), rows))
        work_times.append(_microseconds(system.archive.store, batch()))
    floor, work = statistics.median(floor_times), statistics.median(work_times)
    return compare(case_name("drain of 1,000", length), work, "bare COPY", floor, Goal(0.75, "share", is_minimum=True))


def _microseconds(call: Callable[[_Argument], object], argument: _Argument) -> float:
    started = time.perf_counter_ns()
    call(argument)
    return (time.perf_counter_ns() - started) / 1000


def _hydrate(system: BenchSystem, length: int) -> Iterator[Figure]:
    user, threads = f"hydrate-{length}", max(1, system.sizes.rows // _THREAD_LENGTH // 2 // len(LENGTHS))
    parameters = {"user": user, "threads": threads, "length": _THREAD_LENGTH, "words": length // 5}
    system.connection.execute(_CONVERSATIONS, parameters)
    system.connection.execute(_FILL, parameters)
    system.connection.execute("vacuum analyze")
    query = sql("window")
    # psycopg prepares a statement that it has run five times. The product turns this off, because behind a pooler the
    # next transaction may have another session.
    unprepared = psycopg.connect(system.connection.info.dsn, password=system.connection.info.password, autocommit=True)
    unprepared.prepare_threshold = None
    floor_times, unprepared_times, work_times = [], [], []
    for number in range(system.sizes.repetitions):
        thread_id = f"{user}-{number * 7919 % threads + 1}"
        # Read the thread once before, so that no measured query reads it from disk.
        system.archive.window(thread_id, WINDOW)
        read = system.cache.read(thread_id, None)
        window_arguments = window_parameters(thread_id, WINDOW)
        started = time.perf_counter_ns()
        system.connection.execute(query, window_arguments).fetchall()
        prepared = time.perf_counter_ns()
        unprepared.execute(query, window_arguments).fetchall()
        between = time.perf_counter_ns()
        system.cache.refill(thread_id, system.archive.window(thread_id, WINDOW), read)
        work_times.append((time.perf_counter_ns() - between) / 1000)
        unprepared_times.append((between - prepared) / 1000)
        floor_times.append((prepared - started) / 1000)
    unprepared.close()
    name, work = (
        case_name(f"hydrate 100 of {system.sizes.rows:,} rows, with refill", length),
        statistics.median(work_times),
    )
    yield compare(name, work, "the query alone", statistics.median(floor_times), Goal(1.8, "x"))
    yield compare(name, work, "the query alone, not prepared", statistics.median(unprepared_times), None)
