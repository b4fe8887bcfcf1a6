"""Each route of the contract works over HTTP, on in-memory stores."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.support.api import Api, problem
from tests.support.exchanges import contents_of, exchanges
from tests.support.offline_answers import followed_preferences, is_offline_answer, used_tool

INVOKED = {"thread_id": "t", "user_message": "q", "assistant_message": "a"}
UNUSUAL_IDS = [
    "a/b",
    "a%2Fb",
    "a b",
    "'\"`;--",
    "../x",
    "messages",
    "x/messages",
    "preferences",
    "🎉",
    "שלום",
    "a?b#c&d=e",
    "%",
    "%2e",
    "%2E%2e",
    "...",
    "./",
    " a ",
    "a\\b",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "e\N{COMBINING ACUTE ACCENT}",
    "🧠" * 255,
]


def test_run_returns_the_answer_and_its_durability(api: Api) -> None:
    """The response of a turn has the answer and names the store of its exchange.

    Two turns later, the agent still gets the first turn.
    """
    first = api.ask("POST", "/run", {"prompt": "My name is Ana.", "thread_id": "t", "user_id": "u"})
    assert first.status_code == 200
    answer = first.json()
    assert answer.keys() == {"response", "thread_id", "exchange_id", "memory"}
    assert (answer["thread_id"], UUID(answer["exchange_id"]).version) == ("t", 7)
    assert answer["memory"] == {
        "source": "none",
        "degraded": [],
        "durability": "queue",
        "cached": True,
        "context_tokens": 0,
        "omitted_exchanges": 0,
    }
    api.ask("POST", "/run", {"prompt": "And now?", "thread_id": "t"})
    third = api.ask("POST", "/run", {"prompt": "Who am I?", "thread_id": "t"}).json()
    assert "My name is Ana." in third["response"]
    assert third["memory"]["source"] == "redis"
    assert [each.user_message for each in api.queue.take()] == ["My name is Ana.", "And now?", "Who am I?"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["bare", "with a key"])
def test_run_with_the_callers_exchange_id_stores_one_exchange(headers: dict[str, str], api: Api) -> None:
    """Two requests with the same exchange id from the caller store one exchange.

    This exchange comes after the earlier exchanges.
    """
    api.ask("POST", "/run", {"prompt": "before", "thread_id": "t"})
    body = {"prompt": "Hello", "thread_id": "t", "exchange_id": str(uuid4())}
    first = api.ask("POST", "/run", body, headers=headers).json()
    repeated = api.ask("POST", "/run", body, headers=headers).json()
    assert first["exchange_id"] == repeated["exchange_id"] == body["exchange_id"]
    messages = [
        (message["content"], message["exchange_id"])
        for message in api.ask("GET", "/threads/t/messages").json()["items"]
    ]
    assert [content for content, _ in messages if not is_offline_answer(content)] == ["before", "Hello"]
    assert messages[2:] == [("Hello", body["exchange_id"]), (first["response"], body["exchange_id"])]


def test_run_refuses_an_invalid_exchange_id(api: Api) -> None:
    """The API refuses an invalid exchange id before the agent runs."""
    problem(api.ask("POST", "/run", {"prompt": "Hello", "thread_id": "t", "exchange_id": "x"}), 422, "exchange_id")
    assert api.is_untouched()


def test_run_without_a_thread_and_a_user_stores_nothing(api: Api) -> None:
    """A turn without a thread and a user succeeds and stores nothing."""
    answer = api.ask("POST", "/run", {"prompt": "Hello"}).json()
    assert (answer["thread_id"], answer["exchange_id"]) == (None, None)
    assert answer["memory"] == {
        "source": "none",
        "degraded": [],
        "durability": "none",
        "cached": False,
        "context_tokens": 0,
        "omitted_exchanges": 0,
    }
    assert api.is_untouched()


def test_run_uses_preferences_documents_and_tools(api: Api) -> None:
    """A request may set preferences, documents, tools, an agent and instructions."""
    api.ask("PUT", "/users/u/preferences", {"tone": "dry"})
    body = {
        "prompt": "What time is it?",
        "agent_name": "assistant",
        "instructions": "Be brief.",
        "tools": ["current_time"],
        "thread_id": "t",
        "user_id": "u",
        "document_ids": ["d1", "d2"],
    }
    answer = api.ask("POST", "/run", body).json()
    assert used_tool("current_time") in answer["response"]
    assert followed_preferences(answer["response"]) == ["tone: dry"]
    assert answer["memory"]["source"] == "redis"
    assert api.queue.take()[0].document_ids == ("d1", "d2")


def test_invoking_returns_what_invoked_stored(api: Api) -> None:
    """An agent that runs outside the service uses the routes `/invoking` and `/invoked`."""
    body = {"thread_id": "t", "user_id": "u", "user_message": "Hello", "assistant_message": "Hi!"}
    stored = api.ask("POST", "/invoked", body)
    assert (stored.status_code, stored.json().keys()) == (202, {"exchange_id", "durability", "cached"})
    api.ask("PATCH", "/users/u/preferences", {"tone": "dry"})
    loaded = api.ask("POST", "/invoking", {"thread_id": "t", "user_id": "u"}).json()
    assert loaded["context"] == "Previous conversation:\nuser: Hello\nassistant: Hi!\n\nUser preferences:\ntone: dry"
    assert [(message["role"], message["content"]) for message in loaded["messages"]] == [
        ("user", "Hello"),
        ("assistant", "Hi!"),
    ]
    assert {message["exchange_id"] for message in loaded["messages"]} == {stored.json()["exchange_id"]}
    assert (loaded["preferences"], loaded["source"]) == ({"tone": "dry"}, "redis")
    empty = api.ask("POST", "/invoking", {}).json()
    assert empty == {
        "context": "",
        "messages": [],
        "preferences": {},
        "context_tokens": 0,
        "omitted_exchanges": 0,
        "source": "none",
        "degraded": [],
    }


def test_limits_omit_the_oldest_exchanges_from_the_context(api: Api) -> None:
    """Limits omit the oldest exchanges from the context, and `include` selects the parts of the response.

    The list in Redis stays complete.
    """
    for number in range(4):
        body = {"thread_id": "t", "user_message": f"q{number}", "assistant_message": "word " * 50}
        api.ask("POST", "/invoked", body)

    def ask(**fields: object) -> dict[str, Any]:
        answer = api.ask("POST", "/invoking", {"thread_id": "t", **fields})
        assert answer.status_code == 200, answer.text
        content: dict[str, Any] = answer.json()
        return content

    complete = ask(query="anything", max_context_tokens=0)
    assert (len(complete["messages"]), complete["omitted_exchanges"]) == (8, 0)
    half = ask(max_context_tokens=complete["context_tokens"] // 2)
    assert 0 < half["context_tokens"] <= complete["context_tokens"] // 2
    assert [message["content"] for message in half["messages"][::2]] == ["q3"]
    assert half["omitted_exchanges"] == 3
    assert ask(limit=2)["omitted_exchanges"] == 2
    assert ask(limit=50) == ask()
    counted = {"context_tokens", "omitted_exchanges", "source", "degraded"}
    assert ask(include=[]).keys() == counted
    assert ask(include=["memories", "related", "context"]).keys() == counted | {"memories", "related", "context"}
    assert ask(include=["memories"])["memories"] == []
    turn = api.ask("POST", "/run", {"prompt": "Hi", "thread_id": "t", "max_context_tokens": 1}).json()
    assert (turn["memory"]["context_tokens"], turn["memory"]["omitted_exchanges"]) == (0, 4)
    assert len(ask()["messages"]) == 10


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 51}, "limit"),
        ({"limit": "2"}, "limit"),
        ({"limit": True}, "limit"),
        ({"max_context_tokens": -1}, "max_context_tokens"),
        ({"max_context_tokens": 1.5}, "max_context_tokens"),
        ({"include": ["context", "all"]}, "include.1"),
        ({"include": "context"}, "include"),
        ({"query": "\x00"}, "query"),
        ({"query": 3}, "query"),
    ],
)
def test_invalid_fields_of_invoking_are_refused(fields: dict[str, object], name: str, api: Api) -> None:
    """The API refuses an invalid field of `/invoking`, and the problem names the field."""
    problem(api.ask("POST", "/invoking", {"thread_id": "t", **fields}), 422, name)


def test_documents_that_exceed_the_response_limit_are_omitted_and_counted(api: Api) -> None:
    """The response lists as many documents as fit into it, and counts the omitted documents."""
    for number in range(20):
        documents = [f"{number}-{each}-" + "\N{PARTY POPPER}" * 240 for each in range(300)]
        assert api.ask("POST", "/invoked", {**INVOKED, "document_ids": documents}).status_code == 202
    thread = api.ask("GET", "/threads/t")
    assert len(json.dumps({"body": thread.text})) < 6_291_556
    assert len(thread.json()["document_ids"]) + thread.json()["omitted_documents"] == 6_000


def test_invoked_with_the_same_exchange_id_stores_one_exchange(api: Api) -> None:
    """Two calls of `/invoked` with the same exchange id store one exchange."""
    exchange_id = str(uuid4())
    body = {"thread_id": "t", "user_message": "q", "assistant_message": "a", "exchange_id": exchange_id}
    assert [api.ask("POST", "/invoked", body).json()["exchange_id"] for _ in range(2)] == [exchange_id, exchange_id]
    assert len(api.ask("POST", "/invoking", {"thread_id": "t"}).json()["messages"]) == 2


def test_threads_are_listed_read_renamed_paged_and_deleted(api: Api) -> None:
    """The routes list, read, rename, page and delete threads."""
    api.archive.store([*exchanges(3, "t1", "u"), *exchanges(1, "t2", "u")])
    page = api.ask("GET", "/threads", query={"user_id": "u", "limit": "1"}).json()
    assert [item["thread_id"] for item in page["items"]] == ["t2"]
    assert page["items"][0].keys() >= {"thread_id", "title", "created_at", "updated_at", "message_count"}
    query = {"user_id": "u", "limit": "1", "cursor": page["next_cursor"]}
    rest = api.ask("GET", "/threads", query=query).json()
    assert ([item["thread_id"] for item in rest["items"]], rest["next_cursor"]) == (["t1"], None)
    assert api.ask("PATCH", "/threads/t1", {"title": "Mine"}).json()["title"] == "Mine"
    thread = api.ask("GET", "/threads/t1").json()
    assert (thread["title"], thread["message_count"], thread["document_ids"]) == ("Mine", 6, [])
    messages = api.ask("GET", "/threads/t1/messages", query={"limit": "4"}).json()
    assert [message["content"] for message in messages["items"]] == contents_of(0, 1)
    last = api.ask("GET", "/threads/t1/messages", query={"cursor": messages["next_cursor"]}).json()
    assert ([message["content"] for message in last["items"]], last["next_cursor"]) == (contents_of(2), None)
    newest = api.ask("GET", "/threads/t1/messages", query={"limit": "1", "order": "desc"}).json()
    assert [message["content"] for message in newest["items"]] == ["a2"]
    assert (api.ask("DELETE", "/threads/t1").status_code, api.ask("DELETE", "/threads/t1").status_code) == (204, 404)
    for path in ("/threads/t1", "/threads/t1/messages"):
        problem(api.ask("GET", path), 404)
    problem(api.ask("PATCH", "/threads/t1", {"title": "x"}), 404)


def test_memories_are_listed_in_pages(api: Api) -> None:
    """The route returns the newest memories first, and a cursor for the next page. All fit without a limit."""
    path = "/users/u/memories"
    for number in range(3):
        assert api.ask("POST", path, {"text": f"Fact {number}"}).status_code == 201
    page = api.ask("GET", path, query={"limit": "2"}).json()
    assert ([each["text"] for each in page["items"]], page["omitted"]) == (["Fact 2", "Fact 1"], 0)
    rest = api.ask("GET", path, query={"limit": "2", "cursor": page["next_cursor"]}).json()
    assert ([each["text"] for each in rest["items"]], rest["next_cursor"]) == (["Fact 0"], None)
    whole = api.ask("GET", path).json()
    assert (whole["items"], whole["next_cursor"]) == ([*page["items"], *rest["items"]], None)
    problem(api.ask("GET", "/users/v/memories", query={"cursor": page["next_cursor"]}), 422, "cursor")


def test_preferences_are_read_replaced_merged_and_removed(api: Api) -> None:
    """The routes read, replace, merge and remove preferences."""
    path = "/users/u/preferences"
    assert api.ask("GET", path).json() == {}
    assert api.ask("PUT", path, {"a": "1", "b": "2"}).json() == {"a": "1", "b": "2"}
    assert api.ask("PATCH", path, {"a": None, "c": ""}).json() == {"b": "2", "c": ""}
    assert api.ask("GET", path).json() == {"b": "2", "c": ""}
    deletion = api.ask("DELETE", path)
    assert (deletion.status_code, deletion.content, api.ask("GET", path).json()) == (204, b"", {})


def test_a_deletion_of_a_user_removes_threads_and_preferences(api: Api) -> None:
    """The deletion of a user removes the user's threads and preferences."""
    api.ask("POST", "/run", {"prompt": "Hello", "thread_id": "t", "user_id": "u"})
    api.ask("PUT", "/users/u/preferences", {"a": "1"})
    assert api.ask("DELETE", "/users/u").status_code == 204
    problem(api.ask("GET", "/threads/t"), 404)
    assert api.ask("GET", "/users/u/preferences").json() == {}


@pytest.mark.parametrize("name", UNUSUAL_IDS)
def test_ids_may_contain_slashes_quotes_and_any_script(name: str, api: Api) -> None:
    """Ids may contain slashes, percent signs, quotes and letters of any script."""
    encoded = quote(name, safe="")
    api.ask("POST", "/invoked", {"thread_id": name, "user_id": name, "user_message": "q", "assistant_message": "a"})
    assert api.ask("GET", f"/threads/{encoded}").json()["thread_id"] == name
    assert len(api.ask("GET", f"/threads/{encoded}/messages").json()["items"]) == 2
    assert api.ask("PUT", f"/users/{encoded}/preferences", {name: name}).json() == {name: name}
    assert api.ask("GET", f"/users/{encoded}/preferences").json() == {name: name}
    api.archive.store(api.queue.take())
    assert [item["thread_id"] for item in api.ask("GET", "/threads", query={"user_id": name}).json()["items"]] == [name]
    assert api.ask("DELETE", f"/threads/{encoded}").status_code == 204
    assert api.ask("DELETE", f"/users/{encoded}").status_code == 204


def test_health_reports_each_layer(api: Api) -> None:
    """The health check reports each layer separately."""
    search = {"unindexed": 0}
    ok = {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok", "search": search}
    assert api.ask("GET", "/health").json() == ok
    api.cache.is_down = True
    messages = api.ask("GET", "/health")
    assert (messages.status_code, messages.json()) == (
        200,
        {"status": "degraded", "redis": "unavailable", "postgres": "ok", "queue": "ok", "search": search},
    )
    api.archive.is_down = True
    assert api.ask("GET", "/health").json()["search"] is None


def test_the_openapi_description_lists_every_route(api: Api) -> None:
    """The OpenAPI description has every route of the contract and the content type of errors.

    The page `/docs` loads nothing from other servers.
    """
    described = api.ask("GET", "/openapi.json").json()
    routes = {f"{method.upper()} {path}" for path, methods in described["paths"].items() for method in methods}
    assert len(routes) == 26
    for path in described["paths"].values():
        for operation in path.values():
            problems = {status: answer for status, answer in operation["responses"].items() if status[0] != "2"}
            assert problems.keys() >= {"413", "500"}
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in problems.values())
    page = api.ask("GET", "/docs")
    assert (page.status_code, "http://" in page.text, "https://" in page.text) == (200, False, False)
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert name in page.text
        assert api.ask("GET", f"/docs/{name}").status_code == 200
    problem(api.ask("GET", "/docs/other.js"), 404)


@pytest.mark.parametrize("character", ["x", '"', "\\", "\x01", "é", "漢", "🎉"])
def test_a_window_above_the_response_limit_omits_the_oldest_exchanges(character: str, api: Api) -> None:
    """If the window exceeds Lambda's response limit, the response omits and counts the oldest exchanges."""
    for _ in range(40):
        body = {"thread_id": "t", "user_message": character * 100_000, "assistant_message": character * 100_000}
        assert api.ask("POST", "/invoked", body).status_code == 202
    newest = api.ask("POST", "/invoked", {"thread_id": "t", "user_message": "q", "assistant_message": "a"}).json()
    answer = api.ask("POST", "/invoking", {"thread_id": "t"})
    assert 1_000_000 < len(json.dumps({"body": answer.text})) < 6_291_556
    response = answer.json()
    assert response["messages"][-1]["exchange_id"] == newest["exchange_id"]
    assert response["omitted_exchanges"] == 41 - len(response["messages"]) // 2 > 0
    page = api.ask("GET", "/threads/t/messages?limit=200")
    assert len(json.dumps({"body": page.text})) < 6_291_556
    assert page.json()["next_cursor"] is not None
