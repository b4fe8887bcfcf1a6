"""A measured figure with its reference and goal."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

_NANOSECONDS_PER_MICROSECOND = 1_000
_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal of a figure.

    Attributes:
        unit: `us` for microseconds, `x` for a multiple of the reference, `share` for a fraction of the reference.
        is_minimum: Whether a higher figure is better.
    """

    limit: float
    unit: Literal["us", "x", "share"]
    is_minimum: bool = False

    def is_met(self, value: float) -> bool:
        """Return whether a value meets the goal."""
        return value >= self.limit if self.is_minimum else value <= self.limit

    def __str__(self) -> str:
        """Return for example `at most 1.6x`."""
        return f"at {'least' if self.is_minimum else 'most'} {_format(self.limit, self.unit)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        cost: The name and time of the measured case.
        reference: The name and time of the reference.
        ratio: Cost divided by reference; None without a reference.
        value: The value to compare with the goal, in the goal's unit.
        goal: None for a line without a goal.
    """

    name: str
    cost: str
    reference: str
    ratio: float | None
    value: float
    goal: Goal | None

    @property
    def is_met(self) -> bool:
        """Whether the goal is met; true without a goal."""
        return self.goal is None or self.goal.is_met(self.value)

    def to_json(self) -> dict[str, object]:
        """Return the line as JSON."""
        return {
            "name": self.name,
            "cost": self.cost,
            "reference": self.reference,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "value": round(self.value, 3),
            "goal": None if self.goal is None else str(self.goal),
            "is_met": None if self.goal is None else self.is_met,
        }


def _format(value: float, unit: str) -> str:
    return {"us": f"{value:,.0f} \N{MICRO SIGN}s", "x": f"{value:.2f}\N{MULTIPLICATION SIGN}"}.get(unit, f"{value:.2f}")


def microseconds(value: float) -> str:
    """Return for example `1,140 µs`."""
    return _format(value, "us")


def _do_nothing() -> None:
    return None


def alternate(times: int, *calls: Callable[[], object], between: Callable[[], object] = _do_nothing) -> list[float]:
    """Return the median microseconds of each call. The calls alternate, so that noise affects all equally.

    `between` runs before each round and is not timed.
    """
    times_of_calls: list[list[float]] = [[] for _ in calls]
    for number in range(times + _WARM_UP):
        between()
        for call, durations in zip(calls, times_of_calls, strict=True):
            started = time.perf_counter_ns()
            call()
            elapsed = time.perf_counter_ns() - started
            if number >= _WARM_UP:
                durations.append(elapsed / _NANOSECONDS_PER_MICROSECOND)
    return [statistics.median(durations) for durations in times_of_calls]


def compare(name: str, cost: float, reference_name: str, reference: float, goal: Goal | None) -> Figure:
    """Return a line from two times in microseconds.

    The goal applies to the time, the ratio, or the inverse of the ratio, as its unit says.
    """
    ratio = cost / reference
    value = ratio if goal is None or goal.unit == "x" else cost if goal.unit == "us" else reference / cost
    return Figure(name, microseconds(cost), f"{reference_name}: {microseconds(reference)}", ratio, value, goal)


def table(figures: Sequence[Figure]) -> str:
    """Return the lines as a Markdown table."""
    head = ("case", "figure", "reference", "ratio", "goal", "met")
    rows = [
        (
            figure.name,
            figure.cost,
            figure.reference,
            "" if figure.ratio is None else f"{figure.ratio:.2f}\N{MULTIPLICATION SIGN}",
            "" if figure.goal is None else str(figure.goal),
            "" if figure.goal is None else "yes" if figure.is_met else "**no**",
        )
        for figure in figures
    ]
    widths = [max(len(row[index]) for row in (head, *rows)) for index in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    rule = "-|-".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))
