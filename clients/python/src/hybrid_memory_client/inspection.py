"""The responses of the routes that show the state of the layers, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from hybrid_memory_client._json import Json, to_time, to_uuid
from hybrid_memory_client.models import Thread

LayerState = Literal["ok", "unavailable"]


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """A message in Redis' list; `preview` is the beginning of its text.

    Attributes:
        is_drained: Whether PostgreSQL has the message; None if that is unknown.
    """

    role: str
    preview: str
    exchange_id: UUID | None
    created_at: datetime | None
    is_drained: bool | None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        moment = to_time(body["created_at"])
        return cls(body["role"], body["preview"], to_uuid(body["exchange_id"]), moment, body["is_drained"])


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A row in PostgreSQL; `preview` is the beginning of its text.

    Attributes:
        revision: How often the exchange's texts were replaced.
        accepted_at: When the exchange was first accepted; None from a server of an earlier release.
        stored_at: When PostgreSQL stored this revision, by its clock; None if an earlier release stored it.
    """

    role: str
    preview: str
    exchange_id: UUID | None
    created_at: datetime | None
    revision: int = 0
    accepted_at: datetime | None = None
    stored_at: datetime | None = None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            role=body["role"],
            preview=body["preview"],
            exchange_id=to_uuid(body["exchange_id"]),
            created_at=to_time(body["created_at"]),
            revision=body.get("revision", 0),
            accepted_at=to_time(body.get("accepted_at")),
            stored_at=to_time(body.get("stored_at")),
        )


@dataclass(frozen=True, slots=True)
class ListLayer:
    """The newest entries of a thread's list in Redis, oldest first."""

    state: LayerState
    message_count: int
    ttl_seconds: float | None
    messages: tuple[ListedMessage, ...]

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        messages = tuple(ListedMessage.from_json(each) for each in body["messages"])
        return cls(body["state"], body["message_count"], body["ttl_seconds"], messages)


@dataclass(frozen=True, slots=True)
class RowsLayer:
    """The newest rows of a thread in PostgreSQL, oldest first."""

    state: LayerState
    message_count: int
    messages: tuple[StoredMessage, ...]

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        messages = tuple(StoredMessage.from_json(each) for each in body["messages"])
        return cls(body["state"], body["message_count"], messages)


@dataclass(frozen=True, slots=True)
class Layers:
    """A thread's messages in each layer.

    Attributes:
        undrained: Number of exchanges that PostgreSQL does not have yet.
        lag_seconds: The age of the oldest undrained exchange; 0 if there is none, None if a layer did not respond.
        as_of: The time of this reading.
        window: The number of exchanges that Redis keeps; None from a server of an earlier release.
    """

    thread_id: str
    redis: ListLayer
    postgres: RowsLayer
    undrained: int
    lag_seconds: float | None
    as_of: datetime
    window: int | None = None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            thread_id=body["thread_id"],
            redis=ListLayer.from_json(body["redis"]),
            postgres=RowsLayer.from_json(body["postgres"]),
            undrained=body["undrained"],
            lag_seconds=body["lag_seconds"],
            as_of=datetime.fromisoformat(body["as_of"]),
            window=body.get("window"),
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """The number of messages in a queue or the outbox."""

    visible: int
    in_flight: int
    delayed: int
    oldest_age_seconds: float | None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(body["visible"], body["in_flight"], body["delayed"], body["oldest_age_seconds"])


@dataclass(frozen=True, slots=True)
class Status:
    """The depths of the queues and the outbox; None for a value that no layer reported."""

    queue: Waiting | None
    dlq: Waiting | None
    outbox: Waiting | None
    sync_lag_seconds: float | None
    degraded: tuple[str, ...]
    as_of: datetime
    learn_lag_seconds: float | None = None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        waiting = {name: Waiting.from_json(body[name]) if body[name] else None for name in ("queue", "dlq", "outbox")}
        return cls(
            waiting["queue"],
            waiting["dlq"],
            waiting["outbox"],
            sync_lag_seconds=body["sync_lag_seconds"],
            degraded=tuple(body["degraded"]),
            as_of=datetime.fromisoformat(body["as_of"]),
            # Missing in the answers of an earlier release.
            learn_lag_seconds=body.get("learn_lag_seconds"),
        )


@dataclass(frozen=True, slots=True)
class Store:
    """A store.

    Attributes:
        responded_at: When it last accepted a write from the process that answered; None if it has not yet.
    """

    state: LayerState
    responded_at: datetime | None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(body["state"], to_time(body["responded_at"]))


@dataclass(frozen=True, slots=True)
class Overview:
    """The parts that a page watches. A part is None if it was not requested, or if `problems` has it.

    Attributes:
        threads: The user's newest threads.
        memories: The version of the user's memories, which changes with them.
        problems: The problem object of each part that could not be read.
        as_of: The time of this reading.
    """

    stores: dict[str, Store] | None
    thread: Layers | None
    backlog: Status | None
    threads: tuple[Thread, ...] | None
    preferences: dict[str, str] | None
    memories: str | None
    problems: dict[str, Json]
    as_of: datetime

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        stores = body.get("stores")
        return cls(
            stores=None if stores is None else {name: Store.from_json(each) for name, each in stores.items()},
            thread=Layers.from_json(body["thread"]) if "thread" in body else None,
            backlog=Status.from_json(body["backlog"]) if "backlog" in body else None,
            threads=tuple(map(Thread.from_json, body["threads"]["items"])) if "threads" in body else None,
            preferences=body.get("preferences"),
            memories=body["memories"]["version"] if "memories" in body else None,
            problems=dict(body["problems"]),
            as_of=datetime.fromisoformat(body["as_of"]),
        )
