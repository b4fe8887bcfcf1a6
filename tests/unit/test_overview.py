"""`GET /overview` has in one response what the page watches, on in-memory stores."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.api import Api, problem
from tests.support.issuer import Issuer

PARTS = {"stores", "thread", "backlog", "threads", "preferences", "memories"}


def _append(api: Api, text: str, thread_id: str = "t") -> None:
    body = {"thread_id": thread_id, "user_id": "u", "user_message": text, "assistant_message": f"Re: {text}"}
    assert api.ask("POST", "/invoked", body).status_code == 202


def _drain(api: Api) -> None:
    received = api.queue.take()
    api.archive.store(received)
    api.cache.merge_stored(received)


def _overview(api: Api, query: str = "user_id=u&thread_id=t", **headers: str) -> dict[str, Any]:
    answer = api.ask("GET", f"/overview?{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def test_the_overview_has_what_the_other_routes_have(api: Api) -> None:
    """Each part equals the response of its own route."""
    _append(api, "one")
    _drain(api)
    _append(api, "two")
    api.ask("PUT", "/users/u/preferences", {"tone": "dry"})
    overview = _overview(api, "user_id=u&thread_id=t&messages=2&threads=1")
    assert overview.keys() == PARTS | {"problems", "as_of"}
    assert overview["problems"] == {}
    times = {"as_of", "lag_seconds", "sync_lag_seconds"}
    for name, path in (("thread", "/threads/t/layers?limit=2"), ("backlog", "/status")):
        alone, part = api.ask("GET", path).json(), overview[name]
        assert part.keys() == alone.keys()
        if name == "thread":
            assert {key: part[key] for key in part if key not in times} == {
                key: alone[key] for key in alone if key not in times
            }
    assert overview["thread"]["undrained"] == overview["backlog"]["queue"]["visible"] == 1
    assert overview["threads"] == api.ask("GET", "/threads?user_id=u&limit=1").json()
    assert overview["preferences"] == {"tone": "dry"}


def test_the_overview_has_only_the_included_parts(api: Api) -> None:
    """A query that includes some parts gets these parts. The thread is absent without its id."""
    assert _overview(api, "user_id=u&include=stores,preferences").keys() == {
        "stores",
        "preferences",
        "problems",
        "as_of",
    }
    assert "thread" not in _overview(api, "user_id=u")
    problem(api.ask("GET", "/overview?user_id=u&include=secrets"), 422, "include")
    problem(api.ask("GET", "/overview"), 422, "user_id")


def test_each_store_says_when_it_last_responded(api: Api) -> None:
    """A store that is down keeps the time at which it last responded, and the other parts are still there."""
    _append(api, "one")
    _drain(api)
    stores = _overview(api)["stores"]
    assert {name: store["state"] for name, store in stores.items()} == dict.fromkeys(
        ("redis", "postgres", "queue"), "ok"
    )
    heard = {name: datetime.fromisoformat(store["responded_at"]) for name, store in stores.items()}
    assert all(abs((datetime.now(UTC) - moment).total_seconds()) < 60 for moment in heard.values())
    api.archive.is_down = True
    overview = _overview(api)
    stores = overview["stores"]
    assert stores["postgres"]["state"] == "unavailable"
    assert datetime.fromisoformat(stores["postgres"]["responded_at"]) == heard["postgres"]
    assert datetime.fromisoformat(stores["redis"]["responded_at"]) > heard["redis"]
    assert overview["thread"]["postgres"]["state"] == "unavailable"
    assert overview["problems"].keys() == {"threads", "preferences", "memories"}
    assert overview["problems"]["threads"]["detail"].startswith("PostgreSQL is not responding, so nothing was read")


def test_a_store_that_has_never_responded_has_no_time(api: Api) -> None:
    """If a store has never responded to this process, the time is null."""
    api.queue.is_down = True
    assert _overview(api)["stores"]["queue"] == {"state": "unavailable", "responded_at": None}


def test_a_missing_thread_is_a_problem_of_its_part(api: Api) -> None:
    """A thread that does not exist is a problem of its part only."""
    overview = _overview(api, "user_id=u&thread_id=nothing")
    assert overview["problems"].keys() == {"thread"}
    assert overview["problems"]["thread"]["status"] == 404
    assert PARTS - overview.keys() == {"thread"}


def test_the_version_changes_with_the_memories(api: Api) -> None:
    """The version of the memories changes if and only if the memories change."""
    first = _overview(api)["memories"]
    assert _overview(api)["memories"] == first
    api.ask("POST", "/users/u/memories", {"text": "Lives in Rome"})
    second = _overview(api)["memories"]
    assert second != first
    assert _overview(api, "user_id=other")["memories"] == first


@pytest.mark.parametrize(("scope", "problems"), [("", {"backlog"}), ("memory:operator", set[str]())])
def test_only_operators_get_the_backlog(guarded_api: Api, issuer: Issuer, scope: str, problems: set[str]) -> None:
    """Other users get a problem for the backlog, and no overview of another user."""
    problem(guarded_api.ask("GET", "/overview"), 401)
    headers = {"Authorization": f"Bearer {issuer.token('ana', scope=scope)}"}
    overview = _overview(guarded_api, "user_id=ana", **headers)
    assert overview["problems"].keys() == problems
    assert ("backlog" in overview) is not bool(problems)
    if problems:
        assert overview["problems"]["backlog"]["status"] == 403
        problem(guarded_api.ask("GET", "/overview?user_id=bo", headers=headers), 403, "user_id")


def test_a_thread_of_another_user_does_not_exist(guarded_api: Api, issuer: Issuer) -> None:
    """The overview shows no thread of another user."""
    headers = {name: {"Authorization": f"Bearer {issuer.token(name)}"} for name in ("ana", "bo")}
    body = {"thread_id": "t", "user_message": "secret", "assistant_message": "a"}
    assert guarded_api.ask("POST", "/invoked", body, headers=headers["ana"]).status_code == 202
    assert _overview(guarded_api, "thread_id=t", **headers["ana"])["thread"]["redis"]["message_count"] == 2
    overview = _overview(guarded_api, "thread_id=t", **headers["bo"])
    assert (overview["problems"]["thread"]["status"], "secret" in str(overview)) == (404, False)
