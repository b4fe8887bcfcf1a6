"""The API's responses as pydantic models, for the OpenAPI description. The routes build their JSON without them."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel

from functions.agent.http.inspection_responses import (
    LayersAnswer,
    OverviewAnswer,
    StatusAnswer,
    ThreadItem,
    ThreadsAnswer,
)


class SelectionCounts(BaseModel):
    """The numbers of what the agent got."""

    messages: int
    preferences: int
    memories: int
    related: int


class SelectionOmitted(BaseModel):
    """The numbers of what the limits on the context left out."""

    exchanges: int
    preferences: int
    memories: int


class SelectionAnswer(BaseModel):
    """What the agent got. The parts after `omitted` are present only if the request's `include` names them.

    They are also absent if they do not fit into a response.
    """

    counts: SelectionCounts
    omitted: SelectionOmitted
    context: str = ""
    messages: list[MessageAnswer] = []
    preferences: dict[str, str] = {}
    memories: list[MemoryAnswer] = []
    related: list[dict[str, Any]] = []


class MemoryReport(BaseModel):
    """The layer that served a turn's memory (`source`), and the store that accepted its exchange (`durability`).

    `selection` is present only if the request has `include`, and not in the response to a repeated request.
    """

    source: Literal["redis", "postgres", "none"]
    degraded: list[str]
    durability: Literal["queue", "postgres", "redis", "none"]
    cached: bool
    context_tokens: int
    omitted_exchanges: int
    selection: SelectionAnswer | None = None


class RunAnswer(BaseModel):
    """Response of `POST /run`."""

    response: str
    thread_id: str | None
    exchange_id: str | None
    memory: MemoryReport


class MessageAnswer(BaseModel):
    """A message. Only a user's message can have `metadata`. `revision` is absent if it is 0."""

    role: str
    content: str
    exchange_id: str | None
    created_at: str | None
    metadata: dict[str, Any] = {}
    revision: int = 0


class InvokingAnswer(BaseModel):
    """Response of `POST /invoking`. The first five fields are present only if the request's `include` names them."""

    context: str = ""
    messages: list[MessageAnswer] = []
    preferences: dict[str, str] = {}
    memories: list[MemoryAnswer] = []
    related: list[dict[str, Any]] = []
    context_tokens: int
    omitted_exchanges: int
    source: Literal["redis", "postgres", "none"]
    degraded: list[str]


class InvokedAnswer(BaseModel):
    """Response of a route that stores an exchange. `degraded` is present only if a layer did not respond."""

    exchange_id: str | None
    durability: Literal["queue", "postgres", "redis", "none"]
    cached: bool
    degraded: list[str] = []


class ThreadAnswer(ThreadItem):
    """A thread with its documents. `omitted_documents` is present only if they do not all fit into the response."""

    document_ids: list[str]
    omitted_documents: int = 0


class MessagesAnswer(BaseModel):
    """A page of messages. Messages of the layers in `degraded` may be missing."""

    items: list[MessageAnswer]
    next_cursor: str | None
    degraded: list[str]


class SearchProgress(BaseModel):
    """The number of exchanges that are stored and not yet in the search index. It is counted up to 10,000."""

    unindexed: int


class HealthAnswer(BaseModel):
    """The health of each layer. `status` is `degraded` if a layer is unavailable.

    `search` is null if PostgreSQL does not respond. It does not change `status`.
    """

    status: Literal["ok", "degraded"]
    redis: Literal["ok", "unavailable"]
    postgres: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]
    search: SearchProgress | None


class HighlightAnswer(BaseModel):
    """A part of a message that matches the query: characters (Unicode code points) from `start` to before `end`."""

    field: Literal["user_message", "assistant_message"]
    start: int
    end: int


class EvidenceAnswer(BaseModel):
    """The words of an exchange that a memory is learned from, byte for byte."""

    thread_id: str
    exchange_id: str
    quote: str


class MemoryAnswer(BaseModel):
    """Something that is known about a user.

    `key` is present only for a preference, `valid_to` only if an end is known, and `superseded_by` only if another
    memory replaced it. `evidence` has the newest exchanges first, and is empty for an explicit memory.
    """

    id: str
    kind: Literal["preference", "fact", "summary"]
    key: str | None = None
    text: str
    valid_from: str
    valid_to: str | None = None
    superseded_by: str | None = None
    evidence: list[EvidenceAnswer]
    source: Literal["learned", "explicit"]
    created_at: str


class MemoriesAnswer(BaseModel):
    """Response of `GET /users/{user_id}/memories`. `omitted` counts those that do not fit into this response.

    They are on the next pages. If PostgreSQL does not respond, it is in `degraded`: summaries are missing, and there is
    no next page.
    """

    items: list[MemoryAnswer]
    omitted: int
    next_cursor: str | None
    degraded: list[str]


class SearchItemAnswer(BaseModel):
    """A found exchange. The score is from 0 to 1, comparable within one answer."""

    kind: Literal["exchange"]
    thread_id: str
    title: str | None
    exchange_id: str
    created_at: str
    user_message: str
    assistant_message: str
    score: float
    highlights: list[HighlightAnswer]


class MemoryItemAnswer(MemoryAnswer):
    """A found memory. The score is the part of the query's words that the memory and its quotes contain."""

    score: float


class SearchAnswerBody(BaseModel):
    """Response of `POST /search`: the best items first. The `kind` of a found exchange is `exchange`.

    `arms` says how the exchanges were searched. Every exchange that was accepted up to `searched_up_to` was looked at;
    null means that this time is unknown. `degraded` contains `search` if the search did not look at everything.
    """

    items: list[SearchItemAnswer | MemoryItemAnswer]
    arms: list[Literal["text", "vector"]]
    searched_up_to: str | None
    degraded: list[str]


# The model of each route's response, by the route's name.
RESPONSE_MODELS: Final[dict[str, Any]] = {
    "run": RunAnswer,
    "invoking": InvokingAnswer,
    "invoked": InvokedAnswer,
    "search": SearchAnswerBody,
    "list_threads": ThreadsAnswer,
    "read_messages": MessagesAnswer,
    "replace_exchange": InvokedAnswer,
    "read_thread": ThreadAnswer,
    "rename_thread": ThreadAnswer,
    "read_preferences": dict[str, str],
    "replace_preferences": dict[str, str],
    "merge_preferences": dict[str, str],
    "list_memories": MemoriesAnswer,
    "add_memory": MemoryAnswer,
    "read_memory": MemoryAnswer,
    "correct_memory": MemoryAnswer,
    "health": HealthAnswer,
    "read_layers": LayersAnswer,
    "read_status": StatusAnswer,
    "read_overview": OverviewAnswer,
}
