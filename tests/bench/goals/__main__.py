"""`python -m tests.bench.goals`: the second half of `make bench`. It runs real servers in a temporary directory."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
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


def measure(sizes: Sizes, parts: Sequence[str]) -> list[Figure]:
    """Start servers on this process's core and measure the parts."""
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-bench-") as name,
        Path(os.devnull).open("w") as nowhere,
        # Receives the handler's metrics, as on Lambda.
        redirect_stdout(nowhere),
        PostgresServer(Path(name) / "postgres") as postgres,
        ValkeyServer(Path(name) / "valkey") as valkey,
    ):
        upgrade(postgres.url)
        configure(valkey.port, postgres.url)
        scene = Scene(valkey.port, postgres.url, sizes)
        return [figure for part in parts for figure in _PARTS[part](scene)]


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.goals", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--rows", type=int, default=Sizes().rows, help="messages in the table that is read from")
    parser.add_argument("--threads", type=int, default=Sizes().unsealed, help="threads that a failover unseals")
    parser.add_argument("--tiny", action="store_true", help="measure next to nothing, to see that it works")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    pin_to_one_core()
    figures = measure(_TINY if asked.tiny else Sizes(rows=asked.rows, unsealed=asked.threads), asked.parts)
    if asked.json:
        sys.stdout.write(json.dumps([figure.to_json() for figure in figures], indent=2) + "\n")
        return 0
    missed = sum(not figure.is_met for figure in figures)
    sys.stdout.write(
        f"{table(figures)}\n\nMedians, taken in turns, client and servers on one core, in"
        f" {time.monotonic() - started:.0f} s. Goals not met: {missed}; see docs/speed.md.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
