"""A thread can be saved as Markdown, JSON and JSON Lines, and printed, with all its messages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Download, Locator, expect
from typer.testing import CliRunner

from cli.main import app
from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.browser import axe_violations, scrolls_sideways

EXCHANGES = 120
TITLE = "Where is my lighthouse? | 灯台"


@pytest.fixture
def exported(open_page: OpenPage, api: MemoryApi, user_id: str) -> ChatPage:
    """Return the page with an open thread, of which it has loaded the newest messages only."""
    thread_id = f"{user_id}-light"
    for number in range(EXCHANGES):
        question = TITLE if number == 0 else f"Question {number}"
        metadata = {"number": number}
        api.invoked(question, f"Answer {number}", thread_id=thread_id, user_id=user_id, metadata=metadata)
    chat = open_page(thread_id=thread_id)
    expect(chat.messages).to_have_count(50)
    return chat


def open_dialog(chat: ChatPage) -> Locator:
    """Open the dialog."""
    chat.page.get_by_role("button", name="Export", exact=True).click()
    dialog = chat.page.get_by_role("dialog", name="Export this thread")
    expect(dialog).to_be_visible()
    return dialog


def save(chat: ChatPage, name: str, folder: Path) -> Path:
    """Press a button of the dialog, and return the saved file."""
    dialog = chat.page.get_by_role("dialog", name="Export this thread")
    with chat.page.expect_download() as waiting:
        dialog.get_by_role("button", name=name, exact=True).click()
    download: Download = waiting.value
    path = folder / download.suggested_filename
    download.save_as(path)
    expect(dialog.get_by_role("status")).to_have_text("Saved.")
    return path


def test_a_thread_is_saved_with_all_its_messages(exported: ChatPage, api: MemoryApi, tmp_path: Path) -> None:
    """The files have every message in its order, also those that the page has not loaded, and its metadata."""
    chat = exported
    open_dialog(chat)
    assert not axe_violations(chat.page)
    markdown = save(chat, "Markdown", tmp_path)
    assert markdown.name == "Where-is-my-lighthouse-灯台.md"
    text = markdown.read_text(encoding="utf-8")
    assert text.startswith(f"# {TITLE}\n")
    places = [text.index(f"\n\nAnswer {number}\n") for number in range(EXCHANGES)]
    assert places == sorted(places)
    assert text.count("**You**, 20") == text.count("**Agent**, 20") == EXCHANGES

    saved = json.loads(save(chat, "JSON", tmp_path).read_text(encoding="utf-8"))
    assert saved["thread_id"] == chat.thread_id
    assert saved["title"] == TITLE
    assert saved["degraded"] == []
    first, last = saved["messages"][0], saved["messages"][-1]
    assert (first["role"], first["content"], first["metadata"]) == ("user", TITLE, {"number": 0})
    assert last["content"] == f"Answer {EXCHANGES - 1}"
    assert len(saved["messages"]) == 2 * EXCHANGES

    lines = save(chat, "JSON Lines", tmp_path)
    preview = CliRunner().invoke(app, ["import", str(lines), "--json"])
    assert preview.exit_code == 0, preview.output
    assert '"exchanges": 120' in preview.output
    chat.page.keyboard.press("Escape")
    expect(chat.composer).to_be_focused()
    assert api.thread(chat.thread_id)["title"] == TITLE


def test_an_incomplete_export_says_so(chat: ChatPage) -> None:
    """If a store does not respond, the dialog and the file say that messages may be missing. An error is shown."""
    chat.send_message("Keep this.")
    dialog = open_dialog(chat)
    messages = [
        {"role": "user", "content": "Keep this.", "exchange_id": None, "created_at": None},
    ]
    body = {"items": messages, "next_cursor": None, "degraded": ["postgres"]}
    chat.page.route("**/messages?*", lambda route: route.fulfill(json=body))
    with chat.page.expect_download() as waiting:
        dialog.get_by_role("button", name="Markdown").click()
    expect(dialog.get_by_role("alert")).to_contain_text("PostgreSQL is not responding, so some messages may be missing")
    assert "some messages may be missing" in waiting.value.path().read_text(encoding="utf-8")
    chat.page.unroute("**/messages?*")
    chat.page.route("**/messages?*", lambda route: route.abort())
    dialog.get_by_role("button", name="JSON", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("The server is not responding.")
    assert not axe_violations(chat.page)


def test_an_empty_thread_cannot_be_exported(chat: ChatPage) -> None:
    """The button is enabled from the first stored message on, and fits the narrowest screen."""
    export = chat.page.get_by_role("button", name="Export", exact=True)
    expect(export).to_be_disabled()
    chat.send_message("Something to keep.")
    expect(export).to_be_enabled()
    chat.page.set_viewport_size({"width": 320, "height": 640})
    assert not scrolls_sideways(chat.page)
    dialog = open_dialog(chat)
    for button in dialog.get_by_role("button").all():
        expect(button).to_be_in_viewport(ratio=1)


def test_printing_has_every_message_and_nothing_else(exported: ChatPage) -> None:
    """Before printing, the page loads the earlier messages. Only the title and the messages are on paper."""
    chat = exported
    chat.page.evaluate("window.printed = 0; window.print = () => { window.printed += 1; }")
    open_dialog(chat).get_by_role("button", name="Print").click()
    chat.page.wait_for_function("window.printed === 1")
    expect(chat.messages).to_have_count(2 * EXCHANGES)
    expect(chat.page.get_by_role("dialog")).to_be_hidden()
    chat.page.emulate_media(media="print", color_scheme="dark")
    expect(chat.page.get_by_role("heading", name=TITLE)).to_be_visible()
    for hidden in (chat.threads, chat.inspector, chat.composer, chat.search_field):
        expect(hidden).to_be_hidden()
    assert chat.page.locator("button:visible, input:visible, textarea:visible").count() == 0
    height, content = chat.conversation.evaluate("log => [log.clientHeight, log.scrollHeight]")
    assert height == content
    assert chat.messages.first.evaluate("element => getComputedStyle(element).color") == "rgb(0, 0, 0)"
    assert chat.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pdf = chat.page.pdf()
    # 240 messages need several pages.
    assert pdf.count(b"/Type /Page\n") > 3


def test_a_print_without_the_earlier_messages_says_so(exported: ChatPage) -> None:
    """With the browser's own command, the paper says that earlier messages are missing."""
    chat = exported
    chat.page.emulate_media(media="print")
    note = chat.conversation.locator(".more")
    content = note.evaluate("element => getComputedStyle(element, '::after').content")
    assert "Earlier messages are not loaded" in content
    assert note.is_visible()
