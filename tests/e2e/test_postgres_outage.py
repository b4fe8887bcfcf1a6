"""While PostgreSQL is down, Redis serves turns, and the exchanges stay in the queue until the drain stores them."""

import time
from uuid import uuid4

import pytest

from tests.e2e.memory_api import Json, MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually
from tests.support.offline_answers import followed_preferences, remembered

# The driver waits at least two seconds for a connection, and a turn may wait for two responses of PostgreSQL.
_TIMEOUT = 2.0


@pytest.fixture
def stored_thread(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> tuple[str, str]:
    """Return a thread and a user that are in both layers. Redis already serves them."""
    # After the previous test's outage, a process may not have noticed yet that PostgreSQL responds again.
    eventually(lambda: api.send("PUT", f"/users/{user_id}/preferences", json={"tone": "brief"}).is_success)
    api.run("before the outage", thread_id=thread_id, user_id=user_id)
    layers.wait_stored(thread_id, 2)
    eventually(lambda: api.invoking(thread_id=thread_id, user_id=user_id)["source"] == "redis")
    return thread_id, user_id


def _turn(api: MemoryApi, prompt: str, stored_thread: tuple[str, str]) -> Json:
    return api.run(prompt, thread_id=stored_thread[0], user_id=stored_thread[1])


def _healthy_recall(api: MemoryApi, thread_id: str) -> Json:
    context = api.invoking(thread_id=thread_id)
    assert context["degraded"] == []
    return context


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_redis_serves_turns_while_postgres_is_down(
    api: MemoryApi, layers: Layers, queues: Queues, servers: Servers, stored_thread: tuple[str, str], fault: str
) -> None:
    """Redis serves a cached thread normally.

    The thread's exchanges wait in the queue. After the outage, each exchange is stored once, in order.
    """
    thread_id, _ = stored_thread
    with getattr(servers, fault)("postgres"):
        answers = [_turn(api, f"during the outage {number}", stored_thread) for number in range(3)]
        depth = queues.depth()

    assert "before the outage" in remembered(answers[0]["response"])
    assert "during the outage 1" in remembered(answers[2]["response"])
    assert followed_preferences(answers[2]["response"]) == ["tone: brief"]
    for response in answers:
        assert response["memory"] | {"context_tokens": 0} == {
            "source": "redis",
            "degraded": [],
            "durability": "queue",
            "cached": True,
            "context_tokens": 0,
            "omitted_exchanges": 0,
        }
    assert depth >= 3
    layers.wait_stored(thread_id, 8)
    assert layers.stored_contents(thread_id) == layers.cached_contents(thread_id) == api.contents(thread_id)


def test_a_new_thread_reports_the_unavailable_layer(
    api: MemoryApi, layers: Layers, servers: Servers, thread_id: str, user_id: str
) -> None:
    """The response names the layer and has an answer. An outage is not reported as an empty history."""
    with servers.killed("postgres"):
        response = api.run("Hello", thread_id=thread_id, user_id=user_id)
        second_answer = api.run("Again", thread_id=thread_id, user_id=user_id)
        health = api.call("GET", "/health")

    assert response["memory"] == {
        "source": "none",
        "degraded": ["postgres"],
        "durability": "queue",
        "cached": True,
        "context_tokens": 0,
        "omitted_exchanges": 0,
    }
    assert "Hello" in remembered(second_answer["response"])
    assert second_answer["memory"]["source"] == "redis"
    assert (health["status"], health["redis"], health["postgres"]) == ("degraded", "ok", "unavailable")
    layers.wait_stored(thread_id, 4)
    assert eventually(lambda: _healthy_recall(api, thread_id))["source"] in {"redis", "postgres"}
    assert api.contents(thread_id) == layers.stored_contents(thread_id)


def test_a_frozen_postgres_delays_only_one_request(api: MemoryApi, servers: Servers) -> None:
    """A hanging PostgreSQL delays one request. The circuit breaker protects the next requests."""
    times = []
    with servers.frozen("postgres"):
        for _ in range(8):
            started = time.monotonic()
            context = api.invoking(thread_id=f"cold_{uuid4().hex}")
            times.append(time.monotonic() - started)
            assert context == {
                "context": "",
                "messages": [],
                "context_tokens": 0,
                "omitted_exchanges": 0,
                "preferences": {},
                "source": "none",
                "degraded": ["postgres"],
            }

    assert max(times) < 10 * _TIMEOUT
    assert sorted(times)[len(times) // 2] < _TIMEOUT / 2


def test_requests_that_need_postgresql_return_503(
    api: MemoryApi, servers: Servers, stored_thread: tuple[str, str]
) -> None:
    """Listing, renaming, deleting and changing preferences return a 503. Reading a cached thread works."""
    thread_id, user_id = stored_thread
    requests: tuple[tuple[str, str, Json], ...] = (
        ("GET", "/threads", {"params": {"user_id": user_id}}),
        ("PATCH", f"/threads/{thread_id}", {"json": {"title": "Renamed"}}),
        ("DELETE", f"/threads/{thread_id}", {}),
        ("PUT", f"/users/{user_id}/preferences", {"json": {"tone": "long"}}),
        ("DELETE", f"/users/{user_id}", {}),
    )
    with servers.killed("postgres"):
        refusals = [api.send(method, path, **options) for method, path, options in requests]
        page = api.messages(thread_id)
        preferences = api.preferences(user_id)

    for response in refusals:
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"].startswith("PostgreSQL is not responding")
    assert [item["role"] for item in page["items"]] == ["user", "assistant"]
    assert page["degraded"] == ["postgres"]
    assert preferences == {"tone": "brief"}
    recovered = eventually(lambda: _healthy_recall(api, thread_id))
    assert recovered["messages"][0]["content"] == "before the outage"
    assert eventually(lambda: api.threads(user_id)["items"])[0]["title"] == "before the outage"
    assert api.preferences(user_id) == {"tone": "brief"}
