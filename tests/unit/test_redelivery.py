"""The delays of messages, the drain's limits in the template, and the uptime that proves that messages are drained."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from shared.memory.backlog import must_be_drained
from shared.redelivery import (
    LONG_OUTAGE_DELAY,
    MAX_DRAIN_AGE,
    MIN_JITTER,
    SHORT_OUTAGE_SECONDS,
    VISIBILITY_TIMEOUT,
    backoff,
)
from shared.stores.archive import TOMBSTONE_SECONDS
from shared.stores.idempotency import LEASE_SECONDS
from shared.stores.redis import lists
from shared.testing.heartbeats import Heartbeats

# SQS's maximum of `maxReceiveCount`.
_MAX_RECEIVES: Final = 1_000
_HOUR: Final = 3_600
_MINUTE: Final = 60
# The sweep's schedule.
_HEARTBEAT_SECONDS: Final = 60
# The interval of the accepted exchanges.
_EXCHANGE_SECONDS: Final = 40
_STEP_SECONDS: Final = 5


@dataclass(slots=True)
class _Message:
    """A message of the queue. Each delay is shortened at random."""

    accepted_at: int
    due_at: float
    receives: int = 0

    def fail(self, now: int, delays: random.Random) -> None:
        """Wait for the next delivery."""
        self.receives += 1
        self.due_at = now + backoff(self.receives) * delays.uniform(MIN_JITTER, 1)


def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = yaml_parse(Path("template.yaml").read_text(encoding="utf-8"))["Resources"]
    return resources


def test_messages_expire_before_their_last_receive() -> None:
    """A message expires before it uses up the template's maximum number of receives."""
    queue = _resources()["ExchangeQueue"]["Properties"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == _MAX_RECEIVES
    seconds = sum(MIN_JITTER * backoff(receives) for receives in range(1, _MAX_RECEIVES))
    assert seconds > queue["MessageRetentionPeriod"]
    dead_letters = _resources()["ExchangeDeadLetterQueue"]["Properties"]
    assert dead_letters["MessageRetentionPeriod"] > queue["MessageRetentionPeriod"]


def test_the_visibility_timeout_is_the_templates() -> None:
    """The time after which an exchange must be drained includes the queue's visibility timeout."""
    assert _resources()["ExchangeQueue"]["Properties"]["VisibilityTimeout"] == VISIBILITY_TIMEOUT


def test_records_of_queued_exchanges_outlive_the_templates_queues() -> None:
    """Redis and PostgreSQL store a record of a queued or deleted exchange for as long as a queue may deliver it."""
    queue, dead_letters = (
        int(_resources()[name]["Properties"]["MessageRetentionPeriod"])
        for name in ("ExchangeQueue", "ExchangeDeadLetterQueue")
    )
    assert queue <= lists._UNDRAINED_SECONDS
    assert queue <= lists._TOMBSTONE_SECONDS
    assert queue + dead_letters <= lists._DELETED_SECONDS
    assert queue + dead_letters <= TOMBSTONE_SECONDS


def test_limits_of_a_run_outlive_the_templates_functions() -> None:
    """A lease ends after the agent function's timeout, and SQS redelivers a batch after the sync function's timeout."""
    functions = [_resources()[name]["Properties"]["Timeout"] for name in ("AgentFunction", "SyncFunction")]
    assert functions[0] < LEASE_SECONDS
    # AWS recommends six times the function's timeout.
    assert 6 * functions[1] <= VISIBILITY_TIMEOUT


@pytest.mark.parametrize("extra_receives", [0, 5])
def test_the_longest_delays_end_before_a_message_counts_as_drained(extra_receives: int) -> None:
    """The limits hold for the shortest random delays, and if an operator's commands receive the message, too."""
    seconds, receives = 0.0, extra_receives
    while seconds < SHORT_OUTAGE_SECONDS:
        receives += 1
        seconds += MIN_JITTER * backoff(receives)
    assert backoff(receives) + VISIBILITY_TIMEOUT <= MAX_DRAIN_AGE
    assert backoff(_MAX_RECEIVES) + VISIBILITY_TIMEOUT <= MAX_DRAIN_AGE + LONG_OUTAGE_DELAY


def _wrong_claims(periods: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Simulate outages, and return the ages of undrained exchanges that count as drained.

    Args:
        periods: The seconds that PostgreSQL is down, and then up, in turn.
    """
    delays = random.Random(7)  # noqa: S311 - reproducible, not for security
    heartbeats, messages = Heartbeats(), list[_Message]()
    steps = (
        is_up for down, up in periods for is_up in [False] * (down // _STEP_SECONDS) + [True] * (up // _STEP_SECONDS)
    )
    for step, is_up in enumerate(steps):
        now = step * _STEP_SECONDS
        if now % _EXCHANGE_SECONDS == 0:
            messages.append(_Message(now, now))
        due = [message for message in messages if message.due_at <= now]
        if not is_up:
            for message in due:
                message.fail(now, delays)
            continue
        messages = [message for message in messages if message.due_at > now]
        if now % _HEARTBEAT_SECONDS == 0:
            heartbeats.beat(now)
        ages = [now - message.accepted_at for message in messages]
        yield from (age for age in ages if must_be_drained(age, heartbeats.uptime(now)))


@pytest.mark.parametrize(
    "periods",
    [
        pytest.param([(5 * _HOUR, 20 * _MINUTE)], id="the first heartbeat after a long outage"),
        pytest.param([(0, 30 * _MINUTE), (5 * _HOUR, 20 * _MINUTE)], id="a long outage"),
        pytest.param([(0, 30 * _MINUTE), (13_600, 20 * _MINUTE)], id="the shortest outage with a long delay"),
        pytest.param(
            [(0, 30 * _MINUTE), (5 * _HOUR, 2 * _MINUTE), (3 * _MINUTE, 20 * _MINUTE)],
            id="a short outage soon after a long one",
        ),
        pytest.param(
            [(0, 30 * _MINUTE), *[(80 * _MINUTE, 40)] * 4, (3 * _MINUTE, 20 * _MINUTE)],
            id="outages that together are long",
        ),
        pytest.param([(0, 30 * _MINUTE), *[(2 * _HOUR, 5 * _MINUTE)] * 4], id="outages that end with a drain"),
    ],
)
def test_no_undrained_exchange_counts_as_drained(periods: Sequence[tuple[int, int]]) -> None:
    """While PostgreSQL is up, an exchange that counts as drained is drained, whatever outages there were before."""
    assert not list(_wrong_claims(periods))
