"""The required Valkey node and PostgreSQL capacity, computed from turns per second and time to live.

`python -m tests.cost.sizing --help` computes them for a load of your own.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
COST_PAGE: Final = ROOT / "docs" / "cost.md"
_TURNS_PER_SECOND: Final = (1, 2, 5, 10, 20, 50, 100, 200)
_TTL_HOURS: Final = (1, 6, 24)
_GIBIBYTE: Final = 2**30
_REQUESTS_PER_TURN: Final = 2

_TEXT_BEFORE: Final = """\
Threads of {turns} turns, with {thread_bytes} bytes each in Redis and {postgres_ms} ms of PostgreSQL's CPU time a turn:
"""
_TEXT_AFTER: Final = """
- A thread with a full window ({window} exchanges) takes {window_bytes} bytes, {times} times as much. If your threads
  are that long, multiply the memory by that factor.
- `prod`'s cache.t4g.small is full at {max_turns} turns a second with a time to live of 24 hours.
- Threads use {share} of a node's memory, because ElastiCache reserves a quarter and the alarm `CacheMemory` fires at
  80% of the rest. An ACU has {cores} of a core, and its target utilization is {busy}."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The measured values that decide the sizes, as docs/cost.md prints them."""

    thread_bytes: float
    window_bytes: float
    postgres_ms: float


def printed_figures(page: str) -> Figures:
    """Return the values of the page docs/cost.md."""

    def value(name: str) -> float:
        match = re.search(rf"^\| {re.escape(name)} \| ([\d,.]+) ", page, re.MULTILINE)
        if match is None:
            raise ValueError(f"docs/cost.md has no row {name!r}")
        return float(match[1].replace(",", ""))

    return Figures(
        value("Redis memory of a measured thread and its user"),
        value("Redis memory of a thread with a full window and its user"),
        value("PostgreSQL's CPU time per turn"),
    )


def cached_threads(turns_per_second: float, ttl_hours: float, turn: dict[str, Any]) -> float:
    """Return the number of threads whose last turn is younger than the time to live. Redis has these threads."""
    return float(turns_per_second / turn["turns_per_thread"] * ttl_hours * 3600)


def node_for(needed_bytes: float, sizes: dict[str, Any]) -> str | None:
    """Return the smallest node with enough usable memory, or None if the largest node is too small."""
    for name, gibibytes in sizes["nodes"].items():
        if needed_bytes <= gibibytes * _GIBIBYTE * sizes["usable_share"]:
            return str(name)
    return None


def capacity_for(turns_per_second: float, figures: Figures, sizes: dict[str, Any]) -> float:
    """Return the required ACUs at the target utilization, in steps of one half."""
    cores = turns_per_second * figures.postgres_ms / 1000
    halves: int = math.ceil(2 * cores / sizes["cores_per_acu"] / sizes["busy_share"])
    return max(0.5, halves / 2)


def sizing(figures: Figures, assumptions: dict[str, Any]) -> str:
    """Return the table as Markdown, with its assumptions."""
    sizes, turn = assumptions["sizes"], assumptions["turn"]
    header = ["turns a second", "`ApiRateLimit`", *(f"TTL {hours} h" for hours in _TTL_HOURS), "ACU"]
    rows = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    for turns in _TURNS_PER_SECOND:
        nodes = []
        for hours in _TTL_HOURS:
            needed = cached_threads(turns, hours, turn) * figures.thread_bytes
            nodes.append(f"{node_for(needed, sizes) or 'none'} ({needed / _GIBIBYTE:.1f} GiB)")
        cells = [str(turns), str(_REQUESTS_PER_TURN * turns), *nodes, f"{capacity_for(turns, figures, sizes):g}"]
        rows.append(f"| {' | '.join(cells)} |")
    small = sizes["nodes"]["cache.t4g.small"] * _GIBIBYTE * sizes["usable_share"]
    max_turns = small / figures.thread_bytes * turn["turns_per_thread"] / (24 * 3600)
    times = figures.window_bytes / figures.thread_bytes
    facts = {
        "turns": turn["turns_per_thread"],
        "thread_bytes": f"{figures.thread_bytes:,.0f}",
        "postgres_ms": f"{figures.postgres_ms:g}",
        "window": turn["window"],
        "window_bytes": f"{figures.window_bytes:,.0f}",
        "times": f"{times:.1f}",
        "max_turns": f"{max_turns:.1f}",
        "share": f"{sizes['usable_share']:.0%}",
        "cores": f"{sizes['cores_per_acu']:g}",
        "busy": f"{sizes['busy_share']:.0%}",
    }
    return "\n".join([_TEXT_BEFORE.format(**facts), *rows, _TEXT_AFTER.format(**facts)])


def main(arguments: list[str] | None = None) -> int:
    """Print the sizes for a load."""
    assumptions = tomllib.loads((Path(__file__).parent / "assumptions.toml").read_text())
    turn, sizes, figures = assumptions["turn"], assumptions["sizes"], printed_figures(COST_PAGE.read_text())
    parser = argparse.ArgumentParser(prog="python -m tests.cost.sizing", description=main.__doc__)
    parser.add_argument("--turns-per-second", type=float, required=True)
    parser.add_argument("--ttl-hours", type=float, default=24)
    parser.add_argument("--turns-per-thread", type=float, default=turn["turns_per_thread"])
    parser.add_argument("--bytes-per-thread", type=float, default=figures.thread_bytes)
    load = parser.parse_args(arguments)
    figures = replace(figures, thread_bytes=load.bytes_per_thread)
    threads = cached_threads(load.turns_per_second, load.ttl_hours, {**turn, "turns_per_thread": load.turns_per_thread})
    needed = threads * figures.thread_bytes
    sys.stdout.write(
        f"CacheNodeType={node_for(needed, sizes) or 'none'}: {threads:,.0f} threads with {needed / _GIBIBYTE:.1f} GiB\n"
        f"ACU: {capacity_for(load.turns_per_second, figures, sizes):g}\n"
        f"ApiRateLimit={math.ceil(_REQUESTS_PER_TURN * load.turns_per_second)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
