"""Computes the required Valkey node and PostgreSQL capacity from turns per second and time to live."""

from __future__ import annotations

import math
from typing import Any, Final

from tests.cost.measure import Units

_TURNS_A_SECOND: Final = (1, 2, 5, 10, 20, 50, 100, 200)
_TTL_HOURS: Final = (1, 6, 24)
_GIBIBYTE: Final = 2**30
_REQUESTS_A_TURN: Final = 2

_BEFORE: Final = """\
The table shows the required Valkey node (`CacheNodeType`) and Aurora capacity (ACU) for threads of {turns} turns of the
measured length. Redis stores a thread for `MEMORY__THREAD_TTL_HOURS` after its last turn, so the memory depends on the
number of threads within that time. A thread with a full window ({window} exchanges) takes {window_bytes} bytes, {times}
times as much. If your threads are that long, multiply the memory by that factor. `prod`'s cache.t4g.small is full at
{most} turns a second with a time to live of 24 hours. A full node evicts the least recently used threads, and
PostgreSQL then serves them.
"""
_AFTER: Final = """
Assumptions: threads use {share} of a node's memory, because ElastiCache reserves a quarter and the alarm `CacheMemory`
fires at 80% of the rest. An ACU has {cores} of a core, and its target utilisation is {busy}. Redis serves every
history. During an outage of Redis, each turn reads its history from PostgreSQL. Set
`DatabaseMaxCapacity` to four times the ACU of this table at first.

`ApiRateLimit` is the stage's own limit: 100 requests a second, which is 50 turns. Above it, API Gateway answers 429
before a store is full. Lambda's quota of concurrent invocations and `AgentConcurrency` are limits, too: a load needs
its turns a second times the seconds per turn, including the model."""


def threads_alive(turns_a_second: float, ttl_hours: float, turn: dict[str, Any]) -> float:
    """Return the number of threads in Redis: those whose last turn is younger than the time to live."""
    return float(turns_a_second / turn["turns_per_thread"] * ttl_hours * 3600)


def node_for(needed_bytes: float, sizes: dict[str, Any]) -> str | None:
    """Return the smallest node with enough usable memory; None if the largest is too small."""
    for name, gibibytes in sizes["nodes"].items():
        if needed_bytes <= gibibytes * _GIBIBYTE * sizes["usable_share"]:
            return str(name)
    return None


def capacity_for(turns_a_second: float, units: Units, sizes: dict[str, Any]) -> float:
    """Return the ACUs that the turns use up to the target utilisation, in steps of one half."""
    cores = turns_a_second * units.postgres_ms / 1000
    halves: int = math.ceil(2 * cores / sizes["cores_per_acu"] / sizes["busy_share"])
    return max(0.5, halves / 2)


def sizing(units: Units, assumed: dict[str, Any]) -> str:
    """Return the table as Markdown, with its assumptions."""
    sizes, turn = assumed["sizes"], assumed["turn"]
    head = ["turns a second", "`ApiRateLimit`", *(f"TTL {hours} h" for hours in _TTL_HOURS), "ACU"]
    rows = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for turns in _TURNS_A_SECOND:
        nodes = []
        for hours in _TTL_HOURS:
            needed = threads_alive(turns, hours, turn) * units.redis_bytes_per_thread
            nodes.append(f"{node_for(needed, sizes) or 'none'} ({needed / _GIBIBYTE:.1f} GiB)")
        cells = [str(turns), str(_REQUESTS_A_TURN * turns), *nodes, f"{capacity_for(turns, units, sizes):g}"]
        rows.append(f"| {' | '.join(cells)} |")
    small = sizes["nodes"]["cache.t4g.small"] * _GIBIBYTE * sizes["usable_share"]
    most = small / units.redis_bytes_per_thread * turn["turns_per_thread"] / (24 * 3600)
    times = units.redis_bytes_per_window / units.redis_bytes_per_thread
    facts = {
        "turns": turn["turns_per_thread"],
        "window": turn["window"],
        "window_bytes": f"{units.redis_bytes_per_window:,.0f}",
        "times": f"{times:.1f}",
        "most": f"{most:.1f}",
        "share": f"{sizes['usable_share']:.0%}",
        "cores": f"{sizes['cores_per_acu']:g}",
        "busy": f"{sizes['busy_share']:.0%}",
    }
    return "\n".join([_BEFORE.format(**facts), *rows, _AFTER.format(**facts)])
