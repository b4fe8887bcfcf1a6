"""Times a piece of work and its floor (the bare server's part) alternately, so that other load affects both equally."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

ROUNDS: Final = 10


def _no_input() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Case:
    """A piece of work and its floor.

    Attributes:
        floor: The bare server's part of the work, called with the result of `floor_input`.
        work: The project's code, called with the result of `work_input`. Creating the input is not timed.
        repetitions: The number of measurements of the floor, and of the work.
    """

    name: str
    floor_name: str
    floor: Callable[[Any], object]
    work: Callable[[Any], object]
    repetitions: int
    floor_input: Callable[[], object] = _no_input
    work_input: Callable[[], object] = _no_input


@dataclass(frozen=True, slots=True)
class Result:
    """Medians of a case.

    Attributes:
        low: The lowest ratio of a round.
        high: The highest ratio of a round.
    """

    name: str
    floor_name: str
    floor_us: float
    work_us: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """The work's time divided by the floor's."""
        return self.work_us / self.floor_us

    def to_json(self) -> dict[str, str | float]:
        """Return the figures, rounded to their precision."""
        return {
            "name": self.name,
            "floor": self.floor_name,
            "floor_us": round(self.floor_us, 1),
            "work_us": round(self.work_us, 1),
            "ratio": round(self.ratio, 2),
            "ratio_low": round(self.low, 2),
            "ratio_high": round(self.high, 2),
        }


def measure(case: Case) -> Result:
    """Time a case in rounds; each round alternates floor and work."""
    per_round = max(1, case.repetitions // ROUNDS)
    _alternate(case, max(1, per_round // 2))
    floors: list[float] = []
    works: list[float] = []
    ratios: list[float] = []
    for _ in range(ROUNDS):
        floor, work = _alternate(case, per_round)
        ratios.append(statistics.median(work) / statistics.median(floor))
        floors += floor
        works += work
    return Result(
        name=case.name,
        floor_name=case.floor_name,
        floor_us=statistics.median(floors),
        work_us=statistics.median(works),
        low=min(ratios),
        high=max(ratios),
    )


def _alternate(case: Case, times: int) -> tuple[list[float], list[float]]:
    floor: list[float] = []
    work: list[float] = []
    for _ in range(times):
        floor.append(_microseconds(case.floor, case.floor_input()))
        work.append(_microseconds(case.work, case.work_input()))
    return floor, work


def _microseconds(call: Callable[[Any], object], argument: object) -> float:
    started = time.perf_counter_ns()
    call(argument)
    return (time.perf_counter_ns() - started) / 1000


def table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table, as in the README."""
    head = ("work", "floor", "floor, µs", "work, µs", "ratio", "by round")
    rows = [
        (
            result.name,
            result.floor_name,
            f"{result.floor_us:,.0f}",
            f"{result.work_us:,.0f}",
            f"**{result.ratio:.1f}\N{MULTIPLICATION SIGN}**",
            f"{result.low:.1f} to {result.high:.1f}",
        )
        for result in results
    ]
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    rule = "-|-".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))
