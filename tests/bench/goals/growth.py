"""Measures an append and a read while the number of threads, or of a thread's exchanges, grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import redis

from tests.bench.goals.figures import Figure, Goal, alternate, microseconds
from tests.bench.goals.scene import USER, Scene

_LENGTH: Final = 200
# The maximum time relative to the time at the smallest size.
_FLAT: Final = Goal(1.25, "x")
_OTHERS: Final = """\
for number = ARGV[1], ARGV[2] do redis.call('RPUSH', 'thread:other-' .. number .. ':messages', ARGV[3], ARGV[3]) end"""
_A_CALL: Final = 10_000


def growth(scene: Scene) -> Iterator[Figure]:
    """Measure each kind of growth."""
    yield from _threads(scene)
    yield from _exchanges(scene, "exchanges", scene.sizes.exchanges, is_drained=True)
    yield from _exchanges(scene, "undrained exchanges", scene.sizes.undrained, is_drained=False)


def _threads(scene: Scene) -> Iterator[Figure]:
    client = redis.Redis(port=scene.redis_port)
    scene.fill("growing-threads", _LENGTH)
    sizes, found, there = scene.sizes.threads, [], 0
    for size in sizes:
        for first in range(there, size, _A_CALL):
            client.eval(_OTHERS, 0, str(first), str(min(first + _A_CALL, size) - 1), "x" * _LENGTH)
        there = size
        found.append(_measured(scene, "growing-threads"))
    yield from _figures("threads", sizes, found)


def _exchanges(scene: Scene, kind: str, sizes: Sequence[int], *, is_drained: bool) -> Iterator[Figure]:
    thread_id, found, there = f"growing {kind}", [], 0
    scene.fill(thread_id, _LENGTH)
    for size in sizes:
        for _ in range(there, size):
            scene.cache.append(scene.exchange(thread_id, _LENGTH), is_drained=is_drained)
        there = size
        found.append(_measured(scene, thread_id))
    yield from _figures(f"{kind} of the thread", sizes, found)


def _measured(scene: Scene, thread_id: str) -> tuple[float, float]:
    """Return the microseconds of an append and of a read."""
    append, read = alternate(
        max(1, scene.sizes.repetitions // 5),
        lambda: scene.cache.append(scene.exchange(thread_id, _LENGTH), is_drained=True),
        lambda: scene.cache.read(thread_id, USER),
    )
    return append, read


def _figures(what: str, sizes: Sequence[int], found: Sequence[tuple[float, float]]) -> Iterator[Figure]:
    for place, work in enumerate(("append", "read")):
        smallest, *_, largest = (taken[place] for taken in found)
        named = ", ".join(f"{size:,}: {microseconds(taken[place])}" for size, taken in zip(sizes, found, strict=True))
        ratio = largest / smallest
        yield Figure(f"growth: {work} by {what}", named, "the smallest", ratio, ratio, _FLAT)
