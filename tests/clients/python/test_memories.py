"""The clients' memories: their requests, their types, and their retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from hybrid_memory_client import (
    AsyncMemoryClient,
    CannotBeKept,
    Evidence,
    FoundMemory,
    HistoryDegraded,
    Memory,
    MemoryClient,
    NotFound,
    NotThisApi,
)
from tests.clients.python.scripted_client import Prepared, ScriptedClient, problem, success

MakeClient = Callable[..., ScriptedClient]
ID, OTHER, EXCHANGE = (f"01a20403-af8b-86fb-9bf9-0bc8b132858{digit}" for digit in range(3))
LEARNED: dict[str, Any] = {
    "id": ID,
    "kind": "preference",
    "key": "units",
    "text": "metric",
    "valid_from": "2026-11-01T10:00:00.000000Z",
    "valid_to": "2026-11-22T16:08:00.139000Z",
    "superseded_by": OTHER,
    "evidence": [{"thread_id": "t", "exchange_id": EXCHANGE, "quote": "Use metric units."}],
    "source": "learned",
    "created_at": "2026-11-01T10:00:00.000000Z",
}
EXPLICIT: dict[str, Any] = {
    "id": OTHER,
    "kind": "fact",
    "text": "Lives in Rome",
    "valid_from": "2026-11-22T16:08:00.139000Z",
    "evidence": [],
    "source": "explicit",
    "created_at": "2026-11-22T16:08:00.139000Z",
}


@pytest.fixture(params=[MemoryClient, AsyncMemoryClient])
def make_client(request: pytest.FixtureRequest) -> MakeClient:
    """Return a function that creates a synchronous or asynchronous client with prepared responses."""

    def create(*answers: Prepared, **options: Any) -> ScriptedClient:
        return ScriptedClient(request.param, *answers, **options)

    return create


def listed(*items: dict[str, Any], **fields: Any) -> httpx.Response:
    """Return the response to a list."""
    return success({"items": items, "omitted": 0, "degraded": [], **fields})


def test_a_list_is_typed(make_client: MakeClient) -> None:
    """A list has the memories in order, with their quotes, their ends and their successors."""
    memories = make_client(listed(EXPLICIT, LEARNED, omitted=3, degraded=["postgres"])).list_memories("u")
    explicit, learned = memories
    assert (len(memories), memories.omitted, memories.degraded) == (2, 3, ("postgres",))
    assert (explicit.text, explicit.source, explicit.key, explicit.evidence) == ("Lives in Rome", "explicit", None, ())
    assert (explicit.valid_to, explicit.superseded_by) == (None, None)
    assert (learned.id, learned.kind, learned.key, learned.text) == (UUID(ID), "preference", "units", "metric")
    assert learned.evidence == (Evidence("t", UUID(EXCHANGE), "Use metric units."),)
    assert learned.valid_to == datetime(2026, 11, 22, 16, 8, 0, 139_000, UTC)
    assert learned.superseded_by == explicit.id
    assert learned.raw == LEARNED


def test_all_pages_are_read(make_client: MakeClient) -> None:
    """The iterators follow the cursor to the last page."""
    pages = listed(EXPLICIT, next_cursor="c"), listed(LEARNED, next_cursor=None)
    client = make_client(*pages, *pages)
    memories = client.iter_memories("u", include_superseded=True, page_size=1)
    assert [each.id for each in memories] == [UUID(OTHER), UUID(ID)]
    assert [len(page) for page in client.iter_memory_pages("u")] == [1, 1]
    path = "/stage/users/u/memories"
    assert [each.url.raw_path.decode() for each in client.requests] == [
        f"{path}?include_superseded=true&limit=1",
        f"{path}?include_superseded=true&limit=1&cursor=c",
        path,
        f"{path}?cursor=c",
    ]


def test_a_page_that_may_lack_memories_is_not_taken_for_all(make_client: MakeClient) -> None:
    """If a layer did not respond, iterating raises an error unless the caller allows it."""
    degraded = listed(EXPLICIT, degraded=["postgres"], omitted=1, next_cursor=None)
    with pytest.raises(HistoryDegraded, match="postgres"):
        make_client(degraded).iter_memories("u")
    assert len(make_client(degraded).iter_memories("u", allow_degraded=True)) == 1
    (page,) = make_client(degraded).iter_memory_pages("u")
    assert (page.omitted, page.degraded) == (1, ("postgres",))


def test_each_method_sends_its_request(make_client: MakeClient) -> None:
    """Only the given fields are sent, and a memory's id may be a UUID or a text."""
    client = make_client(listed(), listed(), *[success(EXPLICIT, 201)] * 4, *[httpx.Response(204)] * 2)
    client.list_memories("u")
    client.list_memories("u", include_superseded=True)
    client.add_memory("u", "Lives in Rome")
    client.add_memory("u", "metric", kind="preference", key="units")
    assert client.read_memory("u", UUID(OTHER)).text == "Lives in Rome"
    assert client.correct_memory("u", OTHER, "Lives in Oslo").id == UUID(OTHER)
    client.delete_memory("u", OTHER)
    client.delete_memories("u")
    path = "/stage/users/u/memories"
    assert [(each.method, each.url.raw_path.decode()) for each in client.requests] == [
        ("GET", path),
        ("GET", f"{path}?include_superseded=true"),
        ("POST", path),
        ("POST", path),
        ("GET", f"{path}/{OTHER}"),
        ("PATCH", f"{path}/{OTHER}"),
        ("DELETE", f"{path}/{OTHER}"),
        ("DELETE", path),
    ]
    assert [each.content for each in client.requests[2:4]] == [
        b'{"text":"Lives in Rome"}',
        b'{"text":"metric","kind":"preference","key":"units"}',
    ]
    assert client.requests[5].content == b'{"text":"Lives in Oslo"}'


def test_every_change_can_be_retried(make_client: MakeClient) -> None:
    """A change whose response was lost is sent again. A retried deletion that finds nothing has succeeded."""
    for method, arguments in (("add_memory", ["Lives in Rome"]), ("correct_memory", [OTHER, "Lives in Rome"])):
        client = make_client(httpx.ReadError("gone"), success(EXPLICIT))
        assert getattr(client, method)("u", *arguments).text == "Lives in Rome"
        assert client.requests[0].content == client.requests[1].content
    assert make_client(httpx.ReadError("gone"), problem(404)).delete_memory("u", OTHER) is None
    with pytest.raises(NotFound):
        make_client(problem(404)).delete_memory("u", OTHER)


def test_a_text_that_cannot_be_stored_is_not_sent(make_client: MakeClient) -> None:
    """The error names the field."""
    client = make_client()
    with pytest.raises(CannotBeKept, match="text"):
        client.add_memory("u", "a\0b")
    with pytest.raises(CannotBeKept, match="memory_id"):
        client.read_memory("u", "")
    assert client.requests == []


def test_a_search_and_a_context_have_typed_memories(make_client: MakeClient) -> None:
    """Found memories have a score. Exchanges stay in `items`, and items of kinds of a newer service are left out."""
    items = [{**EXPLICIT, "score": 0.5}, {"kind": "later"}]
    searched = {"items": items, "arms": ["text"], "searched_up_to": None, "degraded": []}
    context = {"memories": [EXPLICIT], "source": "redis", "degraded": [], "context_tokens": 0, "omitted_exchanges": 0}
    client = make_client(success(searched), success(context))
    result = client.search("rome", user_id="u", kinds=["memory"])
    (found,) = result.memories
    assert isinstance(found, FoundMemory)
    assert (found.text, found.score, result.items) == ("Lives in Rome", 0.5, ())
    (known,) = client.invoking(user_id="u", include=["memories"]).memories
    assert isinstance(known, Memory)
    assert known.id == UUID(OTHER)


def test_a_response_without_memories_is_from_another_service(make_client: MakeClient) -> None:
    """A JSON response without the fields of a memory is not taken for one."""
    with pytest.raises(NotThisApi):
        make_client(success({"id": ID})).read_memory("u", ID)
    with pytest.raises(NotThisApi):
        make_client(success([])).list_memories("u")
