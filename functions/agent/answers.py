"""What the API answers, as pydantic models: for its description only, the answers themselves are made as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class MemoryReport(BaseModel):
    """Which layers served and took a turn."""

    source: Literal["redis", "postgres", "none"]
    degraded: list[str]
    durability: Literal["queue", "postgres", "redis", "none"]
    cached: bool


class RunAnswer(BaseModel):
    """`POST /run`."""

    response: str
    thread_id: str | None
    exchange_id: str | None
    memory: MemoryReport


class MessageAnswer(BaseModel):
    """A message."""

    role: str
    content: str
    exchange_id: str | None
    created_at: str | None


class InvokingAnswer(BaseModel):
    """`POST /invoking`."""

    context: str
    messages: list[MessageAnswer]
    preferences: dict[str, str]
    source: Literal["redis", "postgres", "none"]
    degraded: list[str]


class InvokedAnswer(BaseModel):
    """`POST /invoked`."""

    exchange_id: str | None
    durability: Literal["queue", "postgres", "redis", "none"]
    cached: bool


class ThreadItem(BaseModel):
    """A thread in a list."""

    thread_id: str
    user_id: str | None
    title: str | None
    created_at: str
    updated_at: str
    message_count: int


class ThreadAnswer(ThreadItem):
    """A thread with its documents."""

    document_ids: list[str]


class ThreadsAnswer(BaseModel):
    """A page of threads."""

    items: list[ThreadItem]
    next_cursor: str | None


class MessagesAnswer(BaseModel):
    """A page of messages; `degraded` names layers whose messages may be missing."""

    items: list[MessageAnswer]
    next_cursor: str | None
    degraded: list[str]


class HealthAnswer(BaseModel):
    """Every layer's state."""

    status: Literal["ok", "degraded"]
    redis: Literal["ok", "unavailable"]
    postgres: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]


class FieldError(BaseModel):
    """A faulty field, and where it stands: `body`, `query`, `path` or `header`."""

    field: str
    place: Literal["body", "query", "path", "header"] = Field(alias="in")
    detail: str


class ProblemAnswer(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []
