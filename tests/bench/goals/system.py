"""The servers of a run, filled with exchanges of a given length, and the agent function."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

import psycopg

from shared.ids import ExchangeIds, timestamp_of
from shared.memory.memory import Memory
from shared.models import Exchange
from shared.settings import DatabaseSettings, MemorySettings, RedisSettings
from shared.stores.archive import Window
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.testing import InMemoryQueue
from tests.support.exchanges import refill
from tests.support.lambda_context import LambdaContext

# The number of exchanges in the window. A full list therefore has 100 messages.
WINDOW: Final = 50
USER: Final = "bench-user"
PREFERENCES: Final = {f"preference_{number}": f"value {number}" for number in range(10)}
LENGTHS: Final = (200, 800)
_WORDS: Final = "How do I keep a list sorted while I insert into it? Use bisect.insort. "

# An id that is generated after an id from the future is one millisecond later. With a longer step, the next exchange is
# newer than both.
_STEP: Final = timedelta(milliseconds=2)

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of a measurement.

    Attributes:
        repetitions: Repetitions of each call.
        rows: Messages in PostgreSQL's table for the reads.
        batches: Batches of the drain.
        imports: Repetitions of each import.
        threads: Additional threads in Redis.
        exchanges: Exchanges of a thread.
        undrained: Undrained exchanges of a thread.
        unsealed: Threads whose lists a failover of Redis unseals.
        searched: Messages in PostgreSQL's table for the searches.
        searches: Searches.
    """

    repetitions: int = 1_000
    rows: int = 2_000_000
    batches: int = 15
    imports: int = 7
    threads: tuple[int, ...] = (10, 10_000, 1_000_000)
    exchanges: tuple[int, ...] = (10, 1_000, 100_000)
    undrained: tuple[int, ...] = (10, 10_000)
    unsealed: int = 5_000
    searched: int = 1_000_000
    searches: int = 400


def _text(length: int) -> str:
    return (_WORDS * (length // len(_WORDS) + 1))[:length]


class InstantSqsClient:
    """An SQS client that responds immediately, without a server."""

    def send_message(self, **_: object) -> dict[str, str]:
        """Accept a message."""
        return {"MessageId": "1"}

    def get_queue_attributes(self, **_: object) -> dict[str, dict[str, str]]:
        """Report an empty queue."""
        return {"Attributes": {}}


class BenchSystem:
    """The stores of a run.

    Attributes:
        cache: L1.
        archive: L2.
        patient_archive: L2 with a long timeout.
        connection: A plain connection to L2.
        redis_port: L1's port.
        sizes: The size of the measurement.
    """

    def __init__(self, redis_port: int, database_url: str, sizes: Sizes) -> None:
        self._settings = MemorySettings(max_thread_messages=WINDOW)
        self._redis = RedisSettings(host="127.0.0.1", port=redis_port, password=None, db=0, tls=False)
        self._database = DatabaseSettings(url=database_url)
        self.cache = RedisCache(RedisConnection(self._redis), self._settings)
        self.archive = PostgresArchive(PostgresConnection(self._database))
        # Its statements may take a minute, for filling large tables.
        patient = DatabaseSettings(url=database_url, timeout_ms=60_000)
        self.patient_archive = PostgresArchive(PostgresConnection(patient))
        self.connection = psycopg.connect(database_url, autocommit=True)
        self.redis_port = redis_port
        self.sizes = sizes
        self._ids = ExchangeIds()
        self._latest = datetime.now(UTC)
        self._handle: Callable[[Event, Any], Event] | None = None

    def memory(self, archive: type[PostgresArchive]) -> Memory:
        """Return the memory of another process, with its own connections and an empty queue."""
        cache = RedisCache(RedisConnection(self._redis), self._settings)
        return Memory(cache, archive(PostgresConnection(self._database)), InMemoryQueue(), self._settings)

    def exchange(self, thread_id: str, length: int) -> Exchange:
        """Return a new exchange with two messages of this length."""
        exchange_id = self._ids.new()
        text = _text(length)
        return Exchange(exchange_id, thread_id, USER, text, text, timestamp_of(exchange_id))

    def newer_exchange(self, thread_id: str, length: int, *, is_random: bool = False) -> Exchange:
        """Return an exchange that is newer than all earlier exchanges, including the exchanges of the agent function.

        Its id is a UUIDv7. With `is_random` it is a UUIDv4, which a caller may also choose.
        """
        self._latest = max(self._latest + _STEP, datetime.now(UTC) + _STEP)
        exchange_id = uuid4() if is_random else self._ids.new(now=self._latest.timestamp())
        text = _text(length)
        return Exchange(exchange_id, thread_id, USER, text, text, self._latest)

    def fill(self, thread_id: str, length: int) -> None:
        """Fill a thread's window with drained exchanges, and set the user's preferences."""
        self.archive.store([self.exchange(thread_id, length) for _ in range(WINDOW)])
        self.archive.change_preferences(USER, PREFERENCES, replace=True, update_cache=lambda _: True)
        refill(self.cache, thread_id, self.archive.window(thread_id, WINDOW))
        self.cache.set_preferences(USER, PREFERENCES)

    def refill(self, thread_id: str, exchanges: list[Exchange], *, is_all: bool = False) -> None:
        """Replace a thread's list by these exchanges."""
        refill(self.cache, thread_id, Window(exchanges, is_all=is_all))

    def invoke(self, event: Event) -> Event:
        """Invoke the agent function with an event. The function's queue responds immediately."""
        if self._handle is None:
            with patch("shared.stores.sqs.client.sqs_client", InstantSqsClient):
                # Imported here, because the module reads the environment that this run has just set.
                self._handle = importlib.import_module("functions.agent.handler").handler
        return self._handle(event, LambdaContext())


def rest_event(path: str, body: dict[str, Any]) -> Event:
    """Return a REST API's event of a POST request."""
    headers = {"Accept": "*/*", "Content-Type": "application/json", "Host": "api.example.com", "User-Agent": "bench"}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path[1:]},
        "requestContext": {"requestId": "bench", "stage": "prod", "path": f"/prod{path}"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
