"""Invalid input returns a problem that names the field, and stores nothing."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers

_THREAD = f"bad_{uuid4().hex}"
_USER = f"bad_{uuid4().hex}"
_LONG_ID = "x" * 300
_TURN = {"prompt": "Hello", "thread_id": _THREAD}
_EXCHANGE = {"user_message": "Hello", "assistant_message": "Hi", "thread_id": _THREAD}


@dataclass(frozen=True)
class InvalidRequest:
    """A request that must be refused.

    Attributes:
        name: The invalid field, or None if the whole body is invalid.
        body: Bytes are sent unchanged. Other values are sent as JSON.
    """

    name: str | None
    status: int
    method: str
    path: str
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)


def _run(name: str | None, status: int, body: Any) -> InvalidRequest:
    return InvalidRequest(name, status, "POST", "/run", body)


def _invoked(name: str | None, status: int, body: Any) -> InvalidRequest:
    return InvalidRequest(name, status, "POST", "/invoked", body)


def _put(name: str | None, status: int, body: Any) -> InvalidRequest:
    return InvalidRequest(name, status, "PUT", f"/users/{_USER}/preferences", body)


def _escaped(fields: dict[str, Any], text: str) -> bytes:
    """Return JSON with a character in escaped form only."""
    return json.dumps(fields).replace("ESCAPED", text).encode()


_FORGED = base64.urlsafe_b64encode(b'["00000000-0000-0000-0000-000000000000",0]').decode()
_INVALID_REQUESTS = {
    "run: no body": _run(None, 400, b""),
    "run: not JSON": _run(None, 400, b"{prompt: 'Hello'}"),
    "run: cut short": _run(None, 400, b'{"prompt": "Hel'),
    "run: a list": _run(None, 422, [_TURN]),
    "run: a string": _run(None, 422, "Hello"),
    "run: no prompt": _run("prompt", 422, {"thread_id": _THREAD}),
    "run: empty prompt": _run("prompt", 422, _TURN | {"prompt": ""}),
    "run: null prompt": _run("prompt", 422, _TURN | {"prompt": None}),
    "run: number as prompt": _run("prompt", 422, _TURN | {"prompt": 17}),
    "run: NUL in prompt": _run("prompt", 422, _TURN | {"prompt": "a\x00b"}),
    "run: surrogate in prompt": _run("prompt", 422, _escaped(_TURN | {"prompt": "ESCAPED"}, r"\ud83d")),
    "run: 250,000 characters": _run("prompt", 413, _TURN | {"prompt": "x" * 250_000}),
    "run: 200,001 characters": _run("prompt", 413, _TURN | {"prompt": "x" * 200_001}),
    "run: unknown agent": _run("agent_name", 422, _TURN | {"agent_name": "nobody"}),
    "run: agent of wrong type": _run("agent_name", 422, _TURN | {"agent_name": ["assistant"]}),
    "run: unknown tool": _run("tools", 422, _TURN | {"tools": ["format_disk"]}),
    "run: tools of wrong type": _run("tools", 422, _TURN | {"tools": "current_time"}),
    "run: NUL in instructions": _run("instructions", 422, _TURN | {"instructions": "\x00"}),
    "run: long thread id": _run("thread_id", 422, _TURN | {"thread_id": _LONG_ID}),
    "run: empty thread id": _run("thread_id", 422, _TURN | {"thread_id": ""}),
    "run: number as thread id": _run("thread_id", 422, _TURN | {"thread_id": 17}),
    "run: line break in thread id": _run("thread_id", 422, _TURN | {"thread_id": "a\nb"}),
    "run: surrogate in thread id": _run("thread_id", 422, _escaped(_TURN | {"thread_id": "ESCAPED"}, r"\udc00")),
    "run: long user id": _run("user_id", 422, _TURN | {"user_id": _LONG_ID}),
    "run: NUL in user id": _run("user_id", 422, _TURN | {"user_id": "a\x00"}),
    "run: long document id": _run("document_ids.0", 422, _TURN | {"document_ids": [_LONG_ID]}),
    "run: documents of wrong type": _run("document_ids", 422, _TURN | {"document_ids": "doc_1"}),
    "run: misspelt field": _run("threadid", 422, _TURN | {"threadid": "x"}),
    "invoking: long thread id": InvalidRequest("thread_id", 422, "POST", "/invoking", {"thread_id": _LONG_ID}),
    "invoking: not JSON": InvalidRequest(None, 400, "POST", "/invoking", b"thread_id=1"),
    "invoked: no answer": _invoked("assistant_message", 422, {"thread_id": _THREAD, "user_message": "Hello"}),
    "invoked: no question": _invoked("user_message", 422, {"thread_id": _THREAD, "assistant_message": "Hi"}),
    "invoked: NUL in answer": _invoked("assistant_message", 422, _EXCHANGE | {"assistant_message": "\x00"}),
    "invoked: 250,000 characters": _invoked("assistant_message", 413, _EXCHANGE | {"assistant_message": "x" * 250_000}),
    "invoked: no UUID": _invoked("exchange_id", 422, _EXCHANGE | {"exchange_id": "17"}),
    "invoked: from the future": _invoked(
        "exchange_id", 422, _EXCHANGE | {"exchange_id": "ffffffff-ffff-7fff-bfff-ffffffffffff"}
    ),
    "put: not JSON": _put(None, 400, b"tone=brief"),
    "put: a list": _put(None, 422, ["tone"]),
    "put: number as value": _put("tone", 422, {"tone": 17}),
    "put: null as value": _put("tone", 422, {"tone": None}),
    "put: nested": _put("tone", 422, {"tone": {"day": "brief"}}),
    "put: NUL in value": _put("tone", 422, {"tone": "\x00"}),
    "put: surrogate in value": _put("tone", 422, _escaped({"tone": "ESCAPED"}, r"\ud83d")),
    "put: NUL in key": _put("", 422, {"to\x00ne": "brief"}),
    "put: long user id": InvalidRequest("user_id", 422, "PUT", f"/users/{_LONG_ID}/preferences", {"tone": "brief"}),
    "patch: number as value": InvalidRequest("tone", 422, "PATCH", f"/users/{_USER}/preferences", {"tone": 1.5}),
    "title: empty": InvalidRequest("title", 422, "PATCH", f"/threads/{_THREAD}", {"title": ""}),
    "title: missing": InvalidRequest("title", 422, "PATCH", f"/threads/{_THREAD}", {}),
    "title: too long": InvalidRequest("title", 422, "PATCH", f"/threads/{_THREAD}", {"title": "x" * 501}),
    "title: NUL": InvalidRequest("title", 422, "PATCH", f"/threads/{_THREAD}", {"title": "\x00"}),
    "threads: no user": InvalidRequest("user_id", 422, "GET", "/threads"),
    "threads: huge limit": InvalidRequest(
        "limit", 422, "GET", "/threads", None, {"user_id": _USER, "limit": "1000000"}
    ),
    "threads: limit 0": InvalidRequest("limit", 422, "GET", "/threads", None, {"user_id": _USER, "limit": "0"}),
    "threads: limit is not a number": InvalidRequest(
        "limit", 422, "GET", "/threads", None, {"user_id": _USER, "limit": "many"}
    ),
    "threads: forged cursor": InvalidRequest(
        "cursor", 422, "GET", "/threads", None, {"user_id": _USER, "cursor": _FORGED}
    ),
    "memories: limit 0": InvalidRequest("limit", 422, "GET", f"/users/{_USER}/memories", None, {"limit": "0"}),
    "memories: forged cursor": InvalidRequest(
        "cursor", 422, "GET", f"/users/{_USER}/memories", None, {"cursor": _FORGED}
    ),
    "messages: huge limit": InvalidRequest(
        "limit", 422, "GET", f"/threads/{_THREAD}/messages", None, {"limit": "9" * 30}
    ),
    "messages: negative limit": InvalidRequest(
        "limit", 422, "GET", f"/threads/{_THREAD}/messages", None, {"limit": "-1"}
    ),
    "messages: unknown order": InvalidRequest(
        "order", 422, "GET", f"/threads/{_THREAD}/messages", None, {"order": "up"}
    ),
    "messages: forged cursor": InvalidRequest(
        "cursor", 422, "GET", f"/threads/{_THREAD}/messages", None, {"cursor": _FORGED}
    ),
    "messages: cursor of random characters": InvalidRequest(
        "cursor", 422, "GET", f"/threads/{_THREAD}/messages", None, {"cursor": "ü🦄%"}
    ),
    "messages: long thread id": InvalidRequest("thread_id", 422, "GET", f"/threads/{_LONG_ID}/messages"),
    "thread: no UTF-8 in id": InvalidRequest("thread_id", 422, "GET", "/threads/a%FFb"),
    "thread: NUL in id": InvalidRequest("thread_id", 422, "GET", "/threads/a%00b"),
    "unknown route": InvalidRequest(None, 404, "GET", "/nothing/here"),
    "unknown route, POST": InvalidRequest(None, 404, "POST", "/runs", _TURN),
    "unknown method": InvalidRequest(None, 405, "GET", "/run"),
    "unknown method on a thread": InvalidRequest(None, 405, "PUT", f"/threads/{_THREAD}", {"title": "x"}),
}


def _send(api: MemoryApi, invalid: InvalidRequest) -> httpx.Response:
    content = invalid.body if isinstance(invalid.body, bytes | None) else json.dumps(invalid.body).encode()
    headers = {"Content-Type": "application/json"}
    return api.send(invalid.method, invalid.path, content=content, params=invalid.query, headers=headers)


@pytest.mark.parametrize("invalid", _INVALID_REQUESTS.values(), ids=_INVALID_REQUESTS.keys())
def test_invalid_input_returns_a_problem_that_names_the_field(api: MemoryApi, invalid: InvalidRequest) -> None:
    """The response is a problem (RFC 9457) with the error's location and no internal details."""
    response = _send(api, invalid)

    assert response.status_code == invalid.status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.keys() >= {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == invalid.status
    assert problem["request_id"]
    assert len(response.text) < 5_000
    assert "Traceback" not in response.text
    if invalid.name is not None:
        assert any(error["field"].startswith(invalid.name) and error["detail"] for error in problem["errors"])


def test_invalid_input_stores_nothing(api: MemoryApi, layers: Layers, queues: Queues) -> None:
    """After all invalid requests, neither layer contains data of these requests."""
    for invalid in _INVALID_REQUESTS.values():
        assert _send(api, invalid).is_client_error
    queues.wait_empty()

    with layers.redis() as client:
        for name in (_THREAD, _USER, _LONG_ID):
            assert list(client.scan_iter(f"*{name}*")) == []
    assert layers.conversations(_THREAD) == []
    assert layers.rows("select 1 from conversations where length(thread_id) > 255") == []
    assert layers.rows("select 1 from user_preferences where user_id = %s", _USER) == []


def test_a_cursor_of_another_list_is_refused(api: MemoryApi, thread_id: str) -> None:
    """A cursor of another thread or another order is refused."""
    for number in range(2):
        api.invoked(str(number), str(number), thread_id=thread_id)
        api.invoked(str(number), str(number), thread_id=f"{thread_id}_2")
    cursor = api.messages(thread_id, limit=1)["next_cursor"]

    for path, query in (
        (f"/threads/{thread_id}_2/messages", {"cursor": cursor}),
        (f"/threads/{thread_id}/messages", {"cursor": cursor, "order": "desc"}),
        ("/threads", {"cursor": cursor, "user_id": "somebody"}),
        (f"/threads/{thread_id}/messages", {"cursor": cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")}),
    ):
        response = api.send("GET", path, params=query)
        assert response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        assert response.json()["errors"][0]["field"] == "cursor"


def test_a_body_of_many_megabytes_is_refused(api: MemoryApi, thread_id: str) -> None:
    """A body that is too large is refused before it is parsed."""
    response = api.send("POST", "/run", content=b'{"prompt": "' + b"x" * 5_500_000)

    assert response.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert response.headers["content-type"] == "application/problem+json"
    assert api.invoking(thread_id=thread_id)["messages"] == []
