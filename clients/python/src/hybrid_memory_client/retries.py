"""Decides whether and when a call is retried. This module does no I/O, so both clients use it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

from hybrid_memory_client.errors import ApiError, Conflict, MemoryClientError, TooManyRequests, Unavailable


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of attempts and the delays between them.

    Delays are partly random, so that many clients do not retry at the same moment.

    Attributes:
        attempts: Attempts of one call, including the first; 1 turns retries off.
        first_delay: Maximum seconds before the second attempt; doubled before each further attempt.
        most_delay: Maximum delay that the client chooses.
        most_seconds: Maximum seconds between the starts of the first and the last attempt. Together with the timeout,
            this limits the duration of a call. It also limits the wait for a run that another request started (409);
            such waits do not count as attempts.
        methods: The HTTP methods that are retried; None for all, because a retry never repeats an effect. A search
            counts as GET, because it changes nothing.
    """

    attempts: int = 4
    first_delay: float = 0.25
    most_delay: float = 8.0
    most_seconds: float = 60.0
    methods: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_delay, self.most_delay, self.most_seconds) < 0:
            raise ValueError("a call needs at least one attempt, and a delay must not be negative")
        if any(math.isnan(delay) for delay in (self.first_delay, self.most_delay, self.most_seconds)):
            raise ValueError("a delay must be a number of seconds")
        if self.methods is not None and not all(method.isupper() for method in self.methods):
            raise ValueError("HTTP methods must be in capitals, such as GET")

    def attempts_of(self, method: str) -> int:
        """Return the number of attempts for an HTTP method."""
        return self.attempts if self.methods is None or method in self.methods else 1


@dataclass(slots=True)
class Retries:
    """The attempts of one call.

    Attributes:
        method: The HTTP method of the call.
        waits_for_first: Whether a 409 means that the same call is still running elsewhere.
        failed: Number of failed attempts.
    """

    policy: RetryPolicy
    method: str = "GET"
    waits_for_first: bool = False
    failed: int = 0
    clock: Callable[[], float] = time.monotonic
    _started_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.clock()

    def delay(self, error: MemoryClientError) -> float | None:
        """Return the seconds to wait before the next attempt; None if there is no further attempt."""
        is_still_running = self.waits_for_first and isinstance(error, Conflict)
        if not is_still_running:
            if isinstance(error, ApiError) and not isinstance(error, (Unavailable, TooManyRequests)):
                return None
            self.failed += 1
            if self.failed >= self.policy.attempts_of(self.method):
                return None
        requested_delay = error.retry_after if isinstance(error, ApiError) else None
        seconds = self._backoff_delay() if requested_delay is None else requested_delay
        return seconds if self.clock() - self._started_at + seconds <= self.policy.most_seconds else None

    def _backoff_delay(self) -> float:
        max_delay = min(self.policy.most_delay, self.policy.first_delay * 2.0 ** max(0, self.failed - 1))
        return max_delay * random.uniform(0.5, 1)  # noqa: S311 - spreads clients' retries; not for security


_MAX_SECONDS: Final = 86_400.0


def retry_after(header: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, a number or a date; None if it is neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    # NaN does not equal itself.
    return min(max(0.0, seconds), _MAX_SECONDS) if seconds == seconds else None  # noqa: PLR0124
