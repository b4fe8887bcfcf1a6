"""The page tells what happened to a message, with the server's own numbers, and never says what is not so."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Response, expect

from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.browser import axe_violations, scrolls_sideways

_LAST = "What happened to your last message"
_THIS = "What happened to this message"


def _milliseconds(value: float) -> str:
    """Format milliseconds as the page does."""
    if value < 10:
        return f"{value:.1f} ms"
    return f"{round(value)} ms" if value < 1_000 else f"{value / 1_000:.1f} s"


def _send(chat: ChatPage, text: str) -> tuple[Response, dict[str, float]]:
    """Send a message. Return the response, and the durations of its `Server-Timing` header."""
    with chat.page.expect_response("**/run") as waiting:
        chat.send_message(text)
    header = waiting.value.headers["server-timing"]
    return waiting.value, {name: float(took) for name, took in (part.split(";dur=") for part in header.split(", "))}


def _row(api: MemoryApi, thread_id: str, exchange_id: str) -> dict[str, Any]:
    rows = api.call("GET", f"/threads/{thread_id}/layers?limit=200")["postgres"]["messages"]
    return next(row for row in rows if row["exchange_id"] == exchange_id)


def _stored_after(row: dict[str, Any]) -> float:
    # The page reads whole milliseconds.
    accepted, stored = (
        int(datetime.fromisoformat(row[name]).timestamp() * 1_000) for name in ("accepted_at", "stored_at")
    )
    return stored - accepted


def _steps(panel: Locator) -> dict[str, str]:
    """Return the timeline's values by label."""
    rows = panel.get_by_role("list", name="Timeline").get_by_role("listitem").all_inner_texts()
    return {label.strip(): value.strip() for label, value in (row.rsplit("\n", 1) for row in rows)}


def test_a_receipt_goes_from_queued_to_stored(chat: ChatPage, api: MemoryApi, queues: Queues) -> None:
    """A message is queued until PostgreSQL has it, and then shows after how long it was stored."""
    with queues.paused_drain():
        response, _ = _send(chat, "My name is Ada.")
        answer, question = chat.messages.last, chat.messages.first
        expect(answer).to_contain_text("Safe in the queue")
        expect(question).to_contain_text("Safe in the queue")
        expect(chat.panel(_LAST).get_by_role("list", name="Way of the message")).to_contain_text("has it")
        assert _steps(chat.panel(_LAST))["Stored in PostgreSQL"] == "not yet"
        expect(chat.fact("This thread in both layers", "Not stored yet")).to_contain_text("1 exchange")
        expect(answer).to_contain_text("Safe in the queue")
    after = answer.get_by_text(re.compile("^Stored in PostgreSQL after"))
    expect(after).to_be_visible()
    row = _row(api, chat.thread_id, response.json()["exchange_id"])
    expect(after).to_have_text(f"Stored in PostgreSQL after {_milliseconds(_stored_after(row))}")
    expect(question).to_contain_text("Stored in PostgreSQL after")
    chat.page.reload()
    expect(chat.messages.last.get_by_text(re.compile("^Stored in PostgreSQL after"))).to_be_visible()


def test_every_answer_is_queued_before_it_is_stored(chat: ChatPage) -> None:
    """At normal speed, too, the receipt of each message says that it is queued before it says that it is stored."""
    chat.page.evaluate("""
        window.states = [];
        new MutationObserver(() => {
          for (const receipt of document.querySelectorAll("[data-role=assistant]:last-of-type .receipt")) {
            if (window.states.at(-1) !== receipt.dataset.state) window.states.push(receipt.dataset.state);
          }
        }).observe(document.querySelector("[role=log]"), { childList: true, subtree: true, attributes: true });
    """)
    for number in range(3):
        chat.send_message(f"Message {number}.")
        expect(chat.messages.last).to_contain_text("Stored in PostgreSQL after")
    assert chat.page.evaluate("window.states") == ["queued", "stored"] * 3


def test_the_timeline_has_the_servers_numbers(chat: ChatPage, api: MemoryApi) -> None:
    """The timeline shows the durations of the response and of the storage, and a message can be selected."""
    first, first_took = _send(chat, "My name is Ada.")
    second, took = _send(chat, "What is my name?")
    expect(chat.messages.last).to_contain_text("Stored in PostgreSQL after")
    panel = chat.panel(_LAST)
    steps = _steps(panel)
    expected = {"Read memory (Redis)": "recall", "Agent thinks": "agent", "Queue accepts it": "queue"}
    assert {label: steps[label] for label in expected} == {
        label: _milliseconds(took[name]) for label, name in expected.items()
    }
    assert steps["Write to Redis"] == _milliseconds(took["cache"])
    latency = float(re.findall(r"at ([\d.]+) (?:m?s)", steps["You got the answer"])[0])
    assert latency > 0
    row = _row(api, chat.thread_id, second.json()["exchange_id"])
    waited = max(0.0, _stored_after(row) - took["queue"])
    assert steps["Waits in the queue"] == _milliseconds(waited)
    assert f"the agent ({_milliseconds(took['agent'])})" in panel.inner_text()
    assert f"the queue ({_milliseconds(took['queue'])})" in panel.inner_text()
    assert "never for storing in PostgreSQL" in panel.inner_text()
    expect(panel.get_by_role("list", name="Way of the message")).to_contain_text("4 of 4")

    assert first.json()["exchange_id"] != second.json()["exchange_id"]
    chat.messages.nth(1).get_by_role("button", name="What happened").click()
    expect(chat.panel(_THIS)).to_contain_text("My name is Ada.")
    assert _steps(chat.panel(_THIS))["Agent thinks"] == _milliseconds(first_took["agent"])
    assert not axe_violations(chat.page)
    chat.panel(_THIS).get_by_role("button", name="Show the newest").click()
    expect(chat.panel(_LAST)).to_be_visible()

    panel.get_by_role("button", name="Replay in slow motion").click()
    expect(panel.get_by_role("status")).to_have_text("Agent thinks")
    expect(panel.get_by_role("button", name="Replay in slow motion")).to_be_visible()


def test_the_page_shows_what_the_agent_saw(chat: ChatPage, api: MemoryApi) -> None:
    """A dialog lists the messages and preferences that the agent got. After a reload, only their numbers are known."""
    api.put_preferences(chat.user_id, {"tone": "brief, with code"})
    chat.send_message("My name is Ada.")
    answer = chat.send_message("What is my name?")
    button = answer.get_by_role("button", name="What it saw (2 messages, 1 preference)")
    button.click()
    dialog = chat.page.get_by_role("dialog", name="What the agent saw")
    expect(dialog).to_contain_text("My name is Ada.")
    expect(dialog).to_contain_text("brief, with code")
    expect(dialog).to_contain_text("Nothing was left out.")
    assert not axe_violations(chat.page)
    dialog.get_by_role("button", name="Close").click()
    expect(button).to_be_focused()
    chat.page.reload()
    chat.messages.last.get_by_role("button", name="What it saw (2 messages, 1 preference)").click()
    expect(dialog).to_contain_text("known only until the page is loaded again")


def test_stores_are_unknown_if_nothing_answers(chat: ChatPage) -> None:
    """If the API does not answer, no store is shown as ok, and each says when it was last heard."""
    stores = chat.inspector.get_by_role("list", name="Stores", exact=True).get_by_role("listitem")
    expect(stores).to_have_count(4)
    expect(stores.nth(1)).to_contain_text("ok")
    chat.page.route("**/overview?*", lambda route: route.abort())
    expect(stores).to_have_text(
        [
            re.compile(f"^{name}heard \\d+ s ago{state}$")
            for name, state in (
                ("API", "unavailable"),
                ("Redis", "unknown"),
                ("PostgreSQL", "unknown"),
                ("Queue", "unknown"),
            )
        ]
    )
    assert not axe_violations(chat.page)
    chat.page.unroute("**/overview?*")
    expect(stores.nth(2)).to_contain_text("ok")


def test_different_numbers_of_messages_are_explained(open_page: OpenPage, api: MemoryApi, user_id: str) -> None:
    """The page explains why Redis has fewer messages of a long thread than PostgreSQL."""
    thread_id = f"long-{uuid4().hex[:6]}"
    for number in range(53):
        api.invoked(f"Question {number}.", f"Answer {number}.", thread_id=thread_id, user_id=user_id)
    chat = open_page(thread_id=thread_id)
    chat.wait_drained()
    panel = chat.panel(_LAST)
    expect(panel).to_contain_text(
        "Redis keeps the newest 50 exchanges (100 messages) of a thread for fast answers."
        " PostgreSQL keeps all 106 messages."
    )
    expect(panel.get_by_role("list", name="Way of the message")).to_contain_text("100 of 100")
    expect(panel).to_contain_text("The times are known only for messages that this tab has sent.")
    expect(chat.messages.first).to_contain_text("Stored in PostgreSQL")


def test_the_page_sends_one_poll(chat: ChatPage) -> None:
    """While nothing happens, the page sends one request at a time, and only for the overview."""
    chat.send_message("Hello.")
    expect(chat.messages.last).to_contain_text("Stored in PostgreSQL after")
    chat.wait_until_loaded()
    requests: list[str] = []
    with chat.page.expect_request(re.compile("include=[^&]*stores")):
        chat.page.on("request", lambda request: requests.append(request.url.partition("?")[0].rpartition("/")[2]))
    with chat.page.expect_request(re.compile("include=[^&]*stores")):
        pass
    assert set(requests) <= {"overview", "memories"}, requests
    assert requests.count("overview") <= 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_timeline_fits_a_phone(chat: ChatPage, scheme: str) -> None:
    """The timeline fits a narrow screen, and the selected message's button leads there."""
    chat.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    chat.send_message("Hello.")
    expect(chat.messages.last).to_contain_text("Stored in PostgreSQL after")
    chat.page.set_viewport_size({"width": 390, "height": 844})
    chat.messages.last.get_by_role("button", name="What happened").press("Enter")
    expect(chat.panel(_LAST).get_by_role("button", name="Replay in slow motion")).to_be_focused()
    assert not scrolls_sideways(chat.page)
    assert not axe_violations(chat.page)
