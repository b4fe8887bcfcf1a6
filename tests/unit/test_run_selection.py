"""`POST /run` says on request what the agent got, on in-memory stores."""

from __future__ import annotations

from typing import Any

from tests.support.api import Api

EVERYTHING = ["context", "messages", "preferences", "memories", "related"]


def _run(api: Api, prompt: str, headers: dict[str, str] | None = None, **more: object) -> dict[str, Any]:
    body = {"prompt": prompt, "thread_id": "t", "user_id": "u", **more}
    answer = api.ask("POST", "/run", body, headers=headers)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["memory"])


def test_a_turn_says_what_the_agent_got(api: Api) -> None:
    """The selection has the numbers and the content, as `POST /invoking` has them before the turn."""
    api.ask("PUT", "/users/u/preferences", {"tone": "dry", "level": "expert"})
    assert "selection" not in _run(api, "one")
    _run(api, "two")
    context = api.ask("POST", "/invoking", {"thread_id": "t", "user_id": "u"}).json()
    memory = _run(api, "three", include=EVERYTHING)
    selection = memory["selection"]
    assert selection["counts"] == {"messages": 4, "preferences": 2, "memories": 0, "related": 0}
    assert selection["omitted"] == {"exchanges": 0, "preferences": 0, "memories": 0}
    assert {name: selection[name] for name in ("context", "messages", "preferences")} == {
        name: context[name] for name in ("context", "messages", "preferences")
    }
    assert memory["context_tokens"] == context["context_tokens"]


def test_the_selection_counts_what_the_limit_left_out(api: Api) -> None:
    """With a limit, the selection counts the exchanges and preferences that did not fit."""
    api.ask("PUT", "/users/u/preferences", {"a": "short", "b": "long " * 400})
    for number in range(3):
        _run(api, f"question {number}")
    selection = _run(api, "and now?", include=["messages"], max_context_tokens=30)["selection"]
    assert selection["omitted"]["preferences"] == 1
    assert selection["omitted"]["exchanges"] == 3 - len(selection["messages"]) // 2 > 0
    assert selection["counts"]["preferences"] == 1
    assert "preferences" not in selection


def test_a_repeated_request_has_no_selection(api: Api) -> None:
    """The stored response has no selection, and `include` does not change the request's identity."""
    headers = {"Idempotency-Key": "k"}
    first = _run(api, "one", headers, include=EVERYTHING)
    repeated = _run(api, "one", headers)
    assert "selection" in first
    assert repeated == {name: value for name, value in first.items() if name != "selection"}
    assert "selection" not in _run(api, "one", headers, include=["messages"])


def test_content_that_does_not_fit_is_absent(api: Api) -> None:
    """If the content does not fit into a response, the selection has only the numbers."""
    text = "\N{BRAIN}" * 200_000
    for number in range(8):
        body = {"thread_id": "t", "user_id": "u", "user_message": f"{number}{text[1:]}", "assistant_message": "a"}
        assert api.ask("POST", "/invoked", body).status_code == 202
    selection = _run(api, "and now?", include=["context", "messages"])["selection"]
    assert selection.keys() == {"counts", "omitted"}
    assert selection["counts"]["messages"] == 16
