"""Waits for asynchronous effects by polling with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import psycopg
import redis
from botocore.exceptions import BotoCoreError, ClientError

_T = TypeVar("_T")
_RETRIED_ERRORS = (
    AssertionError,
    OSError,
    httpx.HTTPError,
    psycopg.Error,
    redis.RedisError,
    BotoCoreError,
    ClientError,
)


def eventually(read: Callable[[], _T | None], seconds: float = 30) -> _T:
    """Return the first true result of `read`. An error of a store, or of an assertion, counts as a false result.

    Raises:
        AssertionError: The deadline has passed; the message has the last result.
    """
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            result = read()
        except _RETRIED_ERRORS as error:
            last = error
        else:
            if result:
                return result
            last = result
        if time.monotonic() > deadline:
            raise AssertionError(f"There was no true result within {seconds:g} s; the last result was {last!r}")
        time.sleep(0.03)
