"""A deletion reaches both layers, including queued exchanges."""

import json

import httpx
import pytest

from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.support.offline_answers import remembered


def test_a_deleted_thread_is_in_no_layer(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """After DELETE, no layer has the thread, and no route returns it."""
    api.run("Hello", thread_id=thread_id, user_id=user_id, document_ids=["doc_1"])
    layers.wait_stored(thread_id, 2)

    api.delete_thread(thread_id)

    assert layers.cached(thread_id) == []
    assert layers.stored(thread_id) == []
    assert layers.conversations(thread_id) == []
    assert api.send("GET", f"/threads/{thread_id}").status_code == httpx.codes.NOT_FOUND
    assert api.send("GET", f"/threads/{thread_id}/messages").status_code == httpx.codes.NOT_FOUND
    assert api.send("DELETE", f"/threads/{thread_id}").status_code == httpx.codes.NOT_FOUND
    assert api.threads(user_id)["items"] == []
    assert api.invoking(thread_id=thread_id)["context"] == ""


def test_queued_exchanges_of_a_deleted_thread_are_dropped(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str
) -> None:
    """The drain drops a queued exchange of a deleted thread."""
    api.invoked("stored", "1", thread_id=thread_id)
    layers.wait_stored(thread_id, 2)
    with queues.paused_drain():
        api.invoked("queued", "2", thread_id=thread_id)
        api.delete_thread(thread_id)
    queues.wait_empty()

    assert layers.conversations(thread_id) == []
    assert layers.cached(thread_id) == []
    assert api.invoking(thread_id=thread_id)["messages"] == []


def test_a_thread_that_is_only_in_the_queue_can_be_deleted(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str
) -> None:
    """A thread whose only exchange is queued is deleted before the drain."""
    with queues.paused_drain():
        api.invoked("queued", "1", thread_id=thread_id)
        api.delete_thread(thread_id)
    queues.wait_empty()

    assert layers.conversations(thread_id) == []
    assert layers.cached(thread_id) == []


def test_a_deleted_threads_id_can_name_a_new_thread(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str
) -> None:
    """An exchange right after a deletion begins a new thread, without the deleted thread's history."""
    with queues.paused_drain():
        api.run("My secret is 1234", thread_id=thread_id)
        api.delete_thread(thread_id)
        first = api.run("Hello, new thread", thread_id=thread_id)
        second = api.run("And again", thread_id=thread_id)
    stored = layers.wait_stored(thread_id, 4)

    assert "1234" not in first["response"] + second["response"]
    assert remembered(second["response"]) == ["Hello, new thread"]
    assert [row[1] for row in stored if row[0] == "user"] == ["Hello, new thread", "And again"]
    assert api.contents(thread_id) == layers.cached_contents(thread_id) == [row[1] for row in stored]
    assert api.thread(thread_id)["title"] == "Hello, new thread"


def test_a_redelivered_message_does_not_restore_a_thread(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str
) -> None:
    """A late redelivery after the deletion changes nothing."""
    appended = api.invoked("Hello", "Hi", thread_id=thread_id)
    stored = layers.wait_stored(thread_id, 2)
    api.delete_thread(thread_id)
    body = {"version": 1, "exchange_id": appended["exchange_id"], "thread_id": thread_id, "user_id": None}
    body |= {"user_message": "Hello", "assistant_message": "Hi", "document_ids": []}

    queues.put(json.dumps(body | {"created_at": stored[0][4].isoformat()}))
    queues.wait_empty()

    assert layers.conversations(thread_id) == []
    assert layers.cached(thread_id) == []


def test_all_data_of_a_deleted_user_is_deleted(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str, user_id: str
) -> None:
    """Every thread and preference of the user is deleted, including queued exchanges. Another user's data stays."""
    drained, waiting, other = f"{thread_id}_1", f"{thread_id}_2", f"{thread_id}_3"
    api.put_preferences(user_id, {"tone": "brief"})
    api.invoked("drained", "1", thread_id=drained, user_id=user_id)
    api.invoked("other", "2", thread_id=other, user_id=f"{user_id}_2")
    layers.wait_stored(drained, 2)
    layers.wait_stored(other, 2)
    with queues.paused_drain():
        api.invoked("waiting", "3", thread_id=waiting, user_id=user_id)
        assert api.send("DELETE", f"/users/{user_id}").status_code == httpx.codes.NO_CONTENT
    queues.wait_empty()

    for thread in (drained, waiting):
        assert layers.conversations(thread) == []
        assert layers.cached(thread) == []
    assert api.preferences(user_id) == {}
    assert api.threads(user_id)["items"] == []
    assert layers.rows("select 1 from user_preferences where user_id = %s", user_id) == []
    assert layers.ttl(f"user:{user_id}:preferences") == -2
    assert api.contents(other) == ["other", "2"]


def test_a_deleted_users_id_can_name_a_new_user(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """After the deletion the same user id starts without data and can be used again."""
    api.run("Old words", thread_id=thread_id, user_id=user_id)
    api.send("DELETE", f"/users/{user_id}").raise_for_status()

    first = api.run("New words", thread_id=thread_id, user_id=user_id)
    second = api.run("More words", thread_id=thread_id, user_id=user_id)

    assert "Old words" not in first["response"] + second["response"]
    assert remembered(second["response"]) == ["New words"]
    layers.wait_stored(thread_id, 4)
    assert [item["thread_id"] for item in api.threads(user_id)["items"]] == [thread_id]


@pytest.mark.parametrize("times", [1, 2])
def test_deleting_an_unknown_user_succeeds(api: MemoryApi, user_id: str, times: int) -> None:
    """The deletion of an unknown user succeeds, even repeatedly."""
    for _ in range(times):
        assert api.send("DELETE", f"/users/{user_id}").status_code == httpx.codes.NO_CONTENT
