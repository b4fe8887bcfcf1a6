"""The API's responses as pydantic models, for its description only. The responses themselves are built as JSON."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field


class MemoryReport(BaseModel):
    """The layers that served and stored a turn."""

    source: Literal["redis", "postgres", "none"]
    degraded: list[str]
    durability: Literal["queue", "postgres", "redis", "none"]
    cached: bool
    context_tokens: int
    omitted_exchanges: int


class RunAnswer(BaseModel):
    """`POST /run`."""

    response: str
    thread_id: str | None
    exchange_id: str | None
    memory: MemoryReport


class MessageAnswer(BaseModel):
    """A message. `metadata`, if any, is on the user's message; `revision` is present if it is not 0."""

    role: str
    content: str
    exchange_id: str | None
    created_at: str | None
    metadata: dict[str, Any] = {}
    revision: int = 0


class InvokingAnswer(BaseModel):
    """`POST /invoking`; of the first five fields, those that `include` names."""

    context: str = ""
    messages: list[MessageAnswer] = []
    preferences: dict[str, str] = {}
    memories: list[dict[str, Any]] = []
    related: list[dict[str, Any]] = []
    context_tokens: int
    omitted_exchanges: int
    source: Literal["redis", "postgres", "none"]
    degraded: list[str]


class InvokedAnswer(BaseModel):
    """`POST /invoked`; `degraded` is present if a layer did not respond."""

    exchange_id: str | None
    durability: Literal["queue", "postgres", "redis", "none"]
    cached: bool
    degraded: list[str] = []


class ThreadItem(BaseModel):
    """A thread in a list."""

    thread_id: str
    user_id: str | None
    title: str | None
    created_at: str
    updated_at: str
    message_count: int


class ThreadAnswer(ThreadItem):
    """A thread with its documents; `omitted_documents` is present if the response cannot hold all of them."""

    document_ids: list[str]
    omitted_documents: int = 0


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
    """The state of every layer."""

    status: Literal["ok", "degraded"]
    redis: Literal["ok", "unavailable"]
    postgres: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]


class FieldError(BaseModel):
    """An invalid field and its location: `body`, `query`, `path` or `header`."""

    field: str
    place: Literal["body", "query", "path", "header"] = Field(alias="in")
    detail: str


class ProblemAnswer(BaseModel):
    """A problem (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []


class ListedAnswer(BaseModel):
    """A message in Redis' list; `preview` is the beginning of its text."""

    role: str
    preview: str
    exchange_id: str | None
    created_at: str | None
    is_drained: bool | None


class StoredAnswer(BaseModel):
    """A row in PostgreSQL; `preview` is the beginning of its text."""

    role: str
    preview: str
    exchange_id: str | None
    created_at: str | None


class ListLayerAnswer(BaseModel):
    """The newest entries of a thread's list in Redis, oldest first."""

    state: Literal["ok", "unavailable"]
    message_count: int
    ttl_seconds: float | None
    messages: list[ListedAnswer]


class RowsLayerAnswer(BaseModel):
    """The newest rows of a thread in PostgreSQL, oldest first."""

    state: Literal["ok", "unavailable"]
    message_count: int
    messages: list[StoredAnswer]


class LayersAnswer(BaseModel):
    """`GET /threads/{thread_id}/layers`."""

    thread_id: str
    redis: ListLayerAnswer
    postgres: RowsLayerAnswer
    undrained: int
    lag_seconds: float | None
    as_of: str


class WaitingAnswer(BaseModel):
    """The number of messages in a queue or the outbox."""

    visible: int
    in_flight: int
    delayed: int
    oldest_age_seconds: float | None


class StatusAnswer(BaseModel):
    """`GET /status`; null means unknown."""

    queue: WaitingAnswer | None
    dlq: WaitingAnswer | None
    outbox: WaitingAnswer | None
    sync_lag_seconds: float | None
    degraded: list[str]
    as_of: str


# The model of each route's response, by the route's name.
ANSWERS: Final[dict[str, Any]] = {
    "run": RunAnswer,
    "invoking": InvokingAnswer,
    "invoked": InvokedAnswer,
    "list_threads": ThreadsAnswer,
    "read_messages": MessagesAnswer,
    "replace_exchange": InvokedAnswer,
    "read_thread": ThreadAnswer,
    "rename_thread": ThreadAnswer,
    "read_preferences": dict[str, str],
    "replace_preferences": dict[str, str],
    "merge_preferences": dict[str, str],
    "health": HealthAnswer,
    "read_layers": LayersAnswer,
    "read_status": StatusAnswer,
}
