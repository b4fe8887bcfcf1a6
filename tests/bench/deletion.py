"""`make bench-deletion` runs `python -m tests.bench.deletion`.

It measures deletions in tables with many rows of other users.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

from infra.local.servers import PostgresServer
from infra.migrations import upgrade
from shared.ids import ExchangeIds, timestamp_of
from shared.models import Exchange
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection

_OTHER_EXCHANGES: Final = (0, 30_000, 3_000_000)
_USER_EXCHANGES: Final = 400_000
_EXCHANGES: Final = 20
_REPETITIONS: Final = 15
_THREAD_LENGTH: Final = 100
_ids = ExchangeIds()


class Benchmark:
    """Fills a database and deletes from it while another connection drains other users' exchanges."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connections: list[PostgresConnection] = []
        self._archive = self._connect()
        self._connection = psycopg.connect(url, autocommit=True)

    def _connect(self) -> PostgresArchive:
        self._connections.append(PostgresConnection(DatabaseSettings(url=self._url, timeout_ms=60_000)))
        return PostgresArchive(self._connections[-1])

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()
        for connection in self._connections:
            connection.close()

    def fill(self, exchanges: int, user_id: str) -> None:
        """Add exchanges of a user, 100 per thread, and as many idempotency keys from this hour."""
        self._connection.execute(
            "insert into conversations (thread_id, user_id, title)"
            " select %(user)s || '-' || n, %(user)s, 'title' from generate_series(1, %(threads)s) n",
            {"user": user_id, "threads": exchanges // _THREAD_LENGTH},
        )
        self._connection.execute(
            "insert into messages (conversation_id, exchange_id, position, role, content)"
            " select c.id, e.id, p, case p when 0 then 'user' else 'assistant' end, repeat('text ', 40)"
            " from conversations c cross join generate_series(1, %(length)s) n"
            " cross join lateral (select gen_random_uuid() as id where n > 0) e cross join generate_series(0, 1) p"
            " where c.user_id = %(user)s",
            {"user": user_id, "length": _THREAD_LENGTH},
        )
        self._connection.execute(
            "insert into idempotency_keys (key, body_hash, exchange_id, answer)"
            " select md5(%(user)s || n), '', gen_random_uuid(), '{}' from generate_series(1, %(keys)s) n",
            {"user": user_id, "keys": exchanges},
        )
        self._connection.execute("vacuum analyze")

    def batch(self, thread_id: str, user_id: str, count: int) -> list[Exchange]:
        """Return new exchanges."""
        ids = [_ids.new() for _ in range(count)]
        return [Exchange(each, thread_id, user_id, "question", "answer " * 30, timestamp_of(each)) for each in ids]

    def thread(self) -> list[float]:
        """Return the seconds of each deletion of a thread with 20 exchanges."""
        seconds = []
        for number in range(_REPETITIONS):
            self._archive.store(self.batch(f"small-{number}", "eve", _EXCHANGES))
            seconds.append(_seconds_of(lambda name=f"small-{number}": self._archive.forget_thread(name, _ids.new())))  # type: ignore[misc]
        return seconds

    def user(self, user_id: str) -> tuple[float, list[float]]:
        """Return the seconds until the response to a user's deletion, and the seconds of each later step."""
        response_seconds = _seconds_of(lambda: self._archive.forget_user(user_id, _ids.new(), []))
        steps = []
        while True:
            started = time.perf_counter()
            hidden = self._archive.hidden_threads()
            if hidden is None:
                break
            self._archive.detach(hidden, must_invalidate=False)
            steps.append(time.perf_counter() - started)
        while True:
            started = time.perf_counter()
            if not self._archive.erase_rows():
                return response_seconds, steps
            steps.append(time.perf_counter() - started)

    @contextmanager
    def drain(self) -> Iterator[list[float]]:
        """Store batches of ten exchanges of other users during the block.

        The yielded list receives the seconds of each batch.
        """
        seconds: list[float] = []
        stop = threading.Event()
        archive = self._connect()

        def run() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                batch = self.batch(f"drained-{number % 50}", f"drained-{number % 50}", 10)
                seconds.append(_seconds_of(lambda batch=batch: archive.store(batch)))  # type: ignore[misc]

        runner = threading.Thread(target=run)
        runner.start()
        try:
            yield seconds
        finally:
            stop.set()
            runner.join()


def _seconds_of(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _line(what: str, seconds: list[float]) -> str:
    median, maximum = statistics.median(seconds) * 1000, max(seconds) * 1000
    return f"{what:<58} {median:8.1f} ms, at most {maximum:8.1f} ms\n"


def main() -> int:
    """Measure and print the results; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.deletion", description=__doc__)
    parser.add_argument("--others", type=int, nargs="*", default=_OTHER_EXCHANGES, help="exchanges and keys of others")
    parser.add_argument("--exchanges", type=int, default=_USER_EXCHANGES, help="exchanges of the user who is deleted")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-bench-") as directory,
        PostgresServer(Path(directory) / "postgres") as postgres,
    ):
        upgrade(postgres.url)
        benchmark, existing = Benchmark(postgres.url), 0
        for others in arguments.others:
            if others > existing:
                benchmark.fill(others - existing, f"other-{others}")
                existing = others
            sys.stdout.write(
                _line(f"delete a thread of 20 with {others:,} other exchanges and keys", benchmark.thread())
            )
            sys.stdout.flush()
        benchmark.fill(arguments.exchanges, "large")
        with benchmark.drain() as drained:
            response_seconds, steps = benchmark.user("large")
        sys.stdout.write(
            f"delete a user with {arguments.exchanges:,} exchanges: answered in {response_seconds * 1000:.1f} ms\n"
        )
        if steps:
            sys.stdout.write(_line(f"  {len(steps)} steps of this deletion, {sum(steps):.1f} s in all, each", steps))
        benchmark.close()
        sys.stdout.write(_line(f"  {len(drained)} batches of 10 of other users, drained meanwhile, each", drained))
    return 0


if __name__ == "__main__":
    sys.exit(main())
