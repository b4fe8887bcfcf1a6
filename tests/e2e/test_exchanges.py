"""Single exchanges are replaced and deleted through the gateway, in both layers and in the queue."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx

from tests.e2e.memory_api import MemoryApi, segment
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers

NEW = {"user_message": "new question", "assistant_message": "new answer"}


def _path(thread_id: str, exchange_id: object) -> str:
    return f"/threads/{segment(thread_id)}/exchanges/{exchange_id}"


def _append_three(api: MemoryApi, thread_id: str) -> list[str]:
    return [str(api.invoked(f"q{n}", f"a{n}", thread_id=thread_id)["exchange_id"]) for n in range(3)]


def _old_message(row: tuple[Any, ...], thread_id: str) -> str:
    body = {"version": 1, "exchange_id": row[2], "thread_id": thread_id, "user_id": None, "document_ids": []}
    body |= {"user_message": "q1", "assistant_message": "a1", "created_at": row[4].isoformat()}
    return json.dumps(body)


def test_an_exchange_is_replaced_in_both_layers(api: MemoryApi, layers: Layers, queues: Queues, thread_id: str) -> None:
    """The exchange keeps its position.

    A redelivery of the old text changes nothing, even if Redis then loses the list.
    """
    ids = _append_three(api, thread_id)
    before = layers.wait_stored(thread_id, 6)
    response = api.call("PUT", _path(thread_id, ids[1]), json=NEW)
    assert response == {"exchange_id": ids[1], "durability": "postgres", "cached": True}
    expected = ["q0", "a0", "new question", "new answer", "q2", "a2"]
    assert layers.cached_contents(thread_id) == layers.stored_contents(thread_id) == expected
    assert [row[2:] for row in layers.stored(thread_id)] == [row[2:] for row in before]
    queues.put(_old_message(before[2], thread_id))
    queues.wait_empty()
    assert layers.cached_contents(thread_id) == layers.stored_contents(thread_id) == expected
    layers.delete_cached(f"thread:{thread_id}:messages")
    assert [message["content"] for message in api.invoking(thread_id=thread_id)["messages"]] == expected


def test_a_queued_exchange_can_be_replaced(api: MemoryApi, layers: Layers, queues: Queues, thread_id: str) -> None:
    """If a queued exchange is replaced, the drain stores the new text and does not restore the old text."""
    with queues.paused_drain():
        ids = _append_three(api, thread_id)
        api.call("PUT", _path(thread_id, ids[1]), json=NEW)
        assert api.contents(thread_id) == ["q0", "a0", "new question", "new answer", "q2", "a2"]
    queues.wait_empty()
    layers.wait_stored(thread_id, 6)
    assert layers.stored_contents(thread_id) == ["q0", "a0", "new question", "new answer", "q2", "a2"]
    assert layers.cached_contents(thread_id) == layers.stored_contents(thread_id)


def test_an_exchange_is_deleted_from_both_layers(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str
) -> None:
    """Neither a redelivery nor a second request restores a deleted exchange."""
    ids = _append_three(api, thread_id)
    before = layers.wait_stored(thread_id, 6)
    assert api.send("DELETE", _path(thread_id, ids[1])).status_code == httpx.codes.NO_CONTENT
    queues.put(_old_message(before[2], thread_id))
    queues.wait_empty()
    assert layers.cached_contents(thread_id) == layers.stored_contents(thread_id) == ["q0", "a0", "q2", "a2"]
    assert api.contents(thread_id) == ["q0", "a0", "q2", "a2"]
    for method, body in (("PUT", NEW), ("DELETE", None)):
        response = api.send(method, _path(thread_id, ids[1]), json=body)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
        assert api.send(method, _path(thread_id, uuid4()), json=body).status_code == httpx.codes.NOT_FOUND
    repeated_body = {"user_message": "q", "assistant_message": "a", "thread_id": thread_id, "exchange_id": ids[1]}
    assert api.call("POST", "/invoked", json=repeated_body)["durability"] == "none"


def test_a_queued_exchange_can_be_deleted(api: MemoryApi, layers: Layers, queues: Queues, thread_id: str) -> None:
    """If a queued exchange is deleted, the drain drops it. The thread stays, without exchanges."""
    with queues.paused_drain():
        exchange_id = api.invoked("q0", "a0", thread_id=thread_id)["exchange_id"]
        assert api.send("DELETE", _path(thread_id, exchange_id)).status_code == httpx.codes.NO_CONTENT
    queues.wait_empty()
    assert layers.stored_contents(thread_id) == layers.cached_contents(thread_id) == []
    assert api.thread(thread_id)["message_count"] == 0
    api.run("Hello", thread_id=thread_id)
    assert len(layers.wait_stored(thread_id, 2)) == 2


def test_a_run_can_replace_an_exchange(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """The turn gets the history before the replaced exchange. A retry returns the same response."""
    first = api.run("My name is Ada", thread_id=thread_id)
    second = api.run("What is my nmae?", thread_id=thread_id)
    body = {"thread_id": thread_id, "replaces": second["exchange_id"]}
    key = {"Idempotency-Key": str(uuid4())}
    edited = api.run("What is my name?", headers=key, **body)
    assert edited["exchange_id"] == second["exchange_id"]
    assert "My name is Ada" in edited["response"]
    assert "nmae" not in edited["response"]
    assert api.run("What is my name?", headers=key, **body) == edited
    expected = ["My name is Ada", first["response"], "What is my name?", edited["response"]]
    layers.wait_stored(thread_id, 4)
    assert api.contents(thread_id) == layers.stored_contents(thread_id) == layers.cached_contents(thread_id) == expected
    assert [message.get("revision", 0) for message in api.messages(thread_id)["items"]] == [0, 0, 1, 1]
    assert api.send("POST", "/run", json={"prompt": "x", **body, "replaces": str(uuid4())}).status_code == 404
    assert api.send("DELETE", _path(thread_id, second["exchange_id"])).status_code == httpx.codes.NO_CONTENT
    assert api.send("POST", "/run", json={"prompt": "What is my name?", **body}, headers=key).status_code == 422
