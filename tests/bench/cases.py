"""The cases of the benchmark: append, read, hydrate (read from PostgreSQL), store, and a whole invocation.

The floor of a case is the part of its work that a bare server does.
"""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg

from shared.ids import ExchangeIds, timestamp_of
from shared.models import Exchange
from shared.settings import DatabaseSettings, MemorySettings, RedisSettings
from shared.stores.archive import Window
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection, sql
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from tests.bench.floors import APPEND_SCRIPT, BareRedis, command, copy_rows, message_rows, window_parameters
from tests.bench.measure import Case
from tests.support.exchanges import refill
from tests.support.lambda_context import LambdaContext

WINDOW: Final = 50
BATCH: Final = 1_000
THREADS: Final = 100
THREAD, USER = "bench-0", "bench-user"
PREFERENCES: Final = {f"preference_{number}": f"value {number}" for number in range(10)}
# Typical lengths of a user's message and a model's answer.
QUESTION: Final = "How do I keep a list sorted while I insert into it? " * 2
ANSWER: Final = "Use bisect.insort: it finds the place in O(log n) and moves the rest. " * 4

_ids = ExchangeIds()


def exchange(thread_id: str) -> Exchange:
    """Return a new exchange of about 400 characters."""
    exchange_id = _ids.new()
    return Exchange(exchange_id, thread_id, USER, QUESTION, ANSWER, timestamp_of(exchange_id))


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of this run's servers."""

    redis_port: int
    database_url: str


class Benchmark:
    """Fills the servers and creates the cases."""

    def __init__(self, servers: Servers, bare_redis: BareRedis, connection: psycopg.Connection) -> None:
        self._bare = bare_redis
        self._connection = connection
        memory = MemorySettings(max_thread_messages=WINDOW)
        redis = RedisSettings(host="127.0.0.1", port=servers.redis_port, password=None, db=0, tls=False)
        self._cache = RedisCache(RedisConnection(redis), memory)
        self._archive = PostgresArchive(PostgresConnection(DatabaseSettings(url=servers.database_url)))

    def fill(self) -> None:
        """Store a hundred threads of a hundred exchanges. Cache the first thread and its user's preferences."""
        for _ in range(THREADS * 100 // BATCH):
            self._archive.store(self._batch())
        self._connection.execute("analyze")
        self._archive.change_preferences(USER, PREFERENCES, replace=True, update_cache=lambda _: True)
        refill(self._cache, THREAD, self._archive.window(THREAD, WINDOW))
        self._cache.set_preferences(USER, PREFERENCES)

    def _batch(self) -> list[Exchange]:
        threads = itertools.islice(itertools.cycle(range(THREADS)), BATCH)
        return [exchange(f"bench-{number}") for number in threads]

    def cases(self) -> list[Case]:
        """Return all cases. The last two cases only read. The case before them only adds rows."""
        return [self._append(), self._read(), self._hydrate(), self._store(), *self._invoking()]

    def _append(self) -> Case:
        thread = "bench-append"
        refill(self._cache, thread, Window([exchange(thread) for _ in range(WINDOW)], is_all=False))
        entry = b"x" * (len(QUESTION + ANSWER) // 2 + 150)
        request = command("EVAL", APPEND_SCRIPT, "1", "bench:floor", entry, entry)
        for _ in range(WINDOW):
            self._bare.measure_reply(request)
        length = self._bare.measure_reply(request)
        return Case(
            name="append one exchange to a list of 100",
            floor_name="raw socket: EVAL of RPUSH, LTRIM, EXPIRE",
            floor=lambda _: self._bare.send(request, length),
            work=lambda argument: self._cache.append(argument, is_drained=False),
            work_input=lambda: exchange(thread),
            repetitions=3_000,
        )

    def _read_request(self) -> bytes:
        return command("LRANGE", f"thread:{THREAD}:messages", "-100", "-1") + command(
            "HGETALL", f"user:{USER}:preferences"
        )

    def _read(self) -> Case:
        request = self._read_request()
        return Case(
            name="read 100 messages and 10 preferences",
            floor_name="raw socket: LRANGE, HGETALL, unparsed",
            floor=lambda length: self._bare.send(request, length),
            floor_input=lambda: self._bare.measure_reply(request),
            work=lambda _: self._cache.read(THREAD, USER),
            repetitions=2_000,
        )

    def _hydrate(self) -> Case:
        query, parameters = sql("window"), window_parameters("bench-1", WINDOW)
        return Case(
            name="hydrate 100 messages from PostgreSQL",
            floor_name="psycopg: the same query alone, prepared",
            floor=lambda _: self._connection.execute(query, parameters).fetchall(),
            work=lambda _: self._archive.window("bench-1", WINDOW),
            repetitions=600,
        )

    def _store(self) -> Case:
        rows = self._connection.execute("select thread_id, id from conversations").fetchall()
        conversations: dict[str, UUID] = dict(rows)

        return Case(
            name="store a batch of 1,000 exchanges",
            floor_name="COPY of its 2,000 rows, same table and indexes",
            floor=lambda rows: copy_rows(self._connection, rows),
            work=self._archive.store,
            floor_input=lambda: message_rows(self._batch(), conversations),
            work_input=self._batch,
            repetitions=30,
        )

    def _invoking(self) -> list[Case]:
        handle = _handler()
        body = {"thread_id": THREAD, "user_id": USER}
        direct = {"action": "invoking", **body}
        event = {
            "resource": "/{proxy+}",
            "path": "/invoking",
            "httpMethod": "POST",
            "headers": {},
            "multiValueHeaders": {},
            "queryStringParameters": None,
            "multiValueQueryStringParameters": None,
            "requestContext": {"requestId": "bench", "stage": "local", "path": "/local/invoking"},
            "body": json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = handle(direct, LambdaContext())
        if len(answer["messages"]) != 2 * WINDOW or answer["source"] != "redis":
            raise RuntimeError("the invocation did not return the window from Redis")
        request = self._read_request()

        def floor(length: int) -> None:
            self._bare.send(request, length)
            json.dumps(answer)

        def handler_case(kind: str, event: dict[str, Any]) -> Case:
            return Case(
                name=f"`invoking` through the handler, {kind}",
                floor_name="raw socket: LRANGE, HGETALL; json.dumps",
                floor=floor,
                # Measured each time, because the first read seals the list, which changes the length of an entry.
                floor_input=lambda: self._bare.measure_reply(request),
                work=lambda _: handle(event, LambdaContext()),
                repetitions=600,
            )

        return [handler_case("direct", direct), handler_case("REST event", event)]


def _handler() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    # Imported here, because the module reads the environment that this run has just set.
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = importlib.import_module(
        "functions.agent.handler"
    ).handler
    return handler
