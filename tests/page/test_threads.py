"""The page lists threads, searches titles, switches and deletes."""

from __future__ import annotations

import re

from playwright.sync_api import Route, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage


def test_switching_threads_during_a_request(chat: ChatPage, api: MemoryApi) -> None:
    """A late response appears only in its own thread."""
    chat.send_message("This is the first thread.")
    first = chat.thread_id
    chat.wait_drained()
    chat.page.get_by_role("button", name="New thread").click()
    expect(chat.messages).to_have_count(0)
    chat.send_message("This is the second thread.")
    second = chat.thread_id
    assert second != first
    chat.wait_drained()

    blocked = chat.block_turns()
    chat.composer.fill("Asked in the second thread.")
    chat.composer.press("Enter")
    expect(chat.messages).to_have_count(3)
    chat.threads.get_by_role("button", name=re.compile("^This is the first thread")).click()
    expect(chat.messages).to_have_count(2)
    expect(chat.messages.first).to_contain_text("This is the first thread.")
    chat.page.unroute("**/run")
    # The server handles the request after the page has aborted it.
    sent = blocked[0].request
    api.call("POST", "/run", content=sent.post_data, headers={"Idempotency-Key": sent.headers["idempotency-key"]})
    chat.send_message("Asked in the first thread.")
    expect(chat.conversation).not_to_contain_text("second thread")

    chat.threads.get_by_role("button", name=re.compile("^This is the second thread")).click()
    expect(chat.messages).to_have_count(4)
    expect(chat.messages.last).to_contain_text("Noted: “Asked in the second thread.”")
    expect(chat.conversation).not_to_contain_text("Asked in the first thread.")
    assert chat.thread_id == second


def test_searching_and_renaming_threads(chat: ChatPage, api: MemoryApi) -> None:
    """A search finds titles by their words, above the messages. A new title is kept."""
    for number, text in enumerate(["Analytical engines", "Notes on a translation", "Bernoulli numbers"]):
        api.invoked(text, "Yes.", thread_id=f"{chat.user_id}-{number}", user_id=chat.user_id)
    chat.send_message("Punched cards")
    items = chat.threads.get_by_role("listitem")
    expect(items).to_have_count(4, timeout=40_000)
    titles = chat.threads.get_by_role("region", name="Titles", exact=True)
    chat.search_field.fill("notes TRANSL")
    expect(titles.get_by_role("listitem")).to_have_count(1)
    expect(titles).to_contain_text("Notes on a translation")
    chat.search_field.fill("nowhere")
    expect(titles).to_have_count(0)
    chat.search_field.fill("")
    expect(items).to_have_count(4)

    items.filter(has_text="Bernoulli numbers").get_by_role("button").click()
    expect(chat.page.get_by_role("heading", name="Bernoulli numbers")).to_be_visible()
    chat.page.get_by_role("button", name="Rename").click()
    title = chat.page.get_by_label("Title", exact=True)
    expect(title).to_be_focused()
    title.fill("The first program")
    title.press("Enter")
    expect(items.filter(has_text="The first program")).to_have_count(1)
    expect(chat.composer).to_be_focused()
    assert api.thread(f"{chat.user_id}-2")["title"] == "The first program"


def test_a_thread_is_deleted_after_a_typed_word(chat: ChatPage, api: MemoryApi) -> None:
    """The deletion needs a typed word. Afterwards a new thread is open."""
    chat.send_message("Forget me.")
    chat.wait_drained()
    deleted_id = chat.thread_id
    chat.page.get_by_role("button", name="Delete", exact=True).click()
    dialog = chat.page.get_by_role("dialog", name="Delete this thread?")
    confirm = dialog.get_by_role("button", name="Delete for good")
    expect(confirm).to_be_disabled()
    dialog.get_by_label(re.compile("Type delete")).fill("del")
    expect(confirm).to_be_disabled()
    chat.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(chat.composer).to_be_focused()
    assert api.thread(deleted_id)["title"] == "Forget me."

    chat.page.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_label(re.compile("Type delete")).fill("delete")
    confirm.click()
    expect(dialog).to_be_hidden()
    expect(chat.messages).to_have_count(0)
    expect(chat.composer).to_be_focused()
    assert chat.thread_id != deleted_id
    assert api.send("GET", f"/threads/{deleted_id}").status_code == 404
    expect(chat.threads.get_by_role("listitem")).to_have_count(0)


def test_a_thread_cannot_be_deleted_during_a_turn(chat: ChatPage) -> None:
    """A thread cannot be deleted during a turn, because the turn's answer would restore it.

    After the answer the thread can be deleted.
    """
    delete = chat.page.get_by_role("button", name="Delete", exact=True)
    chat.send_message("Forget me.")
    expect(delete).to_be_enabled()
    blocked = chat.block_turns()
    chat.composer.fill("And this.")
    chat.composer.press("Enter")
    expect(chat.messages).to_have_count(3)
    expect(delete).to_be_disabled()
    blocked[0].continue_()
    expect(chat.messages).to_have_count(4)
    expect(delete).to_be_enabled()


def test_the_url_opens_its_thread(open_page: OpenPage, user_id: str) -> None:
    """Another browser can open the URL. The back button returns to the previous thread."""
    thread_id = f"{user_id} / % ü"
    first = open_page(thread_id=thread_id)
    first.send_message("Remember this address.")
    second = open_page(thread_id=thread_id)
    expect(second.messages).to_have_count(2)
    second.page.get_by_role("button", name="New thread").click()
    expect(second.messages).to_have_count(0)
    second.page.go_back()
    expect(second.messages).to_have_count(2)


def test_another_user_has_other_threads(chat: ChatPage) -> None:
    """After a change of the user's name, the page shows nothing of the former user."""
    chat.send_message("I am somebody.")
    chat.wait_drained()
    expect(chat.threads.get_by_role("listitem")).to_have_count(1)
    name = chat.page.get_by_label("User", exact=True)
    name.fill(f"{chat.user_id}_other")
    name.press("Enter")
    expect(chat.messages).to_have_count(0)
    expect(chat.threads).to_contain_text("No conversations yet")
    expect(chat.panel(re.compile("^Preferences of"))).to_contain_text(f"{chat.user_id}_other")


def test_preferences_are_edited_in_place(chat: ChatPage, api: MemoryApi) -> None:
    """A user adds, changes, reverts and removes preferences. The next turn gets the saved preferences."""
    panel = chat.panel(re.compile("^Preferences of"))
    panel.get_by_label("New preference").fill("tone")
    panel.get_by_label("Preference value").fill("brief")
    panel.get_by_label("Preference value").press("Enter")
    tone = panel.get_by_label("tone", exact=True)
    expect(tone).to_have_value("brief")
    expect(panel.get_by_label("New preference")).to_be_focused()
    tone.fill("dry")
    tone.press("Escape")
    expect(tone).to_have_value("brief")
    tone.fill("warm")
    with chat.page.expect_response(lambda answer: answer.request.method == "PATCH" and answer.ok):
        tone.press("Enter")
    expect(chat.send_message("How do I like it?")).to_contain_text("tone: warm")
    assert api.preferences(chat.user_id) == {"tone": "warm"}
    panel.get_by_role("button", name="Remove tone").click()
    expect(panel).to_contain_text("Nothing yet.")
    assert api.preferences(chat.user_id) == {}


def test_a_late_response_does_not_revert_a_preference(chat: ChatPage, api: MemoryApi) -> None:
    """The page ignores a response from before the change, and then reads the preferences again immediately."""
    api.put_preferences(chat.user_id, {"tone": "brief"})
    chat.page.reload()
    tone = chat.panel(re.compile("^Preferences of")).get_by_label("tone", exact=True)
    expect(tone).to_have_value("brief")
    blocked: list[Route] = []
    has_preferences = re.compile(r"/overview\?.*include=[^&]*preferences")

    def hold(route: Route) -> None:
        blocked.append(route)

    chat.page.route(has_preferences, hold)
    # The user returns to the page, which then reloads the data.
    with chat.page.expect_request(has_preferences):
        chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    tone.fill("warm")
    with chat.page.expect_response(lambda response: response.request.method == "PATCH"):
        tone.press("Enter")
    expect(tone).to_have_value("warm")
    overview = blocked[0].fetch().json()
    with chat.page.expect_request(has_preferences, timeout=10_000):
        blocked[0].fulfill(json={**overview, "preferences": {"tone": "brief"}})
    chat.page.evaluate("new Promise(requestAnimationFrame)")
    expect(tone).to_have_value("warm", timeout=1)
    blocked[1].fulfill(json={**overview, "preferences": {"tone": "changed elsewhere"}})
    expect(tone).to_have_value("changed elsewhere")


def test_text_typed_during_a_save_stays(chat: ChatPage, api: MemoryApi) -> None:
    """The field keeps text that the user types during a save. The next save stores this text."""
    api.put_preferences(chat.user_id, {"tone": "brief"})
    chat.page.reload()
    blocked: list[Route] = []

    def block(route: Route) -> None:
        if route.request.method == "PATCH" and not blocked:
            blocked.append(route)
        else:
            route.continue_()

    chat.page.route("**/preferences", block)
    tone = chat.panel(re.compile("^Preferences of")).get_by_label("tone", exact=True)
    tone.fill("warm")
    with chat.page.expect_request(lambda request: request.method == "PATCH"):
        tone.press("Enter")
    tone.fill("warm and dry")
    with chat.page.expect_response(lambda response: response.request.method == "PATCH"):
        blocked[0].continue_()
    expect(chat.panel(re.compile("^Preferences of")).get_by_label("tone", exact=True)).to_have_value("warm and dry")
    with chat.page.expect_response(lambda response: response.request.method == "PATCH"):
        tone.press("Enter")
    expect(tone).to_have_value("warm and dry")
    assert api.preferences(chat.user_id) == {"tone": "warm and dry"}
