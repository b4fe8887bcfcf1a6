"""The delays after which SQS redelivers messages to the drain, and the limits that follow from these delays."""

from __future__ import annotations

from typing import Final

_FIRST_BACKOFF: Final = 2
_MAX_BACKOFF: Final = 60
# SQS moves a message to the dead-letter queue after a thousand receives. The queue's retention is four days. To need
# fewer than a thousand receives in four days, the drain retries less often after 240 receives.
_LONG_OUTAGE_RECEIVES: Final = 240
_LONG_BACKOFF: Final = 600
# The lowest random factor of a delay. With random delays, batches that failed at the same time are redelivered at
# different times.
MIN_JITTER: Final = 0.8
# The queue's visibility timeout. SQS redelivers a batch after this time if the drain's process ends.
VISIBILITY_TIMEOUT: Final = 90

# If all stores have been up for this many seconds, every exchange that was accepted before that time is drained. A
# message waits for its delay, and then for the visibility timeout if the drain's process ends.
MAX_DRAIN_AGE: Final = _MAX_BACKOFF + VISIBILITY_TIMEOUT
# A message that has waited for less than this many seconds has the short delay, because 240 receives take at least
# 11,300 s. The rest is for the receives of an operator's commands.
SHORT_OUTAGE_SECONDS: Final = 10_800
# How much longer the drain may take after a longer outage. `MAX_DRAIN_AGE` does not include this time, because Redis
# loses its data more often than PostgreSQL has such an outage.
LONG_OUTAGE_DELAY: Final = _LONG_BACKOFF - _MAX_BACKOFF


def backoff(receives: int) -> int:
    """Return the maximum delay in seconds before the next delivery of a message, by its number of receives."""
    if receives > _LONG_OUTAGE_RECEIVES:
        return _LONG_BACKOFF
    return min(_MAX_BACKOFF, _FIRST_BACKOFF << min(10, max(0, receives - 1)))
