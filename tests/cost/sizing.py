"""The required Valkey node and PostgreSQL capacity, computed from turns per second and time to live."""

from __future__ import annotations

import math
from typing import Any, Final

from tests.cost.measure import Units

_TURNS_PER_SECOND: Final = (1, 2, 5, 10, 20, 50, 100, 200)
_TTL_HOURS: Final = (1, 6, 24)
_GIBIBYTE: Final = 2**30
_REQUESTS_PER_TURN: Final = 2

_TEXT_BEFORE: Final = """\
The table shows the required Valkey node (`CacheNodeType`) and Aurora capacity (ACU) for threads of {turns} turns of the
measured length. Redis stores a thread for `MEMORY__THREAD_TTL_HOURS` after its last turn, so the memory depends on the
number of threads within that time. A thread with a full window ({window} exchanges) takes {window_bytes} bytes, {times}
times as much. If your threads are that long, multiply the memory by that factor. `prod`'s cache.t4g.small is full at
{max_turns} turns a second with a time to live of 24 hours. A full node evicts the least recently used threads, and
PostgreSQL then serves them.
"""
_TEXT_AFTER: Final = """
Assumptions: threads use {share} of a node's memory, because ElastiCache reserves a quarter and the alarm `CacheMemory`
fires at 80% of the rest. An ACU has {cores} of a core, and its target utilization is {busy}. Redis serves every
history. During an outage of Redis, each turn reads its history from PostgreSQL. Set
`DatabaseMaxCapacity` to four times the ACU of this table at first.

`ApiRateLimit` is the stage's own limit: 100 requests a second, which is 50 turns. Above it, API Gateway answers 429
before a store is full. Lambda's quota of concurrent invocations and `AgentConcurrency` are limits, too: a load needs
its turns a second times the seconds per turn, including the model."""


def cached_threads(turns_per_second: float, ttl_hours: float, turn: dict[str, Any]) -> float:
    """Return the number of threads whose last turn is younger than the time to live. Redis has these threads."""
    return float(turns_per_second / turn["turns_per_thread"] * ttl_hours * 3600)


def node_for(needed_bytes: float, sizes: dict[str, Any]) -> str | None:
    """Return the smallest node with enough usable memory, or None if the largest node is too small."""
    for name, gibibytes in sizes["nodes"].items():
        if needed_bytes <= gibibytes * _GIBIBYTE * sizes["usable_share"]:
            return str(name)
    return None


def capacity_for(turns_per_second: float, units: Units, sizes: dict[str, Any]) -> float:
    """Return the required ACUs at the target utilization, in steps of one half."""
    cores = turns_per_second * units.postgres_ms / 1000
    halves: int = math.ceil(2 * cores / sizes["cores_per_acu"] / sizes["busy_share"])
    return max(0.5, halves / 2)


def sizing(units: Units, assumptions: dict[str, Any]) -> str:
    """Return the table as Markdown, with its assumptions."""
    sizes, turn = assumptions["sizes"], assumptions["turn"]
    header = ["turns a second", "`ApiRateLimit`", *(f"TTL {hours} h" for hours in _TTL_HOURS), "ACU"]
    rows = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    for turns in _TURNS_PER_SECOND:
        nodes = []
        for hours in _TTL_HOURS:
            needed = cached_threads(turns, hours, turn) * units.redis_bytes_per_thread
            nodes.append(f"{node_for(needed, sizes) or 'none'} ({needed / _GIBIBYTE:.1f} GiB)")
        cells = [str(turns), str(_REQUESTS_PER_TURN * turns), *nodes, f"{capacity_for(turns, units, sizes):g}"]
        rows.append(f"| {' | '.join(cells)} |")
    small = sizes["nodes"]["cache.t4g.small"] * _GIBIBYTE * sizes["usable_share"]
    max_turns = small / units.redis_bytes_per_thread * turn["turns_per_thread"] / (24 * 3600)
    times = units.redis_bytes_per_window / units.redis_bytes_per_thread
    facts = {
        "turns": turn["turns_per_thread"],
        "window": turn["window"],
        "window_bytes": f"{units.redis_bytes_per_window:,.0f}",
        "times": f"{times:.1f}",
        "max_turns": f"{max_turns:.1f}",
        "share": f"{sizes['usable_share']:.0%}",
        "cores": f"{sizes['cores_per_acu']:g}",
        "busy": f"{sizes['busy_share']:.0%}",
    }
    return "\n".join([_TEXT_BEFORE.format(**facts), *rows, _TEXT_AFTER.format(**facts)])
