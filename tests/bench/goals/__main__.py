"""`python -m tests.bench.goals`: the second half of `make bench`. It runs real servers in a temporary directory."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra.local.servers import PostgresServer, ValkeyServer
from infra.migrations import upgrade
from tests.bench.environment import configure, pin_to_one_core
from tests.bench.goals.failover import failover
from tests.bench.goals.figures import Figure, table
from tests.bench.goals.growth import growth
from tests.bench.goals.imports import imports
from tests.bench.goals.queue import queue
from tests.bench.goals.scene import Scene, Sizes
from tests.bench.goals.storage import storage
from tests.bench.goals.turns import turns

_PARTS: Final[dict[str, Callable[[Scene], Iterator[Figure]]]] = {
    "turns": turns,
    "queue": queue,
    "imports": imports,
    "storage": storage,
    "growth": growth,
    "failover": failover,
}
_TINY: Final = Sizes(3, 2_000, 2, 1, (10, 100), (10, 100), (10, 100), 50)


@dataclass
class _Report:
    """The result of a run.

    Attributes:
        figures: The measured lines, also those of a part that failed later.
        seconds: The time of each part.
        failures: The parts that failed, with their errors.
    """

    figures: list[Figure] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def measure(sizes: Sizes, parts: Sequence[str]) -> _Report:
    """Start servers on this process's core and measure the parts."""
    report = _Report()
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-bench-") as name,
        Path(os.devnull).open("w") as nowhere,
        # The handler prints its metrics to this file, as it does in an execution environment.
        redirect_stdout(nowhere),
        PostgresServer(Path(name) / "postgres") as postgres,
        ValkeyServer(Path(name) / "valkey") as valkey,
    ):
        upgrade(postgres.url)
        configure(valkey.port, postgres.url)
        scene = Scene(valkey.port, postgres.url, sizes)
        for part in parts:
            started = time.monotonic()
            try:
                for figure in _PARTS[part](scene):
                    report.figures.append(figure)
            except Exception as error:  # noqa: BLE001 - a part that fails must not take the other parts' lines along
                traceback.print_exc()
                report.failures[part] = f"{type(error).__name__}: {error}"
            report.seconds[part] = time.monotonic() - started
    return report


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table; returns the exit code, 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.goals", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--rows", type=int, default=Sizes().rows, help="messages in the table that is read from")
    parser.add_argument("--threads", type=int, default=Sizes().unsealed, help="threads that a failover unseals")
    parser.add_argument("--tiny", action="store_true", help="measure next to nothing, to see that it works")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(arguments)
    pin_to_one_core()
    report = measure(_TINY if asked.tiny else Sizes(rows=asked.rows, unsealed=asked.threads), asked.parts)
    if asked.json:
        sys.stdout.write(json.dumps([figure.to_json() for figure in report.figures], indent=2) + "\n")
    else:
        sys.stdout.write(_described(report))
    return 1 if report.failures else 0


def _described(report: _Report) -> str:
    missed = sum(not figure.is_met for figure in report.figures)
    taken = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in report.seconds.items())
    failed = "".join(f"\nThe part `{part}` failed: {error}" for part, error in report.failures.items())
    return (
        f"{table(report.figures)}\n\nMedians, taken in turns, client and servers on one core ({taken})."
        f" Goals not met: {missed}; see docs/speed.md.{failed}\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
