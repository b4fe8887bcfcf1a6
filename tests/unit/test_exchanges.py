"""The API replaces and deletes single exchanges over HTTP, on in-memory stores."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.models import Exchange
from tests.support.api import Api, problem
from tests.support.issuer import Issuer, bearer

REPLACEMENT = {"user_message": "new question", "assistant_message": "new answer"}


def _append(api: Api, number: int, thread_id: str = "t") -> str:
    body = {"thread_id": thread_id, "user_message": f"q{number}", "assistant_message": f"a{number}"}
    exchange_id: str = api.ask("POST", "/invoked", body).json()["exchange_id"]
    return exchange_id


def _drain(api: Api) -> None:
    api.cache.merge_stored(api.archive.store(api.queue.take()).effective)


def _path(exchange_id: object, thread_id: str = "t") -> str:
    return f"/threads/{thread_id}/exchanges/{exchange_id}"


def _context(api: Api) -> list[str]:
    messages = api.ask("POST", "/invoking", {"thread_id": "t"}).json()["messages"]
    return [message["content"] for message in messages]


def _messages(api: Api) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.ask("GET", "/threads/t/messages").json()["items"]
    return items


@pytest.fixture(params=["drained", "queued"])
def exchange_ids(api: Api, request: pytest.FixtureRequest) -> list[str]:
    """Store three exchanges of thread `t`, in PostgreSQL or only queued."""
    exchange_ids = [_append(api, number) for number in range(3)]
    if request.param == "drained":
        _drain(api)
    return exchange_ids


def test_a_replaced_exchange_keeps_its_position(api: Api, exchange_ids: list[str]) -> None:
    """The replaced exchange keeps its id and time, and later exchanges stay.

    A queued body with the old text changes nothing.
    """
    before = _messages(api)
    answer = api.ask("PUT", _path(exchange_ids[1]), {**REPLACEMENT, "metadata": {"edited": True}})
    assert (answer.status_code, answer.json()) == (
        202,
        {"exchange_id": exchange_ids[1], "durability": "postgres", "cached": True},
    )
    for _ in range(2):
        assert _context(api) == ["q0", "a0", "new question", "new answer", "q2", "a2"]
        after = _messages(api)
        assert [message["exchange_id"] for message in after] == [message["exchange_id"] for message in before]
        assert [message["created_at"] for message in after] == [message["created_at"] for message in before]
        assert [message.get("revision", 0) for message in after] == [0, 0, 1, 1, 0, 0]
        assert (after[2]["content"], after[2]["metadata"]) == ("new question", {"edited": True})
        _drain(api)
    assert api.ask("PUT", _path(exchange_ids[1]), REPLACEMENT).status_code == 202
    assert [message.get("revision", 0) for message in _messages(api)] == [0, 0, 2, 2, 0, 0]
    assert "metadata" not in _messages(api)[2]


def test_a_deleted_exchange_stays_deleted(api: Api, exchange_ids: list[str]) -> None:
    """No layer has a deleted exchange. A queued or redelivered copy does not restore the exchange."""
    bodies = list(api.queue.bodies)
    answer = api.ask("DELETE", _path(exchange_ids[1]))
    assert (answer.status_code, answer.content) == (204, b"")
    for _ in range(2):
        assert _context(api) == ["q0", "a0", "q2", "a2"]
        assert [message["content"] for message in _messages(api)] == ["q0", "a0", "q2", "a2"]
        api.queue.bodies += bodies
        _drain(api)
    for method, body in (("PUT", REPLACEMENT), ("DELETE", None)):
        problem(api.ask(method, _path(exchange_ids[1]), body), 404)
    body = {
        "thread_id": "t",
        "exchange_id": exchange_ids[1],
        "user_message": "repeated",
        "assistant_message": "repeated",
    }
    answer = api.ask("POST", "/invoked", body)
    assert (answer.status_code, answer.json()["durability"]) == (202, "none")
    assert _context(api) == ["q0", "a0", "q2", "a2"]


def test_a_thread_without_exchanges_has_no_title(api: Api) -> None:
    """After the deletion of its only exchange, a thread has no title. The next exchange sets the title."""
    first = _append(api, 0)
    assert api.ask("DELETE", _path(first)).status_code == 204
    thread = api.ask("GET", "/threads/t").json()
    assert (thread["message_count"], thread["title"]) == (0, None)
    assert _messages(api) == []
    _append(api, 1)
    _drain(api)
    assert api.ask("GET", "/threads/t").json()["title"] == "q1"
    assert _context(api) == ["q1", "a1"]


def test_only_automatic_titles_change(api: Api, exchange_ids: list[str]) -> None:
    """A title that was made from an exchange changes with this exchange. A title that a user set stays."""
    api.ask("PUT", _path(exchange_ids[0]), REPLACEMENT)
    assert api.ask("GET", "/threads/t").json()["title"] == "new question"
    _drain(api)
    api.ask("DELETE", _path(exchange_ids[0]))
    assert api.ask("GET", "/threads/t").json()["title"] == "q1"
    api.ask("PATCH", "/threads/t", {"title": "Mine"})
    api.ask("DELETE", _path(exchange_ids[1]))
    assert api.ask("GET", "/threads/t").json()["title"] == "Mine"


def test_unknown_exchanges_return_a_404(api: Api, exchange_ids: list[str]) -> None:
    """An id that is not in this thread returns a 404. An invalid id or text returns a 422."""
    for path in (_path(uuid4()), _path(exchange_ids[0], "other")):
        problem(api.ask("PUT", path, REPLACEMENT), 404)
        problem(api.ask("DELETE", path), 404)
    problem(api.ask("PUT", _path("no-id"), REPLACEMENT), 422, "exchange_id")
    problem(api.ask("DELETE", _path("no-id")), 422, "exchange_id")
    problem(api.ask("PUT", _path(exchange_ids[0]), {"user_message": "x"}), 422, "assistant_message")
    problem(api.ask("PUT", _path(exchange_ids[0]), {**REPLACEMENT, "user_message": "\0"}), 422, "user_message")
    problem(api.ask("PUT", _path(exchange_ids[0]), {**REPLACEMENT, "other": 1}), 422, "other")
    assert _context(api) == ["q0", "a0", "q1", "a1", "q2", "a2"]


def test_another_users_thread_is_not_found(guarded_api: Api, issuer: Issuer) -> None:
    """The response for another user's thread is the same as for a missing thread."""
    ana, bob = (bearer(issuer.token(name)) for name in ("ana", "bob"))
    body = {"thread_id": "t", "user_message": "q0", "assistant_message": "a0"}
    exchange_id = guarded_api.ask("POST", "/invoked", body, headers=ana).json()["exchange_id"]
    for is_drained in (False, True):
        if is_drained:
            _drain(guarded_api)
        for method, change in (("PUT", REPLACEMENT), ("DELETE", None)):
            other_users = problem(guarded_api.ask(method, _path(exchange_id), change, headers=bob), 404)
            absent = problem(guarded_api.ask(method, _path(exchange_id, "absent"), change, headers=bob), 404)
            assert other_users == absent
    assert guarded_api.ask("PUT", _path(exchange_id), REPLACEMENT, headers=ana).status_code == 202
    assert guarded_api.ask("DELETE", _path(exchange_id), headers=ana).status_code == 204


def test_the_queue_takes_replacements_without_postgresql(api: Api, exchange_ids: list[str]) -> None:
    """Without PostgreSQL, the queue takes the replacement of an exchange that Redis has.

    A deletion returns a 503. The replacement of an exchange that Redis does not have returns a 503, too.
    """
    _context(api)
    api.archive.is_down = True
    answer = api.ask("PUT", _path(exchange_ids[1]), REPLACEMENT).json()
    assert answer == {"exchange_id": exchange_ids[1], "durability": "queue", "cached": True, "degraded": ["postgres"]}
    assert _context(api) == ["q0", "a0", "new question", "new answer", "q2", "a2"]
    problem(api.ask("DELETE", _path(exchange_ids[1])), 503)
    problem(api.ask("PUT", _path(uuid4()), REPLACEMENT), 503)
    api.archive.is_down = False
    layers = api.ask("GET", "/threads/t/layers").json()
    assert [message["is_drained"] for message in layers["redis"]["messages"]][2:4] == [False, False]
    api.archive.is_down = api.queue.is_down = True
    assert api.ask("PUT", _path(exchange_ids[2]), REPLACEMENT).json()["durability"] == "redis"
    api.archive.is_down = api.queue.is_down = False
    api.cache.lose_thread("t")
    assert _context(api)[2:] == ["new question", "new answer", "new question", "new answer"]
    bodies = [*api.queue.bodies, *api.cache.outbox_bodies]
    api.queue.bodies = bodies[::-1]
    _drain(api)
    assert [each.user_message for each in api.archive.exchanges("t")] == ["q0", "new question", "new question"]
    assert [each.revision for each in api.archive.exchanges("t")] == [0, 1, 1]


def test_postgresql_has_the_change_without_redis(api: Api) -> None:
    """Without Redis, PostgreSQL has the change and records that Redis needs an update.

    A deletion returns a 503 and is still complete in PostgreSQL.
    """
    exchange_ids = [_append(api, number) for number in range(3)]
    _drain(api)
    _context(api)
    api.cache.is_down = True
    answer = api.ask("PUT", _path(exchange_ids[1]), REPLACEMENT).json()
    assert answer == {"exchange_id": exchange_ids[1], "durability": "postgres", "cached": False, "degraded": ["redis"]}
    problem(api.ask("DELETE", _path(exchange_ids[0])), 503)
    problem(api.ask("PUT", _path(uuid4()), REPLACEMENT), 503)
    api.cache.is_down = False
    assert _context(api) == ["new question", "new answer", "q2", "a2"]
    assert [(invalidation.kind, invalidation.id) for invalidation in api.archive.invalidations(9)] == [("thread", "t")]
    problem(api.ask("DELETE", _path(exchange_ids[0])), 404)


def test_a_replacing_turn_uses_the_earlier_history(api: Api, exchange_ids: list[str]) -> None:
    """A replacing turn's agent gets the history before the replaced exchange.

    The new answer takes the position of the replaced exchange.
    """
    body = {"thread_id": "t", "prompt": "better", "replaces": exchange_ids[1]}
    answer = api.ask("POST", "/run", body).json()
    assert answer["exchange_id"] == exchange_ids[1]
    assert "q0" in answer["response"]
    assert "q1" not in answer["response"]
    assert "q2" not in answer["response"]
    assert _context(api) == ["q0", "a0", "better", answer["response"], "q2", "a2"]
    first = api.ask("POST", "/run", {**body, "replaces": exchange_ids[0]}).json()
    assert first["memory"]["source"] == "none"
    problem(api.ask("POST", "/run", {**body, "replaces": str(uuid4())}), 404)
    api.ask("DELETE", _path(exchange_ids[1]))
    problem(api.ask("POST", "/run", body), 404)


def test_a_turn_replaces_only_exchanges_of_its_thread(api: Api, exchange_ids: list[str]) -> None:
    """A turn may replace only an exchange of its own thread.

    If the request has an exchange id, it must be the id of the replaced exchange.
    """
    body = {"prompt": "better", "replaces": exchange_ids[0]}
    problem(api.ask("POST", "/run", body), 422, "replaces")
    problem(api.ask("POST", "/run", {**body, "thread_id": "t", "exchange_id": str(uuid4())}), 422, "replaces")
    problem(api.ask("POST", "/run", {**body, "thread_id": "other"}), 404)
    assert api.ask("POST", "/run", {**body, "thread_id": "t", "exchange_id": exchange_ids[0]}).status_code == 200


def test_a_retried_replacing_turn_is_a_replay(api: Api, exchange_ids: list[str]) -> None:
    """A retry of a replacing turn returns the first response. The exchange is replaced only once.

    After the deletion of the exchange, the retry returns a 422.
    """
    body, key = {"thread_id": "t", "prompt": "better", "replaces": exchange_ids[1]}, {"idempotency-key": "k"}
    first = api.ask("POST", "/run", body, headers=key)
    repeated = api.ask("POST", "/run", body, headers=key)
    assert (repeated.json(), repeated.headers["idempotent-replayed"]) == (first.json(), "true")
    assert [message.get("revision", 0) for message in _messages(api)] == [0, 0, 1, 1, 0, 0]
    problem(api.ask("POST", "/run", {**body, "replaces": exchange_ids[0]}, headers=key), 422)
    api.ask("DELETE", _path(exchange_ids[1]))
    problem(api.ask("POST", "/run", body, headers=key), 422)


def test_the_response_of_a_deleted_exchange_is_not_replayed(api: Api) -> None:
    """After the deletion of an exchange, the API does not replay the response for the exchange's idempotency key."""
    body, key = {"thread_id": "t", "prompt": "hello"}, {"idempotency-key": "k"}
    exchange_id = api.ask("POST", "/run", body, headers=key).json()["exchange_id"]
    assert api.ask("POST", "/run", body, headers=key).status_code == 200
    assert api.ask("DELETE", _path(exchange_id)).status_code == 204
    problem(api.ask("POST", "/run", body, headers=key), 422)


def test_only_a_replacements_body_has_a_revision() -> None:
    """Only a replacement's body has a revision (the number of replacements) and its own version number.

    An earlier release's drain refuses this version. Otherwise it would store the replacement as a duplicate.
    """
    exchange = Exchange.from_wire(
        b'{"version":1,"exchange_id":"%s","thread_id":"t","user_id":null,"user_message":"q","assistant_message":"a",'
        b'"document_ids":[],"created_at":"2026-01-01T00:00:00Z"}' % str(UUID(int=7)).encode()
    )
    assert '"version":1' in exchange.to_wire()
    assert "revision" not in exchange.to_wire()
