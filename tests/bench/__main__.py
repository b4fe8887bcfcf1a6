"""`python -m tests.bench`: the command behind `make bench`. It runs real servers in a temporary directory."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from contextlib import redirect_stdout
from pathlib import Path

import psycopg

from infra.local.servers import PostgresServer, ValkeyServer
from infra.migrations import upgrade
from tests.bench.cases import Benchmark, Servers
from tests.bench.environment import configure, separate_cores
from tests.bench.floors import BareRedis
from tests.bench.measure import Result, measure, table


def main() -> int:
    """Measure and print the results; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-bench-") as directory,
        Path(os.devnull).open("w") as devnull,
        # The handler writes its metrics to standard output, as on Lambda.
        redirect_stdout(devnull),
    ):
        results, has_failed = _run(Path(directory))
    seconds = time.monotonic() - started
    if arguments.json:
        report = {
            "cores": os.cpu_count(),
            "python": sys.version.split()[0],
            "seconds": round(seconds, 1),
            "results": [result.to_json() for result in results],
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.write(
            f"{table(results)}\n\nMedians; floor and work alternate; on {os.cpu_count()} cores in {seconds:.0f} s. "
            "Compare the ratios; absolute times depend on the machine.\n"
        )
    return 1 if has_failed else 0


def _run(directory: Path) -> tuple[list[Result], bool]:
    """Return the measured cases, and whether a case failed."""
    results, has_failed = [], False
    with PostgresServer(directory / "postgres") as postgres, ValkeyServer(directory / "valkey") as valkey:
        upgrade(postgres.url)
        separate_cores(postgres.pid, valkey.pid)
        configure(valkey.port, postgres.url)
        with BareRedis(valkey.port) as bare_redis, psycopg.connect(postgres.url, autocommit=True) as connection:
            benchmark = Benchmark(Servers(valkey.port, postgres.url), bare_redis, connection)
            benchmark.fill()
            for case in benchmark.cases():
                try:
                    results.append(measure(case))
                except Exception:  # noqa: BLE001 - a failed case must not hide the results of the other cases
                    traceback.print_exc()
                    has_failed = True
    return results, has_failed


if __name__ == "__main__":
    sys.exit(main())
