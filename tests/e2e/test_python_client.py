"""The Python client works with the deployed system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hybrid_memory_client import (
    AsyncMemoryClient,
    CannotBeKept,
    HistoryDegraded,
    InvalidRequest,
    MemoryClient,
    NotFound,
    inspection,
)
from tests.e2e.deployment import Deployment
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually


@pytest.fixture
def client(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryClient]:
    """Return a client, in an environment with an unreachable proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with MemoryClient(deployment.api_url) as created:
        yield created


def _check_overview(client: MemoryClient, layers: inspection.Layers, thread_id: str, user_id: str) -> None:
    """Check the times of storage, and that the overview has the same data as the other routes."""
    assert layers.window == 50
    for row in layers.postgres.messages:
        assert row.accepted_at is not None
        assert row.stored_at is not None
        # Redis' clock and PostgreSQL's are the same on this machine.
        assert row.accepted_at < row.stored_at < layers.as_of
    overview = client.read_overview(user_id, thread_id, messages=2, threads=1)
    assert overview.thread is not None
    assert overview.thread.postgres == layers.postgres
    assert overview.stores is not None
    assert {name: store.state for name, store in overview.stores.items()} == dict.fromkeys(
        ("redis", "postgres", "queue"), "ok"
    )
    assert (overview.problems, [thread.thread_id for thread in overview.threads or ()]) == ({}, [thread_id])
    parts = client.read_overview(user_id, include=["memories", "preferences"])
    assert (parts.memories, parts.stores) == (overview.memories, None)


def test_the_client_uses_every_route(client: MemoryClient, thread_id: str, user_id: str) -> None:
    """The client uses every route, from the first turn to the deletion."""
    client.replace_preferences(user_id, {"tone": "brief", "language": "Python"})
    first = client.run("My name is Ada.", thread_id=thread_id, user_id=user_id, document_ids=["contract.pdf"])
    assert (first.memory.durability, first.is_replayed, first.thread_id) == ("queue", False, thread_id)
    appended = client.invoked("Thank you.", "You are welcome.", thread_id=thread_id, user_id=user_id)
    found = client.invoking(thread_id=thread_id, user_id=user_id)
    assert [each.content for each in found.messages][::2] == ["My name is Ada.", "Thank you."]
    assert found.messages[-1].exchange_id == appended.exchange_id
    assert (found.source, found.degraded) == ("redis", ())
    assert found.preferences == {"tone": "brief", "language": "Python"}
    assert client.merge_preferences(user_id, {"tone": None, "level": "expert"}) == {
        "language": "Python",
        "level": "expert",
    }
    assert len(list(client.iter_messages(thread_id, page_size=1))) == 4
    eventually(lambda: len(list(client.iter_threads(user_id))) == 1)
    eventually(lambda: client.read_thread(thread_id).document_ids == ("contract.pdf",))
    eventually(lambda: client.read_layers(thread_id).undrained == 0)
    layers = client.read_layers(thread_id, limit=2)
    assert [each.preview for each in layers.redis.messages] == [each.preview for each in layers.postgres.messages]
    assert client.read_status().degraded == ()
    _check_overview(client, layers, thread_id, user_id)
    hits = client.search("Ada", user_id=user_id)
    assert [(each.thread_id, each.user_message) for each in hits][:1] == [(thread_id, "My name is Ada.")]
    assert hits.is_complete
    assert "Ada" in {hits.items[0].user_message[each.start : each.end] for each in hits.items[0].highlights}
    memory = client.add_memory(user_id, "Lives in Rome")
    assert client.correct_memory(user_id, memory.id, "Lives in Oslo").text == "Lives in Oslo"
    assert client.read_memory(user_id, memory.id) in client.list_memories(user_id)
    client.add_memory(user_id, "Likes tea")
    assert memory.id in {each.id for each in client.iter_memories(user_id, page_size=1)}
    assert memory.id in {each.id for each in client.search("Oslo", user_id=user_id, kinds=["memory"]).memories}
    assert memory.id in {each.id for each in client.invoking(user_id=user_id, include=["memories"]).memories}
    client.delete_memory(user_id, memory.id)
    assert memory.id not in {each.id for each in client.list_memories(user_id, include_superseded=True)}
    assert client.rename_thread(thread_id, "Ada").title == "Ada"
    client.delete_thread(thread_id)
    with pytest.raises(NotFound):
        client.read_thread(thread_id)
    client.delete_preferences(user_id)
    assert client.read_preferences(user_id) == {}
    client.delete_user(user_id)
    assert client.health().status == "ok"
    assert "/run" in client.openapi()["paths"]


def test_a_run_repeated_with_its_key_returns_the_first_answer(client: MemoryClient, thread_id: str) -> None:
    """The second call returns the first call's answer."""
    first = client.run("Hello", thread_id=thread_id, idempotency_key="k-" + thread_id)
    again = client.run("Hello", thread_id=thread_id, idempotency_key="k-" + thread_id)
    assert again.is_replayed
    assert again.exchange_id == first.exchange_id


def test_metadata_is_equal_in_both_layers(client: MemoryClient, layers: Layers, thread_id: str, user_id: str) -> None:
    """The metadata is the same with a list in Redis and, after the list's loss, from PostgreSQL."""
    metadata: dict[str, object] = {
        "tool_calls": [{"name": "weather", "arguments": {"city": "Köln 🎉", "days": 3.0}}],
        "b": None,
        "a": {},
    }
    client.run("Hello", thread_id=thread_id, user_id=user_id, metadata=metadata)
    client.invoked("And?", "Nothing.", thread_id=thread_id)
    eventually(lambda: client.read_layers(thread_id).undrained == 0)
    for _ in range(2):
        found = client.invoking(thread_id=thread_id).messages
        assert [each.metadata for each in found] == [metadata, None, None, None]
        assert [each.metadata for each in client.iter_messages(thread_id)] == [metadata, None, None, None]
        layers.delete_cached(f"thread:{thread_id}:messages", f"thread:{thread_id}:pending")


def test_an_error_names_its_field(client: MemoryClient) -> None:
    """An error that only the service detects names its field.

    The client refuses invalid JSON before it sends a request.
    """
    with pytest.raises(InvalidRequest) as caught:
        client.invoked("a", "b", thread_id="..")
    assert [each.field for each in caught.value.errors] == ["thread_id"]
    assert caught.value.request_id
    with pytest.raises(CannotBeKept, match="user_message"):
        client.invoked("a \ud800", "b", thread_id="t")


@pytest.mark.parametrize("name", ["a/b", "...", "a?b#c", "50%", "ü 🎉", "/", "a//b/messages"])
def test_the_client_sends_any_valid_id_unchanged(client: MemoryClient, thread_id: str, name: str) -> None:
    """The client sends any valid id unchanged."""
    any_id = f"{name}{thread_id}"
    client.invoked("q", "a", thread_id=any_id)
    assert client.read_messages(any_id, limit=1).items[0].content == "q"
    client.delete_thread(any_id)


def test_an_outage_is_reported_and_is_not_an_empty_history(
    client: MemoryClient, servers: Servers, thread_id: str
) -> None:
    """Without Redis, each page reports the missing layer, and iterating raises an error.

    Exchanges that are stored meanwhile are not lost.
    """
    client.invoked("q1", "a1", thread_id=thread_id)
    eventually(lambda: client.read_layers(thread_id).undrained == 0)
    with servers.killed("valkey"):
        with pytest.raises(HistoryDegraded) as caught:
            list(client.iter_messages(thread_id))
        assert caught.value.degraded == ("redis",)
        assert [each.content for each in client.iter_messages(thread_id, allow_degraded=True)] == ["q1", "a1"]
        found = client.invoking(thread_id=thread_id)
        assert (found.source, found.degraded) == ("postgres", ("redis",))
        appended = client.invoked("q2", "a2", thread_id=thread_id)
        assert (appended.durability, appended.degraded) == ("queue", ("redis",))
    eventually(lambda: len(list(client.iter_messages(thread_id, allow_degraded=True))) == 4)


def test_an_outage_is_reported_and_is_not_an_empty_search(
    client: MemoryClient, servers: Servers, thread_id: str, user_id: str
) -> None:
    """Without Redis, a search finds the stored exchanges, and says that it did not look at everything."""
    client.invoked("My dog is Rex.", "Noted.", thread_id=thread_id, user_id=user_id)
    eventually(lambda: client.read_layers(thread_id).undrained == 0)
    with servers.killed("valkey"):
        result = client.search("rex", user_id=user_id)
        assert [each.user_message for each in result] == ["My dog is Rex."]
        assert (result.is_complete, result.degraded) == (False, ("redis", "search"))
        assert not client.search("nothingofthekind", user_id=user_id).is_complete


def test_ten_concurrent_runs_with_one_key_are_one_run(deployment: Deployment, thread_id: str) -> None:
    """The asynchronous client shares its connections, and ten runs with one key are one run."""

    async def runs() -> set[object]:
        async with AsyncMemoryClient(deployment.api_url) as client:
            calls = [client.run("Hello", thread_id=thread_id, idempotency_key=thread_id) for _ in range(10)]
            return {result.exchange_id for result in await asyncio.gather(*calls)}

    assert len(asyncio.run(runs())) == 1
