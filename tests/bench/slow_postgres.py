"""`make bench-slow-postgres` drains batches of 1,000 into a PostgreSQL that is suspended most of the time.

This simulates a backlog and a database that is too small: each batch takes longer than the statement timeout. Records
must be stored continuously, in proportion to the database's capacity.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from functions.sync.batch_store import BatchStore
from infra.local.servers import PostgresServer
from infra.migrations import upgrade
from shared.models import Exchange
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.session import Limits
from tests.support.exchanges import exchange

_PERIOD_SECONDS: Final = 0.1
_DRAINS: Final = 5
_LIMITS: Final = Limits(4.0, 2.0, timeout_opens_circuit=False)
_INVOCATION_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Rate:
    """The result for one fraction of PostgreSQL's time.

    Attributes:
        part: PostgreSQL ran 1/part of the time.
        per_second: Exchanges stored per second.
        postponed: Exchanges that were still queued at the end of an invocation, and were delivered again.
    """

    part: int
    per_second: float
    postponed: int


@contextmanager
def slowed(pid: int, part: int) -> Iterator[None]:
    """Let a process and its children run 1/part of the time."""
    stop = threading.Event()

    def signal_all(number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            for process in [*parent.children(recursive=True), parent]:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def run() -> None:
        while not stop.is_set():
            signal_all(signal.SIGSTOP)
            stop.wait(_PERIOD_SECONDS * (part - 1) / part)
            signal_all(signal.SIGCONT)
            stop.wait(_PERIOD_SECONDS / part)

    thread = threading.Thread(target=run, daemon=True)
    if part > 1:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if part > 1:
            thread.join()
        signal_all(signal.SIGCONT)


def measure(server: PostgresServer, url: str, part: int, *, seconds: float, batch_size: int) -> Rate:
    """Drain continuously for a number of seconds, with several concurrent invocations."""
    stored, postponed = [0] * _DRAINS, [0] * _DRAINS
    began = time.monotonic()

    def drain(worker: int) -> None:
        connection = PostgresConnection(DatabaseSettings(url=url), _LIMITS)
        store = BatchStore(PostgresArchive(connection))
        waiting: list[Exchange] = []
        while time.monotonic() < began + seconds:
            batch_to_store = waiting or [
                exchange(number, f"t{worker}-{number % 100}", "u") for number in range(batch_size)
            ]
            result = store.store(batch_to_store, _INVOCATION_SECONDS)
            if result.refused:
                raise AssertionError(f"a valid record was refused: {result.refused[:1]}")
            waiting = result.waiting
            stored[worker] += result.merged().stored
            postponed[worker] += len(waiting)
        connection.close()

    threads = [threading.Thread(target=drain, args=(worker,)) for worker in range(_DRAINS)]
    with slowed(server.pid, part):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return Rate(part, sum(stored) / (time.monotonic() - began), sum(postponed))


def main(arguments: Sequence[str]) -> int:
    """Measure the rate for each fraction of PostgreSQL's time; compare it with the same fraction of the full rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--batch", type=int, default=1_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory, PostgresServer(Path(directory) / "postgres") as server:
        upgrade(server.url)
        rates = []
        for part in options.parts:
            rates.append(measure(server, server.url, part, seconds=options.seconds, batch_size=options.batch))
            share = rates[-1].per_second * part / (rates[0].per_second * rates[0].part)
            sys.stdout.write(
                f"1/{part} of the time: {rates[-1].per_second:,.0f} exchanges/s, {share:.2f} of the full rate"
                f" divided by {part}; postponed {rates[-1].postponed:,}\n"
            )
            sys.stdout.flush()
    return 0 if all(rate.per_second > 0 for rate in rates) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
