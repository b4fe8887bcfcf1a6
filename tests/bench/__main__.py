"""`python -m tests.bench`: what `make bench` runs. Real servers in a temporary directory, gone at the end."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

import psycopg

from infra.local.environment import isolate
from infra.local.servers import PostgresServer, ValkeyServer
from infra.migrations import upgrade
from tests.bench.cases import Bench, Servers
from tests.bench.floors import BareRedis
from tests.bench.measure import Result, measure, table


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-bench-") as directory,
        Path(os.devnull).open("w") as nowhere,
        # Where the handler prints its metrics, which it does here as in a sandbox.
        redirect_stdout(nowhere),
    ):
        results = _run(Path(directory))
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
            f"{table(results)}\n\nMedians, floor and work in turns, on {os.cpu_count()} cores in {seconds:.0f} s. "
            "Ratios travel, microseconds do not.\n"
        )
    return 0


def _run(directory: Path) -> list[Result]:
    with PostgresServer(directory / "postgres") as postgres, ValkeyServer(directory / "valkey") as valkey:
        upgrade(postgres.url)
        _keep_apart(postgres.pid, valkey.pid)
        _configure(valkey.port, postgres.url)
        with BareRedis(valkey.port) as bare, psycopg.connect(postgres.url, autocommit=True) as connection:
            bench = Bench(Servers(valkey.port, postgres.url), bare, connection)
            bench.fill()
            return [measure(case) for case in bench.cases()]


def _keep_apart(*servers: int) -> None:
    """Give this process a core and the servers the others: waking a sleeping core costs more than a small answer.

    Left to the scheduler, the floor is four times higher or lower from run to run. Does nothing where there is one
    core, or no way to say so.
    """
    if sys.platform != "linux":
        return
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(0, {first})
        for server in servers:
            os.sched_setaffinity(server, others)


def _configure(redis_port: int, database_url: str) -> None:
    """Set what the agent function reads; the queue is never asked, its client only wants to be told of one."""
    isolate()
    for name in [name for name in os.environ if name.startswith(("REDIS__", "MEMORY__", "AGENT__", "AUTH__"))]:
        del os.environ[name]
    os.environ.update(
        REDIS__HOST="127.0.0.1",
        REDIS__PORT=str(redis_port),
        DATABASE__URL=database_url,
        SYNC__QUEUE_URL="http://127.0.0.1:9/none",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        POWERTOOLS_SERVICE_NAME="agent",
    )


if __name__ == "__main__":
    sys.exit(main())
