"""Measures an append and a read while the number of threads, or of a thread's exchanges, grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import redis

from tests.bench.goals.figures import Figure, Goal, alternate, microseconds
from tests.bench.goals.system import USER, BenchSystem

_LENGTH: Final = 200
# The maximum time relative to the time at the smallest size.
_GROWTH_GOAL: Final = Goal(1.25, "x")
_PUSH_OTHER_THREADS: Final = """\
for number = ARGV[1], ARGV[2] do redis.call('RPUSH', 'thread:other-' .. number .. ':messages', ARGV[3], ARGV[3]) end"""
_THREADS_PER_CALL: Final = 10_000


def growth(system: BenchSystem) -> Iterator[Figure]:
    """Measure each kind of growth."""
    yield from _threads(system)
    yield from _exchanges(system, "exchanges", system.sizes.exchanges, is_drained=True)
    yield from _exchanges(system, "undrained exchanges", system.sizes.undrained, is_drained=False)


def _threads(system: BenchSystem) -> Iterator[Figure]:
    client = redis.Redis(port=system.redis_port)
    system.fill("growing-threads", _LENGTH)
    sizes, durations, existing = system.sizes.threads, [], 0
    for size in sizes:
        for first in range(existing, size, _THREADS_PER_CALL):
            client.eval(
                _PUSH_OTHER_THREADS, 0, str(first), str(min(first + _THREADS_PER_CALL, size) - 1), "x" * _LENGTH
            )
        existing = size
        durations.append(_measure(system, "growing-threads"))
    yield from _figures("threads", sizes, durations)


def _exchanges(system: BenchSystem, kind: str, sizes: Sequence[int], *, is_drained: bool) -> Iterator[Figure]:
    thread_id, durations, existing = f"growing {kind}", [], 0
    system.fill(thread_id, _LENGTH)
    for size in sizes:
        for _ in range(existing, size):
            system.cache.append(system.exchange(thread_id, _LENGTH), is_drained=is_drained)
        existing = size
        durations.append(_measure(system, thread_id))
    yield from _figures(f"{kind} of the thread", sizes, durations)


def _measure(system: BenchSystem, thread_id: str) -> tuple[float, float]:
    """Return the microseconds of an append and of a read."""
    append, read = alternate(
        max(1, system.sizes.repetitions // 5),
        lambda: system.cache.append(system.exchange(thread_id, _LENGTH), is_drained=True),
        lambda: system.cache.read(thread_id, USER),
    )
    return append, read


def _figures(dimension: str, sizes: Sequence[int], durations: Sequence[tuple[float, float]]) -> Iterator[Figure]:
    for index, work in enumerate(("append", "read")):
        smallest, *_, largest = (duration[index] for duration in durations)
        by_size = ", ".join(
            f"{size:,}: {microseconds(duration[index])}" for size, duration in zip(sizes, durations, strict=True)
        )
        ratio = largest / smallest
        yield Figure(f"growth: {work} by {dimension}", by_size, "the smallest", ratio, ratio, _GROWTH_GOAL)
