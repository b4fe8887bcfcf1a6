"""While Redis is down, PostgreSQL serves the memory, and the response reports Redis. Recovery needs no restart."""

import statistics
import time

import pytest

from tests.e2e.memory_api import Json, MemoryApi
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually
from tests.support.offline_answers import followed_preferences, remembered

_TIMEOUT = 0.25


def _turn(api: MemoryApi, prompt: str, thread_id: str, user_id: str) -> Json:
    return api.run(prompt, thread_id=thread_id, user_id=user_id)


def _timed_turn(api: MemoryApi, prompt: str, thread_id: str, user_id: str) -> float:
    started = time.monotonic()
    response = _turn(api, prompt, thread_id, user_id)
    assert response["memory"]["degraded"] == ["redis"]
    return time.monotonic() - started


@pytest.fixture
def stored_thread(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> tuple[str, str]:
    """Return a thread and a user that are in both layers."""
    api.put_preferences(user_id, {"tone": "brief"})
    _turn(api, "before the outage", thread_id, user_id)
    layers.wait_stored(thread_id, 2)
    return thread_id, user_id


def test_postgres_serves_the_memory_while_redis_is_down(
    api: MemoryApi, layers: Layers, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """With Redis killed, a turn gets history and preferences and reports that Redis did not respond."""
    thread_id, user_id = stored_thread
    with servers.killed("valkey"):
        response = _turn(api, "during the outage", thread_id, user_id)
        health = api.call("GET", "/health")
        layers.wait_stored(thread_id, 4)
        later = _turn(api, "still during the outage", thread_id, user_id)

    assert "before the outage" in remembered(response["response"])
    assert followed_preferences(response["response"]) == ["tone: brief"]
    assert response["memory"].pop("context_tokens") > 0
    assert response["memory"] == {
        "omitted_exchanges": 0,
        "source": "postgres",
        "degraded": ["redis"],
        "durability": "queue",
        "cached": False,
    }
    assert "during the outage" in remembered(later["response"])
    assert (health["status"], health["redis"], health["postgres"]) == ("degraded", "unavailable", "ok")


def test_an_emptied_redis_is_refilled_after_the_outage(
    api: MemoryApi, layers: Layers, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """After the restart Redis serves again, with the exchanges from before, during and after the outage."""
    thread_id, user_id = stored_thread
    with servers.killed("valkey"):
        _turn(api, "during the outage", thread_id, user_id)
        layers.wait_stored(thread_id, 4)

    recovered = eventually(lambda: _healthy_recall(api, thread_id, user_id))

    user_messages = [message["content"] for message in recovered["messages"] if message["role"] == "user"]
    assert user_messages == ["before the outage", "during the outage"]
    assert recovered["preferences"] == {"tone": "brief"}
    _turn(api, "after the outage", thread_id, user_id)
    eventually(lambda: _healthy_recall(api, thread_id, user_id)["source"] == "redis")
    layers.wait_stored(thread_id, 6)
    assert layers.cached_contents(thread_id) == layers.stored_contents(thread_id)
    with layers.redis() as client:
        assert client.hgetall(f"user:{user_id}:preferences") == {"tone": "brief"}


def _healthy_recall(api: MemoryApi, thread_id: str, user_id: str) -> Json:
    context = api.invoking(thread_id=thread_id, user_id=user_id)
    assert context["degraded"] == []
    return context


def test_a_frozen_redis_delays_only_one_request(
    api: MemoryApi, layers: Layers, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """A hanging Redis delays one request by its timeout. The circuit breaker protects the others."""
    thread_id, user_id = stored_thread
    with servers.frozen("valkey"):
        first = _timed_turn(api, "while frozen", thread_id, user_id)
        later = [_timed_turn(api, f"while frozen {number}", thread_id, user_id) for number in range(9)]

    assert first < 10 * _TIMEOUT
    assert statistics.median(later) < _TIMEOUT
    recovered = eventually(lambda: _healthy_recall(api, thread_id, user_id))
    user_messages = [message["content"] for message in recovered["messages"] if message["role"] == "user"]
    assert user_messages == ["before the outage", "while frozen", *(f"while frozen {number}" for number in range(9))]
    layers.wait_stored(thread_id, 22)
    eventually(lambda: layers.cached_contents(thread_id) == layers.stored_contents(thread_id))


def test_preferences_changed_while_redis_is_frozen_are_in_the_next_turn(
    api: MemoryApi, layers: Layers, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """Preferences that changed while Redis hung are in the next turns."""
    thread_id, user_id = stored_thread
    with servers.frozen("valkey"):
        assert api.put_preferences(user_id, {"tone": "long"}) == {"tone": "long"}
        assert api.preferences(user_id) == {"tone": "long"}

    recovered = eventually(lambda: _healthy_recall(api, thread_id, user_id))

    assert recovered["preferences"] == {"tone": "long"}
    assert layers.rows("select value from user_preferences where user_id = %s", user_id) == [("long",)]


def test_threads_are_read_and_written_while_redis_is_down(
    api: MemoryApi, layers: Layers, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """Listing, reading and renaming need only PostgreSQL; a page of messages reports the missing layer."""
    thread_id, user_id = stored_thread
    with servers.killed("valkey"):
        page = api.messages(thread_id)
        listed = api.threads(user_id)
        renamed = api.call("PATCH", f"/threads/{thread_id}", json={"title": "Renamed"})

    assert [item["content"] for item in page["items"]] == layers.stored_contents(thread_id)
    assert page["degraded"] == ["redis"]
    assert [item["thread_id"] for item in listed["items"]] == [thread_id]
    assert renamed["title"] == "Renamed"


def test_a_deletion_fails_while_redis_is_frozen(
    api: MemoryApi, layers: Layers, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """A deletion returns a 503 while Redis hangs. A later retry completes the deletion in both layers."""
    thread_id, _ = stored_thread
    with servers.frozen("valkey"):
        refusal = api.send("DELETE", f"/threads/{thread_id}")
    assert refusal.status_code == 503
    assert refusal.headers["content-type"] == "application/problem+json"

    eventually(lambda: api.send("DELETE", f"/threads/{thread_id}").status_code in {204, 404})

    assert layers.cached(thread_id) == []
    assert layers.conversations(thread_id) == []
    assert api.invoking(thread_id=thread_id)["messages"] == []
