"""The responses of the inspection as pydantic models, for the OpenAPI description, and the models that they share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class FieldError(BaseModel):
    """An invalid field of a request. `in` is the part of the request that contains the field."""

    field: str
    location: Literal["body", "query", "path", "header"] = Field(alias="in")
    detail: str


class ProblemAnswer(BaseModel):
    """An error response (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []


class ThreadItem(BaseModel):
    """A thread in a list."""

    thread_id: str
    user_id: str | None
    title: str | None
    created_at: str
    updated_at: str
    message_count: int


class ThreadsAnswer(BaseModel):
    """A page of threads."""

    items: list[ThreadItem]
    next_cursor: str | None


class ListedAnswer(BaseModel):
    """A message in a thread's list in Redis. `preview` is the beginning of its text."""

    role: str
    preview: str
    exchange_id: str | None
    created_at: str | None
    is_drained: bool | None


class StoredAnswer(BaseModel):
    """A message in PostgreSQL. `preview` is the beginning of its text.

    `accepted_at` is the time of the first acceptance, which a replacement does not change. `stored_at` is the time at
    which PostgreSQL stored this revision, by its own clock; null if an earlier release stored it.
    """

    role: str
    preview: str
    exchange_id: str | None
    created_at: str | None
    revision: int
    accepted_at: str | None
    stored_at: str | None


class ListLayerAnswer(BaseModel):
    """A thread in Redis: its newest messages, oldest first."""

    state: Literal["ok", "unavailable"]
    message_count: int
    ttl_seconds: float | None
    messages: list[ListedAnswer]


class RowsLayerAnswer(BaseModel):
    """A thread in PostgreSQL: its newest messages, oldest first."""

    state: Literal["ok", "unavailable"]
    message_count: int
    messages: list[StoredAnswer]


class LayersAnswer(BaseModel):
    """Response of `GET /threads/{thread_id}/layers`. Redis has the newest `window` exchanges, PostgreSQL all."""

    thread_id: str
    redis: ListLayerAnswer
    postgres: RowsLayerAnswer
    window: int
    undrained: int
    lag_seconds: float | None
    as_of: str


class WaitingAnswer(BaseModel):
    """The numbers of messages in a queue or in the outbox."""

    visible: int
    in_flight: int
    delayed: int
    oldest_age_seconds: float | None


class StatusAnswer(BaseModel):
    """Response of `GET /status`. Null means unknown."""

    queue: WaitingAnswer | None
    dlq: WaitingAnswer | None
    outbox: WaitingAnswer | None
    sync_lag_seconds: float | None
    learn_lag_seconds: float | None
    degraded: list[str]
    as_of: str


class StoreAnswer(BaseModel):
    """A store. `responded_at` is when it last accepted a write from this process; null if it has not yet."""

    state: Literal["ok", "unavailable"]
    responded_at: str | None


class StoresAnswer(BaseModel):
    """The stores."""

    redis: StoreAnswer
    postgres: StoreAnswer
    queue: StoreAnswer


class MemoriesVersion(BaseModel):
    """The version of a user's current memories. It changes with them."""

    version: str


class OverviewAnswer(BaseModel):
    """Response of `GET /overview`. A part that the query does not include is absent.

    A part that could not be read is in `problems`, by its name, and is otherwise absent.
    """

    stores: StoresAnswer | None = None
    thread: LayersAnswer | None = None
    backlog: StatusAnswer | None = None
    threads: ThreadsAnswer | None = None
    preferences: dict[str, str] | None = None
    memories: MemoriesVersion | None = None
    problems: dict[str, ProblemAnswer]
    as_of: str
