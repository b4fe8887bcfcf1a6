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
from tests.bench.goals.search import search
from tests.bench.goals.storage import storage
from tests.bench.goals.system import BenchSystem, Sizes
from tests.bench.goals.turns import turns

_PARTS: Final[dict[str, Callable[[BenchSystem], Iterator[Figure]]]] = {
    "turns": turns,
    "queue": queue,
    "imports": imports,
    "storage": storage,
    "growth": growth,
    "failover": failover,
    "search": search,
}
_TINY: Final = Sizes(3, 2_000, 2, 1, (10, 100), (10, 100), (10, 100), 50, 4_000, 20)


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
        Path(os.devnull).open("w") as devnull,
        # The handler prints its metrics to this file, as it does in an execution environment.
        redirect_stdout(devnull),
        PostgresServer(Path(name) / "postgres") as postgres,
        ValkeyServer(Path(name) / "valkey") as valkey,
    ):
        upgrade(postgres.url)
        configure(valkey.port, postgres.url)
        system = BenchSystem(valkey.port, postgres.url, sizes)
        for part in parts:
            started = time.monotonic()
            try:
                for figure in _PARTS[part](system):
                    report.figures.append(figure)
            except Exception as error:  # noqa: BLE001 - a failed part must not hide the results of the other parts
                traceback.print_exc()
                report.failures[part] = f"{type(error).__name__}: {error}"
            report.seconds[part] = time.monotonic() - started
    return report


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table; return the exit code, which is 1 if a part failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.goals", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--rows", type=int, default=Sizes().rows, help="messages in the table for the reads")
    parser.add_argument("--searched", type=int, default=Sizes().searched, help="messages in the table for the searches")
    parser.add_argument("--threads", type=int, default=Sizes().unsealed, help="threads whose lists a failover unseals")
    parser.add_argument("--tiny", action="store_true", help="use tiny sizes, to check that the benchmark works")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    pin_to_one_core()
    report = measure(_TINY if options.tiny else _sizes(options), options.parts)
    if options.json:
        sys.stdout.write(json.dumps([figure.to_json() for figure in report.figures], indent=2) + "\n")
    else:
        sys.stdout.write(_format_report(report))
    return 1 if report.failures else 0


def _sizes(options: argparse.Namespace) -> Sizes:
    return Sizes(rows=options.rows, unsealed=options.threads, searched=options.searched)


def _format_report(report: _Report) -> str:
    missed_goals = sum(not figure.is_met for figure in report.figures)
    taken = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in report.seconds.items())
    failures = "".join(f"\nThe part `{part}` failed: {error}" for part, error in report.failures.items())
    return (
        f"{table(report.figures)}\n\nMedians of alternating calls, client and servers on one core ({taken})."
        f" Goals not met: {missed_goals}; see docs/speed.md.{failures}\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
