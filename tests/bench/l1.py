"""`python -m tests.bench.l1` measures L1 alone, with client and server on one core.

It prints ratios to a raw socket and to redis-py. `python -m tests.bench.goals --parts growth` measures growth.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson
import redis

from infra.local.servers import ValkeyServer
from shared.ids import ExchangeIds, timestamp_of
from shared.models import Exchange
from shared.settings import MemorySettings, RedisSettings
from shared.stores.archive import Window
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from tests.bench.floors import APPEND_SCRIPT, BareRedis, command
from tests.bench.measure import Case, measure, table
from tests.support.exchanges import refill

WINDOW: Final = 50
USER: Final = "bench-user"
PREFERENCES: Final = {f"preference_{number}": f"value {number}" for number in range(10)}
QUESTION: Final = ("How do I keep a list sorted while I insert into it? " * 4)[:200]
ANSWER: Final = ("Use bisect.insort: it finds the place in O(log n) and moves the rest. " * 12)[:800]
_ids = ExchangeIds()


def exchange(thread_id: str, exchange_id: UUID | None = None) -> Exchange:
    """Return a new exchange of 200 and 800 characters."""
    new_id = _ids.new()
    return Exchange(exchange_id or new_id, thread_id, USER, QUESTION, ANSWER, timestamp_of(new_id))


class Benchmark:
    """Fills a server and creates the cases."""

    def __init__(self, port: int, bare_redis: BareRedis) -> None:
        self._bare = bare_redis
        self._client = redis.Redis(port=port)
        settings = RedisSettings(host="127.0.0.1", port=port, password=None, db=0, tls=False)
        self.cache = RedisCache(RedisConnection(settings), MemorySettings(max_thread_messages=WINDOW))

    def fill(self, thread_id: str) -> None:
        """Fill a list with a full window of drained exchanges, and set the user's preferences."""
        refill(self.cache, thread_id, Window([exchange(thread_id) for _ in range(WINDOW)], is_all=False))
        self.cache.set_preferences(USER, PREFERENCES)

    def read_cases(self) -> list[Case]:
        """Return the cases of reading a window and preferences."""
        self.fill("read")
        key, preferences = "thread:read:messages", f"user:{USER}:preferences"
        request = command("LRANGE", key, "-100", "-1") + command("HGETALL", preferences)
        length = self._bare.measure_reply(request)

        def with_redis_py(_: object) -> object:
            pipe = self._client.pipeline(transaction=False)
            pipe.lrange(key, -100, -1)
            pipe.hgetall(preferences)
            entries, values = pipe.execute()
            return orjson.loads(b"[" + b",".join(entries) + b"]"), values

        def work(_: object) -> None:
            read = self.cache.read("read", USER)
            if not (read.is_sealed and read.has_all_preferences and len(read.messages) == 2 * WINDOW):
                raise RuntimeError("the read did not return the whole window and the preferences")

        floors: list[tuple[str, Callable[[Any], object]]] = [
            ("raw socket: LRANGE, HGETALL, unparsed", lambda _: self._bare.send(request, length)),
            ("redis-py: the same, one JSON parse of the joined list", with_redis_py),
        ]
        return [Case("read 100 messages and 10 preferences", name, floor, work, 2_000) for name, floor in floors]

    def append_cases(self) -> list[Case]:
        """Return the cases of appending to a full window, with a time-ordered id and with another id."""
        return [self._append("time-ordered", lambda: None), self._append("random", uuid.uuid4)]

    def _append(self, name: str, make_id: Callable[[], UUID | None]) -> Case:
        thread = f"append-{name}"
        self.fill(thread)
        script = self._client.script_load(APPEND_SCRIPT)
        entry = b"x" * ((len(QUESTION) + len(ANSWER)) // 2 + 150)
        return Case(
            name=f"append one exchange with a {name} id to a list of 100",
            floor_name="redis-py: one EVALSHA of RPUSH, LTRIM, EXPIRE",
            floor=lambda _: self._client.evalsha(script, 1, "bench:floor", entry, entry),
            work=lambda argument: self.cache.append(argument, is_drained=False),
            work_input=lambda: exchange(thread, make_id()),
            repetitions=3_000,
        )

    def server_part(self) -> list[str]:
        """Return the server's time for the script of an append, and for all commands of the append."""
        lines = []
        id_makers: dict[str, Callable[[], UUID | None]] = {"time-ordered": lambda: None, "random": uuid.uuid4}
        for name, make_id in id_makers.items():
            exchanges = [exchange(f"append-{name}", make_id()) for _ in range(1_000)]
            self._client.config_resetstat()
            for each in exchanges:
                self.cache.append(each, is_drained=False)
            stats: dict[str, Any] = self._client.info("commandstats")
            total = sum(each["usec"] for each in stats.values()) / len(exchanges)
            script = stats["cmdstat_evalsha"]["usec_per_call"]
            lines.append(
                f"append with a {name} id, in the server: {script:.0f} µs in the script, {total:.0f} µs in all commands"
            )
        return lines


def main() -> int:
    """Measure and print the results; return the exit code."""
    argparse.ArgumentParser(prog="python -m tests.bench.l1", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        core = {min(os.sched_getaffinity(0))}
        os.sched_setaffinity(0, core)
        os.sched_setaffinity(server.pid, core)
        with BareRedis(server.port) as bare_redis:
            benchmark = Benchmark(server.port, bare_redis)
            results = [measure(case) for case in (*benchmark.read_cases(), *benchmark.append_cases())]
            sys.stdout.write(f"{table(results)}\n\n")
            sys.stdout.writelines(f"{line}\n" for line in benchmark.server_part())
    return 0


if __name__ == "__main__":
    sys.exit(main())
