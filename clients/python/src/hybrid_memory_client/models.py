"""The API's responses, as frozen dataclasses. Fields of newer API versions are ignored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from hybrid_memory_client._json import Json, to_time, to_uuid
from hybrid_memory_client.memories import Memory

Source = Literal["redis", "postgres", "none"]
Durability = Literal["queue", "postgres", "redis", "none"]
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Message:
    """One side of an exchange.

    Attributes:
        role: `user` or `assistant`.
        content: The text.
        exchange_id: None for a message that another program put into the cache.
        created_at: When the exchange was accepted, with its time zone; None if `exchange_id` is None.
        metadata: The exchange's metadata, which only the user's message has; None if there is none.
        revision: How often the exchange's texts were replaced.
        raw: The API's JSON, including fields that this version of the client does not know.
    """

    role: str
    content: str
    exchange_id: UUID | None
    created_at: datetime | None
    metadata: dict[str, Any] | None = None
    revision: int = 0
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            role=body["role"],
            content=body["content"],
            exchange_id=to_uuid(body["exchange_id"]),
            created_at=to_time(body["created_at"]),
            metadata=body.get("metadata"),
            revision=body.get("revision", 0),
            raw=body,
        )


@dataclass(frozen=True, slots=True)
class Context:
    """The memory's context for a turn.

    Attributes:
        context: Text for the instructions; '' if there is none. `context`, `messages` and `preferences` are also empty
            if `include` omitted them.
        messages: The newest exchanges of the thread, oldest first.
        source: The layer that served the memory.
        degraded: Layers that did not respond. An empty history means a new thread only if `degraded` is empty.
        context_tokens: Upper bound of the context's tokens.
        omitted_exchanges: Number of exchanges of the window that are not in the context; the thread's messages include
            them.
        memories: What is known about the user; empty unless `include` requested it.
        related: Empty unless `include` requested them.
    """

    context: str
    messages: tuple[Message, ...]
    preferences: dict[str, str]
    source: Source
    degraded: tuple[str, ...]
    context_tokens: int = 0
    omitted_exchanges: int = 0
    memories: tuple[Memory, ...] = ()
    related: tuple[Json, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            context=body.get("context", ""),
            messages=tuple(Message.from_json(each) for each in body.get("messages", ())),
            preferences=dict(body.get("preferences", {})),
            source=body["source"],
            degraded=tuple(body["degraded"]),
            context_tokens=body.get("context_tokens", 0),
            omitted_exchanges=body.get("omitted_exchanges", 0),
            memories=tuple(Memory.from_json(each) for each in body.get("memories", ())),
            related=tuple(body.get("related", ())),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """Where an exchange is stored.

    Attributes:
        exchange_id: None if no thread was named.
        durability: The store that holds the exchange permanently; `none` if no store accepted the exchange.
        cached: Whether the list in Redis has the exchange.
        degraded: Layers that did not respond. If a layer did not accept the exchange, the next turn may lack it for a
            moment.
    """

    exchange_id: UUID | None
    durability: Durability
    cached: bool
    degraded: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        degraded = tuple(body.get("degraded", ()))
        return cls(to_uuid(body["exchange_id"]), body["durability"], body["cached"], degraded)


@dataclass(frozen=True, slots=True)
class Selection:
    """What the agent of a turn got. A part that `include` does not name, or that does not fit, is empty.

    Attributes:
        counts: The numbers of `messages`, `preferences`, `memories` and `related` exchanges.
        omitted: The numbers of `exchanges`, `preferences` and `memories` that the limits on the context left out.
        memories: The API's JSON of each memory.
        related: The API's JSON of each related exchange.
    """

    counts: dict[str, int]
    omitted: dict[str, int]
    context: str = ""
    messages: tuple[Message, ...] = ()
    preferences: dict[str, str] = field(default_factory=dict)
    memories: tuple[Json, ...] = ()
    related: tuple[Json, ...] = ()

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(
            counts=dict(body["counts"]),
            omitted=dict(body["omitted"]),
            context=body.get("context", ""),
            messages=tuple(Message.from_json(each) for each in body.get("messages", ())),
            preferences=dict(body.get("preferences", {})),
            memories=tuple(body.get("memories", ())),
            related=tuple(body.get("related", ())),
        )


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """The layers that served and stored a turn; see `Context` and `Kept`.

    Attributes:
        selection: What the agent got; None without `include`, and in the response to a repeated request.
    """

    source: Source
    degraded: tuple[str, ...]
    durability: Durability
    cached: bool
    context_tokens: int = 0
    omitted_exchanges: int = 0
    selection: Selection | None = None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON. A response that an older version of the service stored for replay has no counts."""
        counts = body.get("context_tokens", 0), body.get("omitted_exchanges", 0)
        selection = Selection.from_json(body["selection"]) if body.get("selection") else None
        return cls(body["source"], tuple(body["degraded"]), body["durability"], body["cached"], *counts, selection)


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a turn.

    Attributes:
        response: The agent's answer.
        is_replayed: Whether this is the response to an earlier request with the same key.
    """

    response: str
    thread_id: str | None
    exchange_id: UUID | None
    memory: MemoryReport
    is_replayed: bool = False

    @classmethod
    def from_json(cls, body: Json, *, is_replayed: bool = False) -> Self:
        """Parse the API's JSON."""
        return cls(
            response=body["response"],
            thread_id=body["thread_id"],
            exchange_id=to_uuid(body["exchange_id"]),
            memory=MemoryReport.from_json(body["memory"]),
            is_replayed=is_replayed,
        )


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation.

    Attributes:
        message_count: The number of messages, two for each exchange.
        document_ids: None in a list of threads, which does not load them.
        omitted_documents: How many documents the response omitted because of its size.
        raw: The API's JSON, including fields that this version of the client does not know.
    """

    thread_id: str
    user_id: str | None
    title: str | None
    created_at: datetime
    updated_at: datetime
    message_count: int
    document_ids: tuple[str, ...] | None = None
    omitted_documents: int = 0
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        documents = body.get("document_ids")
        return cls(
            thread_id=body["thread_id"],
            user_id=body["user_id"],
            title=body["title"],
            created_at=datetime.fromisoformat(body["created_at"]),
            updated_at=datetime.fromisoformat(body["updated_at"]),
            message_count=body["message_count"],
            document_ids=None if documents is None else tuple(documents),
            omitted_documents=body.get("omitted_documents", 0),
            raw=body,
        )


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """A page of threads or messages.

    Attributes:
        next_cursor: The start of the next page; None on the last page.
        degraded: Layers that did not respond. `items` lacks the entries that only these layers hold.
    """

    items: tuple[_Item, ...]
    next_cursor: str | None
    degraded: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[_Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """The number of stored exchanges that are not yet in the search index. It is counted up to 10,000."""

    unindexed: int

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        return cls(body["unindexed"])


@dataclass(frozen=True, slots=True)
class Health:
    """The state of every layer: `ok` or `unavailable`. `status` is `ok` or `degraded`.

    Attributes:
        search: None if PostgreSQL does not respond.
    """

    status: Literal["ok", "degraded"]
    redis: Literal["ok", "unavailable"]
    postgres: Literal["ok", "unavailable"]
    queue: Literal["ok", "unavailable"]
    search: SearchProgress | None = None

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Parse the API's JSON."""
        # An earlier release's response has no `search`.
        search = body.get("search")
        progress = SearchProgress.from_json(search) if search else None
        return cls(body["status"], body["redis"], body["postgres"], body["queue"], progress)


def threads_page(body: Json) -> Page[Thread]:
    """Parse the response of `GET /threads`."""
    return Page(tuple(Thread.from_json(each) for each in body["items"]), body["next_cursor"])


def messages_page(body: Json) -> Page[Message]:
    """Parse the response of `GET /threads/{thread_id}/messages`."""
    items = tuple(Message.from_json(each) for each in body["items"])
    return Page(items, body["next_cursor"], tuple(body["degraded"]))
