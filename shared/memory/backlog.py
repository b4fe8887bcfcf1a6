"""Checks whether an accepted exchange may still be undrained."""

from __future__ import annotations

import math
import time
from typing import Final

from shared.errors import StoreUnavailable
from shared.redelivery import MAX_DRAIN_AGE
from shared.stores.archive import Archive
from shared.stores.queue import ExchangeQueue

MAX_WAIT_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.05


def must_be_drained(age: float, uptime: float) -> bool:
    """Return whether an exchange that was accepted `age` seconds ago must be drained by now.

    `uptime` says for how many seconds PostgreSQL and the sweep have been up.
    """
    return age >= MAX_DRAIN_AGE and uptime > MAX_DRAIN_AGE


def is_drained(queue: ExchangeQueue) -> bool:
    """Wait up to `MAX_WAIT_SECONDS` until the queue is empty, and return whether it is.

    Raises:
        StoreUnavailable: SQS did not respond.
    """
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while queue.depth() > 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class Backlog:
    """The accepted exchanges that PostgreSQL does not have yet."""

    def __init__(self, queue: ExchangeQueue, archive: Archive) -> None:
        self._queue = queue
        self._archive = archive

    def is_stored(self, age: float = math.inf) -> bool:
        """Return whether all exchanges accepted `age` seconds ago or earlier are stored.

        They are stored if the queue is empty. They are also stored if `age` and the uptime of PostgreSQL and the sweep
        are longer than a message can wait for the drain.
        """
        try:
            is_old_enough = age >= MAX_DRAIN_AGE and must_be_drained(age, self._archive.uptime_seconds())
            return is_old_enough or is_drained(self._queue)
        except StoreUnavailable:
            return False
