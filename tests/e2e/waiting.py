"""A test waits for asynchronous effects by polling with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import psycopg
import redis
from botocore.exceptions import BotoCoreError, ClientError

_T = TypeVar("_T")
_NOT_YET = (AssertionError, OSError, httpx.HTTPError, psycopg.Error, redis.RedisError, BotoCoreError, ClientError)


def eventually(look: Callable[[], _T | None], seconds: float = 30) -> _T:
    """Return the first true result of `look`. An error of a store, or of an assertion, counts as a false result.

    Raises:
        AssertionError: The deadline has passed; the message has the last result.
    """
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            seen = look()
        except _NOT_YET as error:
            last = error
        else:
            if seen:
                return seen
            last = seen
        if time.monotonic() > deadline:
            raise AssertionError(f"It did not come about within {seconds:g} s; seen last: {last!r}")
        time.sleep(0.03)
