"""The depths of the queues and the outbox, and the sync lag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli import connect
from cli.command import format_store_error
from cli.deployment import Deployment
from cli.times import iso_time
from shared.errors import StoreUnavailable


@dataclass(slots=True)
class Status:
    """The state of the queues and stores. A value is None if it is unknown.

    Attributes:
        answers: The values, by their field's name in the JSON output.
        unreachable: The layers that did not respond.
        errors: A message for each layer that did not respond.
        skipped: A message for each layer that may belong to another deployment.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    unreachable: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def accepted_minus_stored(self) -> float | None:
        """Newest accepted minus newest stored, in seconds; None if either is unknown."""
        accepted, stored = self.time("newest_accepted"), self.time("newest_stored")
        return max(0.0, (accepted - stored).total_seconds()) if accepted and stored else None

    @property
    def is_anything_waiting(self) -> bool | None:
        """Whether the queue or the outbox has messages; None if one of them is unknown and the other is empty."""
        depths = [answer["depth"] if answer else None for answer in (self.answers["queue"], self.answers["outbox"])]
        return True if any(depths) else None if None in depths else False

    @property
    def oldest_waiting_seconds(self) -> float | None:
        """The age of the oldest waiting message; None if nothing waits or the age is unknown."""
        answers = self.answers["queue"], self.answers["outbox"]
        if None in answers:
            return None
        ages = [answer["oldest_age_seconds"] for answer in answers if answer["depth"]]
        return None if None in ages else max(ages, default=None)

    @property
    def lag_seconds(self) -> float | None:
        """The sync lag in seconds; None if it is unknown.

        It is the age of the oldest waiting exchange. If no exchange waits, it is newest accepted minus newest stored.
        This difference would mislead while exchanges wait. It is zero if old exchanges are stuck and the newest ones
        are drained. And it is an hour for the first exchange after an hour without exchanges.
        """
        if self.is_anything_waiting is None:
            return None
        return self.oldest_waiting_seconds if self.is_anything_waiting else self.accepted_minus_stored

    def time(self, name: str) -> datetime | None:
        """Return the time in an answer."""
        answer = self.answers[name]
        return datetime.fromisoformat(answer["created_at"]) if answer and answer["created_at"] else None

    def to_json(self) -> dict[str, Any]:
        """Return all values for the JSON output."""
        return {
            **self.answers,
            "sync_lag_seconds": _rounded(self.lag_seconds),
            "accepted_minus_stored_seconds": _rounded(self.accepted_minus_stored),
            "oldest_waiting_seconds": _rounded(self.oldest_waiting_seconds),
            "unreachable": self.unreachable,
            "skipped": self.skipped,
        }


class StatusReader:
    """Reads the state of all layers, repeatedly, over the same connections.

    Raises:
        SettingsError: The URL of the exchange queue is unknown. All other addresses are optional.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._queue = connect.queue(deployment, "queue_url")
        self._skipped: list[str] = []
        self._dlq = connect.queue(deployment, "dlq_url") if self._belongs_to_queue("dlq_url") else None
        is_redis_included = self._belongs_to_queue("redis_url")
        self._redis = connect.redis_scan(deployment) if is_redis_included else None
        self._outbox = connect.redis_inspector(deployment) if is_redis_included else None
        self._postgres = connect.postgres_verify(deployment) if self._belongs_to_queue("database_url") else None

    def read(self) -> Status:
        """Read every known layer."""
        status = Status(skipped=self._skipped)
        # An exchange moves from the outbox or the queue to PostgreSQL. The layers are read in this order, so that an
        # exchange that moves during the reading is not missed and does not count as lag.
        self._read_layer(status, ("outbox", "newest_accepted"), self._read_accepted)
        self._read_layer(status, ("queue",), lambda: [_read_depth(self._queue)])
        self._read_layer(status, ("dlq",), lambda: [_read_depth(self._dlq)] if self._dlq else None)
        self._read_layer(status, ("newest_stored",), self._read_stored)
        return status

    def _belongs_to_queue(self, name: str) -> bool:
        """Return whether a layer's address is known and belongs to the exchange queue's deployment.

        If it may belong to another deployment, add a message to `skipped`.
        """
        if not self._deployment.has_address(name):
            return False
        if self._deployment.same_deployment(name, "queue_url"):
            return True
        source, queues = self._deployment.source_of(name), self._deployment.source_of("queue_url")
        self._skipped.append(
            f"{name} (from {source}) is skipped: it may belong to another deployment than queue_url (from {queues})."
        )
        return False

    def _read_layer(self, status: Status, names: tuple[str, ...], read: Callable[[], list[Any] | None]) -> None:
        try:
            answers = read()
        except StoreUnavailable as error:
            answers = None
            if error.layer not in status.unreachable:
                status.unreachable.append(error.layer)
            status.errors.append(format_store_error(error, self._deployment))
        status.answers.update(zip(names, answers or [None] * len(names), strict=True))

    def _read_accepted(self) -> list[Any] | None:
        if self._redis is None or self._outbox is None:
            return None
        accepted, as_of = self._redis.newest_accepted(), iso_time(datetime.now(UTC))
        newest = {"created_at": _iso_microseconds(accepted.newest), "is_partial": accepted.is_partial, "as_of": as_of}
        waiting, now = self._outbox.outbox(), datetime.now(UTC)
        age = None if waiting.oldest is None else max(0.0, (now - waiting.oldest).total_seconds())
        return [{"depth": waiting.total, "oldest_age_seconds": _rounded(age), "as_of": iso_time(now)}, newest]

    def _read_stored(self) -> list[Any] | None:
        if self._postgres is None:
            return None
        return [{"created_at": _iso_microseconds(self._postgres.newest()), "as_of": iso_time(datetime.now(UTC))}]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _iso_microseconds(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _read_depth(queue: Any) -> dict[str, Any]:
    depth, as_of = queue.depth(), iso_time(datetime.now(UTC))
    oldest = connect.oldest_age(queue, depth)
    return {
        "depth": depth.total,
        "visible": depth.visible,
        "in_flight": depth.in_flight,
        "delayed": depth.delayed,
        "oldest_age_seconds": round(oldest[0], 1) if oldest else None,
        "oldest_as_of": iso_time(oldest[1]) if oldest else None,
        "as_of": as_of,
    }
