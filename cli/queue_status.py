"""How far the drain is: what waits where, and how far L2 is behind what was accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from cli import connect
from cli.command import sentence
from cli.deployment import Deployment
from cli.output import moment
from shared.errors import StoreUnavailable

_Counted = Literal["queue_url", "dlq_url"]


@dataclass(slots=True)
class Status:
    """What the layers said, each when it was asked; None for what is not known.

    Attributes:
        answers: By the field's name in JSON.
        faults: A sentence for each layer that did not answer.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    unreachable: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def lag_seconds(self) -> float | None:
        """Newest accepted minus newest stored; None while either is unknown."""
        accepted, stored = self.time("newest_accepted"), self.time("newest_stored")
        return max(0.0, (accepted - stored).total_seconds()) if accepted and stored else None

    def time(self, name: str) -> datetime | None:
        """Return the time in an answer."""
        answer = self.answers[name]
        return datetime.fromisoformat(answer["created_at"]) if answer and answer["created_at"] else None

    def to_json(self) -> dict[str, Any]:
        """Return everything, for a program."""
        lag = self.lag_seconds
        return {
            **self.answers,
            "sync_lag_seconds": None if lag is None else round(lag, 3),
            "unreachable": self.unreachable,
        }


class StatusReader:
    """Asks the layers again and again over the same connections.

    Raises:
        SettingsError: Nobody says where the exchange queue is. The others may be missing.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._queue = connect.queue(deployment, "queue_url")
        self._dlq = connect.queue(deployment, "dlq_url") if deployment.is_named("dlq_url") else None
        self._redis = connect.redis(deployment) if deployment.is_named("redis_url") else None
        self._postgres = connect.postgres(deployment) if deployment.is_named("database_url") else None

    def read(self) -> Status:
        """Ask every layer that is known."""
        status = Status()
        self._ask(status, ("queue",), lambda: [_count(self._queue)])
        self._ask(status, ("dlq",), lambda: [_count(self._dlq)] if self._dlq else None)
        self._ask(status, ("outbox", "newest_accepted"), self._accepted)
        self._ask(status, ("newest_stored",), self._stored)
        return status

    def _ask(self, status: Status, names: tuple[str, ...], question: Callable[[], list[Any] | None]) -> None:
        try:
            answers = question()
        except StoreUnavailable as error:
            answers = None
            if error.layer not in status.unreachable:
                status.unreachable.append(error.layer)
            status.faults.append(sentence(error, self._deployment))
        status.answers.update(zip(names, answers or [None] * len(names), strict=True))

    def _accepted(self) -> list[Any] | None:
        if self._redis is None:
            return None
        found, as_of = self._redis.accepted(), moment(datetime.now(UTC))
        newest = {"created_at": _exact(found.newest), "is_partial": found.is_partial, "as_of": as_of}
        return [{"depth": found.outbox, "as_of": as_of}, newest]

    def _stored(self) -> list[Any] | None:
        if self._postgres is None:
            return None
        return [{"created_at": _exact(self._postgres.newest()), "as_of": moment(datetime.now(UTC))}]


def _exact(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _count(queue: Any) -> dict[str, Any]:
    depth, as_of = queue.depth(), moment(datetime.now(UTC))
    oldest = connect.oldest_age(queue, depth)
    return {
        "depth": depth.total,
        "visible": depth.visible,
        "in_flight": depth.in_flight,
        "delayed": depth.delayed,
        "oldest_age_seconds": round(oldest[0], 1) if oldest else None,
        "oldest_as_of": moment(oldest[1]) if oldest else None,
        "as_of": as_of,
    }
