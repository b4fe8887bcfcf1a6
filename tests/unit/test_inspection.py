"""`GET /threads/{thread_id}/layers` and `GET /status` describe in-memory stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.memory.inspection import BacklogStatus
from shared.stores.derivations import MEMORIES
from shared.stores.inspectors import QueueCounts
from tests.support.api import Api, problem
from tests.support.issuer import Issuer

DAY = 86_400


def _append(api: Api, *texts: str, thread_id: str = "t") -> None:
    for text in texts:
        body = {"thread_id": thread_id, "user_id": "u", "user_message": text, "assistant_message": f"Re: {text}"}
        assert api.ask("POST", "/invoked", body).status_code == 202


def _drain(api: Api) -> None:
    received = api.queue.take()
    api.archive.store(received)
    api.cache.merge_stored(received)


def _layers(api: Api, query: dict[str, str] | None = None) -> dict[str, Any]:
    answer = api.ask("GET", "/threads/t/layers", query=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def _previews(layer: dict[str, Any]) -> list[str]:
    return [message["preview"] for message in layer["messages"]]


def _age(moment: str) -> float:
    return abs((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def test_undrained_messages_are_marked(api: Api) -> None:
    """The response marks undrained messages. PostgreSQL has only the first of two exchanges."""
    _append(api, "one")
    _drain(api)
    _append(api, "two")
    layers = _layers(api)
    assert layers["thread_id"] == "t"
    assert _previews(layers["redis"]) == ["one", "Re: one", "two", "Re: two"]
    assert [message["is_drained"] for message in layers["redis"]["messages"]] == [True, True, False, False]
    assert _previews(layers["postgres"]) == ["one", "Re: one"]
    assert (layers["redis"]["state"], layers["redis"]["message_count"], layers["redis"]["ttl_seconds"]) == (
        "ok",
        4,
        DAY,
    )
    assert (layers["postgres"]["state"], layers["postgres"]["message_count"]) == ("ok", 2)
    assert layers["undrained"] == 1
    assert 0 <= layers["lag_seconds"] < 60
    assert _age(layers["as_of"]) < 60


def test_stored_messages_have_the_time_of_their_storage(api: Api) -> None:
    """PostgreSQL's messages have the times of acceptance and of storage. A replacement has a new time of storage."""
    _append(api, "one")
    assert _layers(api)["window"] == 50
    _drain(api)
    first, _ = _layers(api)["postgres"]["messages"]
    assert first["accepted_at"] == first["created_at"] < first["stored_at"]
    assert (_age(first["stored_at"]) < 60, first["revision"]) == (True, 0)
    body = {"user_message": "two", "assistant_message": "Re: two"}
    assert api.ask("PUT", f"/threads/t/exchanges/{first['exchange_id']}", body).status_code == 202
    second, _ = _layers(api)["postgres"]["messages"]
    assert (second["revision"], second["accepted_at"]) == (1, first["accepted_at"])
    assert second["stored_at"] > first["stored_at"]


def test_the_lag_is_zero_if_all_is_drained(api: Api) -> None:
    """The lag is zero if every exchange is drained."""
    _append(api, "one", "two")
    _drain(api)
    layers = _layers(api)
    assert (layers["undrained"], layers["lag_seconds"]) == (0, 0)
    assert all(message["is_drained"] for message in layers["redis"]["messages"])


def test_the_response_has_the_newest_messages(api: Api) -> None:
    """The response has the newest messages of a long thread, oldest first.

    Older messages in PostgreSQL do not count as undrained.
    """
    _append(api, "one", "two", "three")
    _drain(api)
    layers = _layers(api, {"limit": "2"})
    assert _previews(layers["redis"]) == _previews(layers["postgres"]) == ["three", "Re: three"]
    assert (layers["redis"]["message_count"], layers["postgres"]["message_count"]) == (6, 6)
    assert layers["undrained"] == 0


def test_stored_exchanges_do_not_count_as_undrained(api: Api) -> None:
    """A stored exchange does not count as undrained, even if Redis still lists it as undrained."""
    _append(api, "one", "two", "three")
    undrained = dict(api.cache.undrained["t"])
    _drain(api)
    api.cache.undrained["t"] = undrained
    for limit in ("2", "200"):
        layers = _layers(api, {"limit": limit})
        assert (layers["undrained"], layers["lag_seconds"]) == (0, 0)
        assert all(message["is_drained"] for message in layers["redis"]["messages"])


def test_long_texts_are_cut(api: Api) -> None:
    """The response cuts long texts, because an inspector polls every other second."""
    _append(api, "x" * 100_000)
    assert [len(preview) for preview in _previews(_layers(api)["redis"])] == [160, 160]


def test_the_lag_is_unknown_without_redis(api: Api) -> None:
    """Without Redis, the response shows PostgreSQL's messages, and the lag is unknown."""
    _append(api, "one")
    _drain(api)
    api.cache.is_down = True
    layers = _layers(api)
    assert layers["redis"] == {"state": "unavailable", "message_count": 0, "ttl_seconds": None, "messages": []}
    assert _previews(layers["postgres"]) == ["one", "Re: one"]
    assert layers["lag_seconds"] is None


def test_redis_messages_are_shown_without_postgresql(api: Api) -> None:
    """Without PostgreSQL, the response shows Redis's messages with their last known drain state."""
    _append(api, "one")
    _drain(api)
    _append(api, "two")
    api.archive.is_down = True
    layers = _layers(api)
    assert [message["is_drained"] for message in layers["redis"]["messages"]] == [True, True, False, False]
    assert layers["postgres"] == {"state": "unavailable", "message_count": 0, "messages": []}
    assert (layers["undrained"], layers["lag_seconds"]) == (1, None)


def test_undrained_exchanges_are_known_without_the_list(api: Api) -> None:
    """Without the list, the inspector still knows the undrained exchanges."""
    _append(api, "one")
    api.cache.lose_thread("t")
    layers = _layers(api)
    assert layers["redis"] == {"state": "ok", "message_count": 0, "ttl_seconds": None, "messages": []}
    assert layers["undrained"] == 1


def test_a_foreign_entry_has_an_unknown_drain_state(api: Api) -> None:
    """The drain state of another program's entry is unknown."""
    _append(api, "one")
    _drain(api)
    api.cache.lists["t"].append(b'{"role":"user","content":"hand-made"}')
    last = _layers(api)["redis"]["messages"][-1]
    assert last == {
        "role": "user",
        "preview": "hand-made",
        "exchange_id": None,
        "created_at": None,
        "is_drained": None,
    }


def test_an_unknown_thread_returns_a_404(api: Api) -> None:
    """A thread that both layers lack returns a 404. If one layer does not respond, the request returns a 503."""
    problem(api.ask("GET", "/threads/t/layers"), 404)
    api.cache.is_down = True
    problem(api.ask("GET", "/threads/t/layers"), 503)
    api.cache.is_down, api.archive.is_down = False, True
    problem(api.ask("GET", "/threads/t/layers"), 503)


def test_invalid_query_parameters_are_refused(api: Api) -> None:
    """The API refuses an invalid query parameter, and the problem names the parameter."""
    problem(api.ask("GET", "/threads/t/layers", query={"limit": "0"}), 422, "limit")
    problem(api.ask("GET", "/threads/t/layers", query={"window": "2"}), 422, "window")


def test_inspection_changes_nothing(api: Api) -> None:
    """The inspector does not refill lists and does not receive messages."""
    _append(api, "one")
    _drain(api)
    api.cache.lists.clear()
    _layers(api)
    assert not api.cache.lists


@pytest.mark.parametrize("thread_id", ["a/b", "layers", "x/layers"])
def test_any_thread_id_is_one_path_segment(api: Api, thread_id: str) -> None:
    """Any thread id works as one encoded path segment."""
    _append(api, "one", thread_id=thread_id)
    answer = api.ask("GET", f"/threads/{thread_id.replace('/', '%2F')}/layers")
    assert answer.json()["thread_id"] == thread_id


def test_status_has_message_counts_and_ages(api: Api) -> None:
    """The response has the number of messages in each queue, and the age of the oldest message."""
    _append(api, "one", "two")
    status = api.ask("GET", "/status").json()
    assert (status["queue"]["visible"], status["queue"]["in_flight"], status["queue"]["delayed"]) == (2, 0, 0)
    assert 0 <= status["queue"]["oldest_age_seconds"] < 60
    empty = {"visible": 0, "in_flight": 0, "delayed": 0, "oldest_age_seconds": None}
    assert (status["dlq"], status["outbox"], status["degraded"]) == (empty, empty, [])
    assert status["sync_lag_seconds"] == status["queue"]["oldest_age_seconds"]
    assert _age(status["as_of"]) < 60
    _drain(api)
    assert api.ask("GET", "/status").json()["sync_lag_seconds"] == 0


def test_status_has_the_lag_of_learning(api: Api) -> None:
    """The response has for how long exchanges wait to be learned from. Postponed threads do not count."""
    assert api.ask("GET", "/status").json()["learn_lag_seconds"] == 0
    api.archive.due[MEMORIES, "t"] = datetime.now(UTC) - timedelta(seconds=7)
    assert 7 <= api.ask("GET", "/status").json()["learn_lag_seconds"] < 60
    api.archive.due[MEMORIES, "t"] = datetime.now(UTC) + timedelta(hours=1)
    assert api.ask("GET", "/status").json()["learn_lag_seconds"] == 0
    api.archive.is_down = True
    status = api.ask("GET", "/status").json()
    assert (status["learn_lag_seconds"], status["degraded"]) == (None, ["postgres"])


def test_values_of_stores_that_are_down_are_null(api: Api) -> None:
    """The values of a store that is down are null and never 0."""
    api.queue.is_down = api.cache.is_down = True
    status = api.ask("GET", "/status").json()
    assert {name: status[name] for name in ("queue", "dlq", "outbox", "sync_lag_seconds", "degraded")} == {
        "queue": None,
        "dlq": None,
        "outbox": None,
        "sync_lag_seconds": None,
        "degraded": ["queue", "redis"],
    }


def test_the_lag_is_unknown_while_messages_wait_in_sqs() -> None:
    """If messages wait in SQS, the lag is unknown, because SQS does not report their age."""
    now = datetime.now(UTC)
    empty, hidden = QueueCounts(0), QueueCounts(3)
    assert BacklogStatus(hidden, empty, empty, as_of=now).lag_seconds is None
    assert BacklogStatus(empty, hidden, empty, as_of=now).lag_seconds == 0
    outbox = QueueCounts(1, oldest=now - timedelta(seconds=7))
    assert BacklogStatus(empty, empty, outbox, as_of=now).lag_seconds == pytest.approx(7)


def test_status_is_for_operators(guarded_api: Api, issuer: Issuer) -> None:
    """Only operators may read the status, because it shows other users' traffic."""
    problem(guarded_api.ask("GET", "/status"), 401)
    for scope, status in {"": 403, "memory:read": 403, "memory:operator": 200}.items():
        token = issuer.token("ana", scope=scope)
        assert guarded_api.ask("GET", "/status", headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_the_page_needs_no_token(guarded_api: Api) -> None:
    """The page needs no token, because it contains no data. The page asks the user for the token."""
    assert guarded_api.ask("GET", "/").status_code == 200
    problem(guarded_api.ask("GET", "/assets/none.js"), 404)
