"""While Redis and PostgreSQL are down, the agent answers without memory, and the queue stores the exchange."""

import pytest

from tests.e2e.memory_api import Json, MemoryApi
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually
from tests.support.offline_answers import remembered


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_the_agent_runs_without_memory_and_nothing_is_lost(
    api: MemoryApi, layers: Layers, servers: Servers, thread_id: str, user_id: str, fault: str
) -> None:
    """While both layers are down, the agent answers without memory, and the response reports this.

    Afterwards the history is complete.
    """
    api.run("before", thread_id=thread_id, user_id=user_id)
    layers.wait_stored(thread_id, 2)

    with getattr(servers, fault)("valkey", "postgres"):
        response = api.run("during", thread_id=thread_id, user_id=user_id)
        health = api.call("GET", "/health")

    assert remembered(response["response"]) == []
    memory = response["memory"]
    assert (memory["source"], memory["durability"], memory["cached"]) == ("none", "queue", False)
    assert sorted(memory["degraded"]) == ["postgres", "redis"]
    layers_down = {"redis": "unavailable", "postgres": "unavailable"}
    assert health == {"status": "degraded", **layers_down, "queue": "ok", "search": None}

    layers.wait_stored(thread_id, 4)
    recovered = eventually(lambda: _healthy_recall(api, thread_id, user_id))
    assert [one["content"] for one in recovered["messages"] if one["role"] == "user"] == ["before", "during"]
    after = api.run("after", thread_id=thread_id, user_id=user_id)
    assert "during" in remembered(after["response"])
    layers.wait_stored(thread_id, 6)
    assert api.contents(thread_id) == layers.stored_contents(thread_id)
    eventually(lambda: layers.cached_contents(thread_id) == layers.stored_contents(thread_id))


def _healthy_recall(api: MemoryApi, thread_id: str, user_id: str) -> Json:
    context = api.invoking(thread_id=thread_id, user_id=user_id)
    assert context["degraded"] == []
    return context
