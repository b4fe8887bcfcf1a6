"""An invalid or failed request returns a problem over HTTP. A problem for invalid input names the field."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from functions.agent.agents import runner
from functions.agent.request_errors import AgentRunError, AgentTimeoutError
from tests.support.api import Api, problem
from tests.support.exchanges import exchanges

RUN = {"prompt": "Hello", "thread_id": "t"}
INVOKED = {"thread_id": "t", "user_message": "q", "assistant_message": "a"}
FUTURE = "ffffffff-ffff-7fff-bfff-ffffffffffff"


@pytest.mark.parametrize("path", ["/run", "/invoking", "/invoked"])
@pytest.mark.parametrize("content", [b"", b"{", b"nonsense", b"\xff\xfe", b'{"prompt": }', b"[" * 50_000])
def test_a_body_that_is_not_json_returns_a_400(path: str, content: bytes, api: Api) -> None:
    """The API returns a 400 for a body that is not JSON."""
    problem(api.ask("POST", path, content=content), 400)
    assert api.is_untouched()


@pytest.mark.parametrize("body", [[], "text", 1, None, True])
def test_a_body_that_is_not_an_object_is_refused(body: object, api: Api) -> None:
    """A JSON body that is not an object returns a problem with the status 400 or 422."""
    response = api.ask("POST", "/run", content=b"null" if body is None else None, body=body)
    assert response.status_code in {400, 422}
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/run", {}, "prompt"),
        ("/run", {"prompt": ""}, "prompt"),
        ("/run", {"prompt": 1}, "prompt"),
        ("/run", {"prompt": None}, "prompt"),
        ("/run", {**RUN, "tools": "current_time"}, "tools"),
        ("/run", {**RUN, "tools": [1]}, "tools.0"),
        ("/run", {**RUN, "tools": ["x"] * 1_001}, "tools"),
        ("/run", {**RUN, "tools": ["rm"]}, "tools"),
        ("/run", {**RUN, "agent_name": "nobody"}, "agent_name"),
        ("/run", {**RUN, "agent_name": ""}, "agent_name"),
        ("/run", {**RUN, "instructions": 5}, "instructions"),
        ("/run", {**RUN, "thread_id": ""}, "thread_id"),
        ("/run", {**RUN, "thread_id": "x" * 300}, "thread_id"),
        ("/run", {**RUN, "thread_id": "a\nb"}, "thread_id"),
        ("/run", {**RUN, "thread_id": 7}, "thread_id"),
        ("/run", {**RUN, "user_id": "x" * 300}, "user_id"),
        ("/run", {**RUN, "user_id": "\u200b"}, "user_id"),
        ("/run", {**RUN, "document_ids": [""]}, "document_ids.0"),
        ("/run", {**RUN, "document_ids": {}}, "document_ids"),
        ("/run", {**RUN, "propmt": "x"}, "propmt"),
        ("/run", {**RUN, "prompt": "a\x00b"}, "prompt"),
        ("/run", {**RUN, "instructions": "\x00"}, "instructions"),
        ("/invoking", {"thread_id": "x" * 256}, "thread_id"),
        ("/invoking", {"user_id": []}, "user_id"),
        ("/invoked", {"thread_id": "t", "user_message": "q"}, "assistant_message"),
        ("/invoked", {"thread_id": "t", "assistant_message": "q"}, "user_message"),
        ("/invoked", {**INVOKED, "assistant_message": "\x00"}, "assistant_message"),
        ("/invoked", {**INVOKED, "exchange_id": "no uuid"}, "exchange_id"),
        ("/invoked", {**INVOKED, "exchange_id": 5}, "exchange_id"),
        ("/invoked", {**INVOKED, "exchange_id": FUTURE}, "exchange_id"),
        ("/invoked", {**INVOKED, "document_ids": ["x" * 256]}, "document_ids.0"),
    ],
)
def test_an_invalid_field_returns_a_422_with_its_name(path: str, body: dict[str, Any], field: str, api: Api) -> None:
    """An invalid field returns a 422 that names the field, and the API stores nothing."""
    refusal = problem(api.ask("POST", path, body), 422, field)
    assert refusal["errors"][0]["in"] == "body"
    assert api.is_untouched()


@pytest.mark.parametrize("field", ["prompt", "instructions", "thread_id", "user_id", "agent_name"])
@pytest.mark.parametrize("escape", [rb"\ud800", rb"a\udfffb", rb"\udc00\ud800"])
def test_lone_surrogates_are_refused(field: str, escape: bytes, api: Api) -> None:
    """The API refuses lone surrogates, because PostgreSQL and other JSON parsers do not accept them."""
    fields = {b"prompt": b"x", b"thread_id": b"t", field.encode(): escape}
    content = b"{" + b",".join(b'"%s":"%s"' % pair for pair in fields.items()) + b"}"
    problem(api.ask("POST", "/run", content=content), 422, field)
    assert api.is_untouched()


@pytest.mark.parametrize("key", [rb"\ud800", b"x" * 300, rb"\u0000"])
def test_invalid_field_names_are_refused(key: bytes, api: Api) -> None:
    """The API refuses a field name that no store accepts. The API checks field names like values."""
    for method, path in (("POST", "/run"), ("PUT", "/users/u/preferences"), ("PATCH", "/users/u/preferences")):
        response = api.ask(method, path, content=b'{"prompt":"x","%s":"y"}' % key)
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
    assert api.is_untouched()


@pytest.mark.parametrize(
    ("path", "field"), [("/run", "prompt"), ("/run", "instructions"), ("/invoked", "user_message")]
)
def test_a_text_above_the_limit_returns_a_413(path: str, field: str, api: Api) -> None:
    """A text of 250,000 characters returns a 413.

    A text of 200,000 characters is valid. The number of bytes does not matter.
    """
    body = RUN if path == "/run" else INVOKED
    problem(api.ask("POST", path, {**body, field: "x" * 250_000}), 413, field)
    problem(api.ask("POST", path, {**body, field: "🎉" * 200_001}), 413, field)
    assert api.is_untouched()
    assert api.ask("POST", path, {**body, field: "🎉" * 200_000}).status_code in {200, 202}


@pytest.mark.parametrize(
    "text", ["👩‍👩‍👧‍👦 🎉", "שלום עולם", "مرحبا بالعالم", "\u202eevil", "\ufffe\uffff", "a\tb\r\nc\x01"]
)
def test_a_text_of_any_script_is_returned_unchanged(text: str, api: Api) -> None:
    """The API returns a text of any script unchanged."""
    assert api.ask("POST", "/run", {"prompt": text, "thread_id": "t"}).status_code == 200
    assert api.ask("GET", "/threads/t/messages").json()["items"][0]["content"] == text


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/threads", {}, "user_id"),
        ("/threads", {"user_id": ""}, "user_id"),
        ("/threads", {"user_id": "x" * 300}, "user_id"),
        ("/threads", {"user_id": "u", "limit": "1000000"}, "limit"),
        ("/threads", {"user_id": "u", "limit": "9" * 5_000}, "limit"),
        ("/threads", {"user_id": "u", "limit": "0"}, "limit"),
        ("/threads", {"user_id": "u", "limit": "-1"}, "limit"),
        ("/threads", {"user_id": "u", "limit": "many"}, "limit"),
        ("/threads", {"user_id": "u", "cursor": "forged"}, "cursor"),
        ("/threads", {"user_id": "u", "cursor": ""}, "cursor"),
        ("/users/u/memories", {"limit": "0"}, "limit"),
        ("/users/u/memories", {"limit": "201"}, "limit"),
        ("/users/u/memories", {"limit": ""}, "limit"),
        ("/users/u/memories", {"cursor": "forged"}, "cursor"),
        ("/users/u/memories", {"cursor": ""}, "cursor"),
        ("/threads/t/messages", {"limit": "201"}, "limit"),
        ("/threads/t/messages", {"order": "sideways"}, "order"),
        ("/threads/t/messages", {"cursor": "Zm9yZ2Vk"}, "cursor"),
        ("/threads/t/messages", {"cursor": "x" * 5_000}, "cursor"),
    ],
)
def test_an_invalid_query_parameter_is_refused_with_its_name(
    path: str, query: dict[str, str], field: str, api: Api
) -> None:
    """An invalid query parameter returns a problem that names the parameter and the location `query`."""
    api.archive.store(exchanges(1))
    refusal = problem(api.ask("GET", path, query=query), 422, field)
    assert refusal["errors"][0]["in"] == "query"


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    """The API refuses a cursor that belongs to another list."""
    api.archive.store([*exchanges(2, "a"), *exchanges(2, "b")])
    cursor = api.ask("GET", "/threads/a/messages", query={"limit": "1"}).json()["next_cursor"]
    problem(api.ask("GET", "/threads/b/messages", query={"cursor": cursor}), 422, "cursor")


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "detail"),
    [
        ("POST", "/run", {"prompt": ""}, "prompt", "String should have at least 1 character"),
        ("POST", "/run", {"prompt": "x", "tools": [""]}, "tools.0", "String should have at least 1 character"),
        ("PATCH", "/threads/t", {"title": "x" * 501}, "title", "String should have at most 500 characters"),
        ("PUT", "/users/u/preferences", {"k": "x" * 20_001}, "k", "String should have at most 20000 characters"),
        ("PUT", "/users/u/preferences", {"": "x"}, "body", "the name: String should have at least 1 character"),
        (
            "PATCH",
            "/users/u/preferences",
            {"k" * 300: None},
            "k" * 100,
            "the name: String should have at most 255 characters",
        ),
    ],
)
def test_a_problem_gives_the_allowed_length_in_characters(
    method: str, path: str, body: dict[str, Any], field: str, detail: str, api: Api
) -> None:
    """A problem gives the allowed length in characters.

    If the length of a field's name is wrong, the problem says that the name is wrong.
    """
    refusal = problem(api.ask(method, path, body), 422, field)
    assert refusal["errors"][0]["detail"] == detail


@pytest.mark.parametrize("path", ["/threads/" + "x" * 300, "/threads/a%00b", "/threads/%FF", "/threads/%0A"])
def test_an_invalid_id_in_the_path_is_refused(path: str, api: Api) -> None:
    """The API refuses an invalid id in the path."""
    refusal = problem(api.ask("GET", path), 422, "thread_id")
    assert refusal["errors"][0]["in"] == "path"


@pytest.mark.parametrize("dots", [".", ".."])
def test_dot_segments_are_refused_as_ids(dots: str, api: Api) -> None:
    """No thread or user may have the id `.` or `..`, because URL parsers resolve such path segments.

    URL parsers also resolve the encoded forms. A document may have such an id.
    """
    for path, body in (("/run", RUN), ("/invoking", {}), ("/invoked", INVOKED)):
        for field in ("thread_id", "user_id"):
            problem(api.ask("POST", path, {**body, field: dots}), 422, field)
    encoded = dots.replace(".", "%2E")
    for path, field in ((f"/threads/{encoded}/messages", "thread_id"), (f"/users/{encoded}/preferences", "user_id")):
        refusal = problem(api.ask("GET", path), 422, field)
        assert "browsers" in refusal["errors"][0]["detail"]
    problem(api.ask("GET", "/threads", query={"user_id": dots}), 422, "user_id")
    assert api.is_untouched()
    assert api.ask("POST", "/invoked", {**INVOKED, "document_ids": [dots]}).status_code == 202


@pytest.mark.parametrize("body", [{"title": ""}, {"title": "x" * 501}, {"title": "\x00"}, {"title": None}, {}])
def test_an_invalid_title_changes_nothing(body: dict[str, Any], api: Api) -> None:
    """A refused title leaves the old title unchanged."""
    api.archive.store(exchanges(1))
    problem(api.ask("PATCH", "/threads/t", body), 422, "title")
    assert api.ask("GET", "/threads/t").json()["title"] == "q0"


@pytest.mark.parametrize(
    "body", [{"a": 1}, {"a": {"b": "c"}}, {"a": ["b"]}, {"a": "\x00"}, {"a": "x" * 20_001}, {"a": None}]
)
def test_preferences_other_than_strings_are_refused(body: dict[str, Any], api: Api) -> None:
    """Preferences must be a flat object of strings."""
    problem(api.ask("PUT", "/users/u/preferences", body), 422, "a")
    assert api.is_untouched()


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("GET", "/assets"), ("POST", "/run/x"), ("GET", "/users/u")]
)
def test_a_missing_route_returns_a_problem(method: str, path: str, api: Api) -> None:
    """A request to a missing route returns a problem."""
    assert api.ask(method, path).headers["content-type"] == "application/problem+json"
    assert api.ask(method, path).status_code in {404, 405}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/run", "POST"),
        ("PUT", "/threads/t", "DELETE, GET, PATCH"),
        ("POST", "/users/u/preferences", "DELETE, GET, PATCH, PUT"),
        ("GET", "/users/u", "DELETE"),
    ],
)
def test_a_405_lists_the_allowed_methods(method: str, path: str, allowed: str, api: Api) -> None:
    """The 405 response lists all methods of the path."""
    response = api.ask(method, path)
    problem(response, 405)
    assert response.headers["allow"] == allowed


# --- failures ---


def test_an_outage_degrades_a_turn_and_fails_other_requests_with_a_503(api: Api) -> None:
    """If a layer is down, a turn continues, and its response names the layer.

    A request that needs the layer returns a 503, and the caller may retry the request.
    """
    api.cache.is_down = api.archive.is_down = True
    answer = api.ask("POST", "/run", RUN).json()
    assert answer["memory"] == {
        "source": "none",
        "degraded": ["redis", "postgres"],
        "durability": "queue",
        "cached": False,
        "context_tokens": 0,
        "omitted_exchanges": 0,
    }
    for method, path, body in (
        ("GET", "/threads/t", None),
        ("PATCH", "/threads/t", {"title": "x"}),
        ("DELETE", "/threads/t", None),
        ("PUT", "/users/u/preferences", {"a": "1"}),
        ("DELETE", "/users/u", None),
    ):
        response = api.ask(method, path, body)
        problem(response, 503)
        assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("error", "status"),
    [(AgentRunError("The model offline gave no answer: KeyError."), 502), (AgentTimeoutError("No answer."), 504)],
)
def test_a_failed_model_stores_nothing(
    error: Exception, status: int, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn whose model fails stores nothing."""

    async def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(runner.AgentRunner, "run", fail)
    detail = problem(api.ask("POST", "/run", RUN), status)["detail"]
    assert detail == f"{error} Nothing was stored. Repeat the request to run the agent again."
    assert api.is_untouched()


def test_an_unexpected_error_returns_a_500_and_is_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error returns a 500 without details. The log has the details."""

    def fail(*_: object) -> None:
        message = "secret"
        raise LookupError(message)

    monkeypatch.setattr(api.archive, "thread", fail)
    response = api.ask("GET", "/threads/t")
    problem(response, 500)
    assert "secret" not in response.text
    assert "LookupError" not in response.text
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None


# --- idempotency keys ---


def test_a_second_request_with_the_same_key_is_a_replay(api: Api) -> None:
    """Two requests with one key store one exchange and return one answer.

    The second response is marked as a replay.
    """
    first = api.ask("POST", "/run", RUN, headers={"Idempotency-Key": "k"})
    second = api.ask("POST", "/run", RUN, headers={"Idempotency-Key": "k"})
    assert ("idempotent-replayed" in first.headers, second.headers["idempotent-replayed"]) == (False, "true")
    assert first.json() == second.json()
    assert len(api.queue.bodies) == 1
    other = api.ask("POST", "/run", {**RUN, "prompt": "Other"}, headers={"Idempotency-Key": "k"})
    problem(other, 422)


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_invalid_idempotency_key_is_refused(key: str, api: Api) -> None:
    """An invalid idempotency key returns a problem with the location `header`."""
    refusal = problem(api.ask("POST", "/run", RUN, headers={"Idempotency-Key": key}), 422, "Idempotency-Key")
    assert refusal["errors"][0]["in"] == "header"
    assert api.is_untouched()
