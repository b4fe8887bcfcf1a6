"""Any valid id of a thread or user is one key, one row and one path segment."""

from uuid import uuid4

import httpx
import pytest

from tests.e2e.memory_api import MemoryApi, segment
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.support.offline_answers import followed_preferences, remembered

_KINDS = [
    pytest.param("a/b", id="slash"),
    pytest.param("a/messages", id="slash and a route's ending"),
    pytest.param("a/preferences", id="slash and another route's ending"),
    pytest.param("../threads/..", id="dots"),
    pytest.param("100%", id="percent"),
    pytest.param("a%2Fb", id="percent encoding"),
    pytest.param("a+b&c=d?e#f;g", id="query characters"),
    pytest.param("with space", id="space"),
    pytest.param('it\'s "quoted" \\ `so`', id="quotes"),
    pytest.param("'; drop table messages; --", id="SQL"),
    pytest.param("{a}:messages", id="braces and colon"),
    pytest.param("*[a-z]?", id="glob"),
    pytest.param("Zoë-名前-🧠", id="unicode"),
    pytest.param("שלום", id="right-to-left"),
]
# An id has at most 255 characters, and `_unique` adds 33. A 🧠 has four bytes in UTF-8, the maximum of a character.
_LONGEST = "🧠" * (255 - 33)


def _unique(kind: str) -> str:
    return f"{uuid4().hex}-{kind}"


@pytest.mark.parametrize("kind", [*_KINDS, pytest.param(_LONGEST, id="255 emoji")])
def test_a_thread_may_have_any_printable_id(api: MemoryApi, layers: Layers, queues: Queues, kind: str) -> None:
    """A thread with this id is written, loaded, read, renamed, listed and deleted."""
    thread_id = _unique(kind)
    user_id = uuid4().hex
    api.run("Hello", thread_id=thread_id, user_id=user_id)
    response = api.run("Again", thread_id=thread_id, user_id=user_id)

    assert response["thread_id"] == thread_id
    assert "Hello" in remembered(response["response"])
    assert len(layers.cached(thread_id)) == 4
    layers.wait_stored(thread_id, 4)
    assert [item["thread_id"] for item in api.threads(user_id)["items"]] == [thread_id]
    assert api.thread(thread_id)["thread_id"] == thread_id
    assert api.contents(thread_id) == layers.stored_contents(thread_id)
    assert api.call("PATCH", f"/threads/{segment(thread_id)}", json={"title": "New"})["title"] == "New"
    api.delete_thread(thread_id)
    queues.wait_empty()
    assert layers.cached(thread_id) == []
    assert layers.conversations(thread_id) == []
    assert api.send("GET", f"/threads/{segment(thread_id)}").status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize("kind", [*_KINDS, pytest.param(_LONGEST, id="255 emoji")])
def test_a_user_may_have_any_printable_id(api: MemoryApi, layers: Layers, thread_id: str, kind: str) -> None:
    """A user with this id has preferences, which the agent gets, and which are deleted with the user."""
    user_id = _unique(kind)

    assert api.put_preferences(user_id, {"tone": "brief"}) == {"tone": "brief"}

    with layers.redis() as client:
        assert client.hgetall(f"user:{user_id}:preferences") == {"tone": "brief"}
    assert api.preferences(user_id) == {"tone": "brief"}
    answer = api.run("Hello", thread_id=thread_id, user_id=user_id)["response"]
    assert followed_preferences(answer) == ["tone: brief"]
    layers.wait_stored(thread_id, 2)
    assert [item["thread_id"] for item in api.threads(user_id)["items"]] == [thread_id]
    assert api.send("DELETE", f"/users/{segment(user_id)}").status_code == httpx.codes.NO_CONTENT
    assert api.preferences(user_id) == {}
    assert layers.conversations(thread_id) == []


def test_ids_that_look_alike_are_different(api: MemoryApi) -> None:
    """Encoding, case, surrounding spaces and Unicode normalisation distinguish ids."""
    base = uuid4().hex
    ids = [base + end for end in ("a/b", "a%2Fb", "a%252Fb", "A/B", "é", "e\N{COMBINING ACUTE ACCENT}", " ", "")]
    for number, thread_id in enumerate(ids):
        api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id)

    for number, thread_id in enumerate(ids):
        assert api.contents(thread_id) == [f"question {number}", f"answer {number}"]


def test_preferences_may_have_any_text(api: MemoryApi, layers: Layers, user_id: str) -> None:
    """Names and values of preferences are unchanged in both layers."""
    preferences = {"naïve key 🗝": "שלום\nworld", "a:b/c%20": "", "quote'\"": "\\ {} %s"}

    assert api.put_preferences(user_id, preferences) == preferences

    with layers.redis() as client:
        assert client.hgetall(f"user:{user_id}:preferences") == preferences
    layers.delete_cached(f"user:{user_id}:preferences")
    assert api.preferences(user_id) == preferences
