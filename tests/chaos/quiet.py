"""Waits until every exchange is drained."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import redis
from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.targets import functions_of, sqs_of

QUIET_SECONDS: Final = 180.0
_LOOKS: Final = 3
_PAUSE_SECONDS: Final = 0.5
_SWEEP_PAUSE_SECONDS: Final = 3.0
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True, slots=True)
class BacklogStatus:
    """The numbers of undrained exchanges, by place."""

    queued: int
    outbox: int
    invalidations: int

    @property
    def is_nothing(self) -> bool:
        """Return whether everything is drained."""
        return not (self.queued or self.outbox or self.invalidations)


def look(info: dict[str, Any]) -> BacklogStatus:
    """Count the undrained exchanges.

    Raises:
        ConnectionError: A store does not respond.
    """
    try:
        sqs = sqs_of(info)
        names: Any = list(_COUNTS)
        counts = sqs.get_queue_attributes(QueueUrl=info["queue_url"], AttributeNames=names)["Attributes"]
        sqs.close()
        with redis.Redis.from_url(info["redis_url"], socket_timeout=5) as client:
            outbox: Any = client.llen("outbox:exchanges")
        with psycopg.connect(info["database_url"], connect_timeout=5) as connection:
            row = connection.execute("select count(*) from cache_repairs").fetchone()
    except (BotoCoreError, ClientError, redis.RedisError, psycopg.Error) as error:
        raise ConnectionError(str(error)) from error
    return BacklogStatus(sum(int(counts[name]) for name in names), outbox, int(row[0]) if row else 0)


def _sweep(info: dict[str, Any]) -> None:
    functions = functions_of(info)
    with suppress(BotoCoreError, ClientError):
        functions.invoke(FunctionName=info["sync_function"], Payload=b"{}")
    functions.close()


def wait(info: dict[str, Any], *, hastens: bool) -> tuple[float, BacklogStatus | None]:
    """Wait until everything is drained, or until a timeout. Return the seconds and the last counts, if there are any.

    With `hastens` the sweep is invoked repeatedly, not only once a minute.
    """
    began = swept = time.monotonic()
    calm, seen = 0, None
    while calm < _LOOKS and time.monotonic() - began < QUIET_SECONDS:
        if hastens and time.monotonic() - swept > _SWEEP_PAUSE_SECONDS:
            _sweep(info)
            swept = time.monotonic()
        try:
            seen = look(info)
        except ConnectionError:
            calm = 0
        else:
            calm = calm + 1 if seen.is_nothing else 0
        time.sleep(_PAUSE_SECONDS)
    return time.monotonic() - began, seen
