"""Waits until every exchange is drained."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import redis
from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.targets import lambda_client, sqs_client

DRAIN_TIMEOUT_SECONDS: Final = 180.0
_EMPTY_READS: Final = 3
_PAUSE_SECONDS: Final = 0.5
_SWEEP_PAUSE_SECONDS: Final = 3.0
_COUNT_ATTRIBUTES: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The numbers of undrained exchanges in the queue and in the outbox, and of caches that still miss a change."""

    queued: int
    outbox: int
    invalidations: int

    @property
    def is_empty(self) -> bool:
        """Return whether everything is drained."""
        return not (self.queued or self.outbox or self.invalidations)


def read_backlog(info: dict[str, Any]) -> Backlog:
    """Count the undrained exchanges.

    Raises:
        ConnectionError: A store does not respond.
    """
    try:
        sqs = sqs_client(info)
        attributes: Any = list(_COUNT_ATTRIBUTES)
        counts = sqs.get_queue_attributes(QueueUrl=info["queue_url"], AttributeNames=attributes)["Attributes"]
        sqs.close()
        with redis.Redis.from_url(info["redis_url"], socket_timeout=5) as client:
            outbox: Any = client.llen("outbox:exchanges")
        with psycopg.connect(info["database_url"], connect_timeout=5) as connection:
            row = connection.execute("select count(*) from cache_repairs").fetchone()
    except (BotoCoreError, ClientError, redis.RedisError, psycopg.Error) as error:
        raise ConnectionError(str(error)) from error
    return Backlog(sum(int(counts[name]) for name in _COUNT_ATTRIBUTES), outbox, int(row[0]) if row else 0)


def sweep(info: dict[str, Any]) -> None:
    """Invoke the sweep. A failure is ignored, because the caller invokes it again."""
    lambdas = lambda_client(info)
    with suppress(BotoCoreError, ClientError):
        lambdas.invoke(FunctionName=info["sync_function"], Payload=b"{}")
    lambdas.close()


def wait_until_drained(info: dict[str, Any], *, invokes_sweep: bool) -> tuple[float, Backlog | None]:
    """Wait until everything is drained, or until a timeout. Return the elapsed seconds and the last counts.

    With `invokes_sweep`, invoke the sweep repeatedly. Otherwise only the schedule runs it.
    """
    began = swept_at = time.monotonic()
    empty_reads, backlog = 0, None
    while empty_reads < _EMPTY_READS and time.monotonic() - began < DRAIN_TIMEOUT_SECONDS:
        if invokes_sweep and time.monotonic() - swept_at > _SWEEP_PAUSE_SECONDS:
            sweep(info)
            swept_at = time.monotonic()
        try:
            backlog = read_backlog(info)
        except ConnectionError:
            empty_reads = 0
        else:
            empty_reads = empty_reads + 1 if backlog.is_empty else 0
        time.sleep(_PAUSE_SECONDS)
    return time.monotonic() - began, backlog
