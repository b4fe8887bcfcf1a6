"""Preferences work over HTTP, in the Redis hash, in the table, and in the agent's instructions."""

import httpx

from tests.e2e.memory_api import MemoryApi
from tests.e2e.stores import Layers
from tests.support.offline_answers import followed_preferences

_TABLE = "select key, value from user_preferences where user_id = %s order by key"


def test_preferences_are_in_the_hash_and_in_the_table(api: MemoryApi, layers: Layers, user_id: str) -> None:
    """PUT stores preferences in both layers. In Redis they expire after 30 days."""
    assert api.put_preferences(user_id, {"tone": "brief", "language": "fr"}) == {"tone": "brief", "language": "fr"}

    with layers.redis() as client:
        assert client.hgetall(f"user:{user_id}:preferences") == {"tone": "brief", "language": "fr"}
    assert 0 < 30 * 86400 - layers.ttl(f"user:{user_id}:preferences") + 1 < 600
    assert layers.rows(_TABLE, user_id) == [("language", "fr"), ("tone", "brief")]
    assert api.preferences(user_id) == {"tone": "brief", "language": "fr"}


def test_put_replaces_and_patch_merges(api: MemoryApi, layers: Layers, user_id: str) -> None:
    """In both layers, PUT replaces all preferences, PATCH changes named preferences, and null removes a preference."""
    api.put_preferences(user_id, {"a": "1", "b": "2"})
    assert api.put_preferences(user_id, {"b": "3", "c": "4"}) == {"b": "3", "c": "4"}

    merged = api.call("PATCH", f"/users/{user_id}/preferences", json={"b": None, "c": "5", "d": "6"})

    assert merged == {"c": "5", "d": "6"}
    assert layers.rows(_TABLE, user_id) == [("c", "5"), ("d", "6")]
    with layers.redis() as client:
        assert client.hgetall(f"user:{user_id}:preferences") == {"c": "5", "d": "6"}


def test_deleted_preferences_are_in_no_layer(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """DELETE removes all preferences from both layers. The next turn gets no preferences."""
    api.put_preferences(user_id, {"tone": "brief"})

    assert api.send("DELETE", f"/users/{user_id}/preferences").status_code == httpx.codes.NO_CONTENT

    assert api.preferences(user_id) == {}
    assert layers.rows(_TABLE, user_id) == []
    assert layers.ttl(f"user:{user_id}:preferences") == -2
    assert _followed(api, thread_id, user_id) == []


def test_an_expired_hash_is_refilled(api: MemoryApi, layers: Layers, user_id: str) -> None:
    """If the hash has expired, PostgreSQL serves the preferences and Redis is refilled."""
    api.put_preferences(user_id, {"tone": "brief"})
    layers.delete_cached(f"user:{user_id}:preferences")

    context = api.invoking(user_id=user_id)

    assert (context["preferences"], context["source"]) == ({"tone": "brief"}, "postgres")
    with layers.redis() as client:
        assert client.hgetall(f"user:{user_id}:preferences") == {"tone": "brief"}
    assert layers.ttl(f"user:{user_id}:preferences") > 29 * 86400


def test_preferences_reach_the_agent_in_every_thread(api: MemoryApi, thread_id: str, user_id: str) -> None:
    """A change is in the next turn of every thread of the user."""
    api.put_preferences(user_id, {"tone": "brief"})
    assert _followed(api, thread_id, user_id) == ["tone: brief"]

    api.put_preferences(user_id, {"tone": "long"})

    assert _followed(api, f"{thread_id}_2", user_id) == ["tone: long"]


def test_an_unknown_user_has_no_preferences(api: MemoryApi, user_id: str) -> None:
    """An unknown user's preferences are an empty object, not an error."""
    assert api.preferences(user_id) == {}


def _followed(api: MemoryApi, thread_id: str, user_id: str) -> list[str]:
    """Return the preferences that the agent gets in a turn."""
    return followed_preferences(api.run("Hello", thread_id=thread_id, user_id=user_id)["response"])
