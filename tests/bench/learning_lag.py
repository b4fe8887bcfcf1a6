"""Measures the time from the acceptance of an exchange until what it says is learned, on the local stack.

Run it by `python -m tests.bench.learning_lag [exchanges]`.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx
import psycopg

from infra.local.client import StackProcess

_EXCHANGES = 100
# One exchange is sent in this time. The users of a real deployment do not write at the same moment either.
_PAUSE_SECONDS = 0.1
_MAX_SECONDS = 60
_LEARNED = (
    "select c.thread_id from memory_statements s join conversations c on c.id = s.conversation_id"
    " where c.thread_id = any(%s)"
)


def measure(api_url: str, database_url: str, exchanges: int) -> list[float]:
    """Return the lag of each exchange in seconds, sorted. Each exchange is of another user."""
    accepted: dict[str, float] = {}
    lags: list[float] = []
    with (
        httpx.Client(base_url=api_url, timeout=30) as client,
        psycopg.connect(database_url, autocommit=True) as database,
    ):

        def read() -> None:
            for (thread_id,) in database.execute(_LEARNED, (list(accepted),)).fetchall():
                lags.append(time.monotonic() - accepted.pop(thread_id))

        for number in range(exchanges):
            body = {"thread_id": f"lag-{number}", "user_id": f"lag-{number}", "user_message": "I live in Rome"}
            client.post("/invoked", json={**body, "assistant_message": "Nice!"}).raise_for_status()
            accepted[f"lag-{number}"] = time.monotonic()
            time.sleep(_PAUSE_SECONDS)
            read()
        deadline = time.monotonic() + _MAX_SECONDS
        while accepted and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
            read()
    if accepted:
        raise SystemExit(f"{len(accepted)} exchanges were not learned from in {_MAX_SECONDS} s.")
    return sorted(lags)


def main() -> None:
    """Start a stack, measure, and print the percentiles."""
    exchanges = int(sys.argv[1]) if len(sys.argv) > 1 else _EXCHANGES
    with tempfile.TemporaryDirectory() as directory, StackProcess(Path(directory)) as stack:
        lags = measure(stack.info["api_url"], stack.info["database_url"], exchanges)
    p99 = lags[math.ceil(0.99 * len(lags)) - 1]
    sys.stdout.write(f"{len(lags)} exchanges: median {median(lags):.1f} s, p99 {p99:.1f} s, longest {lags[-1]:.1f} s\n")


if __name__ == "__main__":
    main()
