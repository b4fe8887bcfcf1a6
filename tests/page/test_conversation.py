"""The conversation tells the truth about each message, and a reader is never disturbed."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Locator, Route, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage
from tests.support.browser import axe_violations, scrolls_sideways

UNCERTAIN = "It may have been received; sending again is safe."


def _ask(chat: ChatPage, text: str) -> None:
    """Send a message without waiting for the answer."""
    chat.composer.fill(text)
    chat.composer.press("Enter")


def _button(message: Locator, name: str) -> Locator:
    return message.get_by_role("button", name=name, exact=True)


def _forward(api: MemoryApi, route: Route) -> None:
    """Let the server handle a request whose response the page does not get."""
    sent = route.request
    api.call("POST", "/run", content=sent.post_data, headers={"Idempotency-Key": sent.headers["idempotency-key"]})


def test_a_stopped_message_gets_its_answer_by_itself(chat: ChatPage, api: MemoryApi) -> None:
    """The page does not claim that a stopped message was not sent. The answer appears when the server has it."""
    blocked = chat.block_turns()
    _ask(chat, "Stop me.")
    chat.page.get_by_role("button", name="Stop").click()
    expect(chat.messages.first).to_contain_text(f"Stopped. {UNCERTAIN}")
    _forward(api, blocked[0])
    expect(chat.messages).to_have_count(2)
    expect(chat.messages.first).not_to_contain_text("Stopped")
    assert len(blocked) == 1


def test_a_lost_answer_appears_by_itself(chat: ChatPage, api: MemoryApi) -> None:
    """If the answer is lost on the way, the message says so, and the answer appears when the server is asked again."""

    def lose(route: Route) -> None:
        _forward(api, route)
        route.fulfill(status=504, content_type="text/html", body="<h1>Timeout</h1>")

    chat.page.route("**/run", lose)
    chat.page.route("**/messages?*", lambda route: route.abort())
    _ask(chat, "Lose my answer.")
    expect(chat.messages.first).to_contain_text(f"No answer. {UNCERTAIN}")
    expect(chat.status).to_have_text(f"No answer. {UNCERTAIN}")
    chat.page.unroute("**/messages?*")
    expect(chat.messages).to_have_count(2)
    expect(chat.alert).to_have_count(0)


def test_a_rejected_message_was_not_sent(chat: ChatPage) -> None:
    """If the server has rejected a message, the page says that it was not sent. The message can be discarded."""
    problem = '{"status": 403, "title": "Forbidden", "detail": "Not yours."}'
    chat.page.route(
        "**/run", lambda route: route.fulfill(status=403, content_type="application/problem+json", body=problem)
    )
    _ask(chat, "Reject me.")
    expect(chat.messages.first).to_contain_text("Not sent.")
    expect(chat.messages.first).not_to_contain_text("may have been received")
    _button(chat.messages.first, "Discard").click()
    expect(chat.messages).to_have_count(0)
    expect(chat.alert).to_have_count(0)
    expect(chat.composer).to_be_focused()


def test_a_turn_of_another_tab_appears(open_page: OpenPage, user_id: str) -> None:
    """A message that is sent in one tab appears in the other, which is not touched and says nothing about loading."""
    thread_id = f"{user_id}-tabs"
    one, other = open_page(thread_id=thread_id), open_page(thread_id=thread_id)
    other.composer.fill("A draft of the other tab")
    one.send_message("Said in the first tab.")
    expect(other.messages).to_have_count(2)
    expect(other.messages.first).to_contain_text("Said in the first tab.")
    expect(other.composer).to_have_value("A draft of the other tab")
    other.send_message("Said in the second tab.")
    expect(one.messages).to_have_count(4)


def test_a_message_that_is_sent_offline_is_sent_on_return(chat: ChatPage, context: BrowserContext) -> None:
    """Offline, the page keeps what is there and what is sent. Back online, it continues without a reload."""
    chat.send_message("Before the tunnel.")
    context.set_offline(True)
    notice = chat.page.get_by_text("You are offline. Your messages stay here")
    expect(notice).to_be_visible()
    expect(chat.status).to_have_text("You are offline.")
    _ask(chat, "In the tunnel.")
    expect(chat.messages).to_have_count(3)
    expect(chat.messages.last).to_contain_text(f"No answer. {UNCERTAIN}")
    expect(chat.messages.first).to_contain_text("Before the tunnel.")
    assert not axe_violations(chat.page)
    context.set_offline(False)
    expect(chat.messages).to_have_count(4)
    expect(notice).to_have_count(0)
    expect(chat.messages.last).to_contain_text("“Before the tunnel.”")


def test_a_reader_is_not_pulled_down(open_page: OpenPage, api: MemoryApi, user_id: str) -> None:
    """A new message does not move a reader who is further up. A button leads to it."""
    thread_id = f"{user_id}-reading"
    for number in range(20):
        api.invoked(f"Question {number}.", f"Answer {number}.", thread_id=thread_id, user_id=user_id)
    one, other = open_page(thread_id=thread_id), open_page(thread_id=thread_id)
    expect(one.messages).to_have_count(40)
    expect(one.messages.last).to_be_in_viewport()
    button = one.page.get_by_role("button", name="New messages")
    expect(button).to_have_count(0)
    one.conversation.evaluate("log => log.scrollTo(0, 0)")
    expect(one.messages.first).to_be_in_viewport()
    other.send_message("News from below.")
    expect(button).to_be_visible()
    expect(one.messages.first).to_be_in_viewport()
    expect(one.messages.last).not_to_be_in_viewport()
    assert not axe_violations(one.page)
    button.click()
    expect(one.messages.last).to_be_in_viewport()
    expect(button).to_have_count(0)
    one.conversation.evaluate("log => log.scrollTo(0, 0)")
    one.send_message("My own message leads to the end.")
    expect(one.messages.last).to_be_in_viewport()


def test_a_draft_belongs_to_its_thread(chat: ChatPage) -> None:
    """An unsent text stays in its thread, over a visit to another thread and over a reload."""
    chat.send_message("This is the first thread.")
    chat.wait_drained()
    first = chat.threads.get_by_role("button", name=re.compile("^This is the first thread"))
    chat.composer.fill("Unsent in the first thread")
    chat.page.get_by_role("button", name="New thread").click()
    expect(chat.messages).to_have_count(0)
    expect(chat.composer).to_have_value("")
    chat.composer.fill("Unsent in the second thread")
    first.click()
    expect(chat.composer).to_have_value("Unsent in the first thread")
    chat.page.reload()
    expect(chat.composer).to_have_value("Unsent in the first thread")
    chat.composer.press("Enter")
    expect(chat.messages).to_have_count(4)
    chat.page.reload()
    expect(chat.messages).to_have_count(4)
    expect(chat.composer).to_have_value("")
    chat.page.go_back()
    expect(chat.composer).to_have_value("Unsent in the second thread")


def test_a_reload_shows_the_conversation_at_once(chat: ChatPage) -> None:
    """While the history loads, and if it cannot be loaded, the page shows the conversation that it knows."""
    chat.send_message("Still here.")
    chat.page.route("**/messages?*", lambda _: None)
    chat.page.reload()
    expect(chat.messages).to_have_count(2)
    chat.page.unroute("**/messages?*")
    chat.page.route("**/messages?*", lambda route: route.abort())
    chat.page.reload()
    expect(chat.alert).to_contain_text("The server is not responding.")
    expect(chat.messages).to_have_count(2)


def test_a_history_that_cannot_be_loaded_is_not_empty(open_page: OpenPage, context: BrowserContext) -> None:
    """If the history cannot be loaded, the page does not show an empty conversation."""
    context.route("**/messages?*", lambda route: route.abort())
    chat = open_page(thread_id=f"unread-{uuid4().hex[:6]}")
    expect(chat.alert).to_contain_text("The server is not responding.")
    expect(chat.conversation).not_to_contain_text("Tell the agent something about you")


def test_the_elapsed_time_is_shown(chat: ChatPage) -> None:
    """While the agent answers, the page counts the seconds, and screen readers hear no seconds."""
    blocked = chat.block_turns()
    _ask(chat, "Take your time.")
    waiting = chat.conversation.get_by_text("The agent is answering …")
    expect(waiting).to_have_text(re.compile(r"… [1-9] s$"))
    expect(chat.status).to_have_text("Sent. The agent is answering.")
    blocked[0].continue_()
    expect(chat.messages).to_have_count(2)
    expect(waiting).to_have_count(0)


def test_a_message_is_edited_in_its_place(chat: ChatPage, api: MemoryApi) -> None:
    """An edited message and its new answer replace the old ones, by keyboard, and later messages stay."""
    chat.send_message("My name is Adda.")
    chat.send_message("I live in London.")
    edit = _button(chat.messages.first, "Edit")
    edit.focus()
    edit.press("Enter")
    field = chat.page.get_by_label("Edited message")
    expect(field).to_be_focused()
    expect(field).to_have_value("My name is Adda.")
    expect(chat.messages.first).to_contain_text("Later messages stay as they are.")
    assert not axe_violations(chat.page)
    field.press("Escape")
    expect(field).to_have_count(0)
    edit.click()
    field.fill("My name is Ada.")
    field.press("Enter")
    expect(chat.messages.nth(1)).to_contain_text("Nice to meet you, Ada!")
    expect(chat.messages).to_have_count(4)
    expect(chat.messages.nth(2)).to_contain_text("I live in London.")
    expect(chat.composer).to_be_focused()
    chat.wait_drained()
    chat.page.reload()
    expect(chat.messages).to_have_count(4)
    stored = api.send("GET", f"/threads/{chat.thread_id}/messages?order=asc").json()["items"]
    assert [stored[0]["content"], stored[0]["revision"]] == ["My name is Ada.", 1]


def test_an_answer_is_asked_for_again(chat: ChatPage) -> None:
    """“Try again” replaces the answer. Until then, and if it fails, the old answer stays."""
    chat.send_message("My name is Ada.")
    answer = chat.messages.last
    blocked = chat.block_turns()
    _button(answer, "Try again").click()
    expect(answer).to_contain_text("The agent is writing a new answer …")
    expect(answer).to_contain_text("Nice to meet you, Ada!")
    body = blocked[0].request.post_data_json
    assert body
    assert body["prompt"] == "My name is Ada."
    assert body["replaces"]
    blocked[0].abort()
    chat.page.unroute("**/run")
    chat.page.route("**/run", lambda route: route.abort())
    expect(chat.messages.first).to_contain_text(f"No new answer. {UNCERTAIN}")
    expect(answer).to_contain_text("Nice to meet you, Ada!")
    _button(chat.messages.first, "Keep the old message").click()
    expect(chat.messages.first).not_to_contain_text("No new answer.")
    expect(chat.messages).to_have_count(2)


def test_a_message_is_copied_as_it_is(open_page: OpenPage, context: BrowserContext, api: MemoryApi) -> None:
    """“Copy” copies the Markdown of an answer, and “Copy code” only the code."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    thread_id = f"copy-{uuid4().hex[:6]}"
    text = "**Run** this:\n\n```python\nprint('hello')\n```"
    api.invoked("How?", text, thread_id=thread_id, user_id="copier")
    chat = open_page(thread_id=thread_id, user_id="copier")
    read = "navigator.clipboard.readText()"
    answer = chat.messages.last
    _button(answer, "Copy").click()
    expect(_button(answer, "Copied")).to_be_visible()
    assert chat.page.evaluate(read) == text
    _button(answer, "Copy code").click()
    expect(_button(answer, "Copied")).to_have_count(2)
    assert chat.page.evaluate(read) == "print('hello')\n"
    chat.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    expect(_button(answer, "Copy")).to_be_visible()
    _button(answer, "Copy").click()
    expect(_button(answer, "Copied").first).to_be_visible()


def test_an_empty_conversation_invites(chat: ChatPage) -> None:
    """An empty conversation has three prompts. A click sends one, and the demo model answers it in Markdown."""
    prompts = chat.page.get_by_role("list", name="Try one of these").get_by_role("button")
    expect(prompts).to_have_count(3)
    assert not axe_violations(chat.page)
    prompts.nth(2).click()
    expect(chat.messages).to_have_count(2)
    answer = chat.messages.last
    expect(answer.get_by_role("heading", name="Two layers, compared")).to_be_visible()
    expect(answer.get_by_role("table").get_by_role("row")).to_have_count(3)
    expect(answer.locator("pre .hljs-keyword").first).to_have_text("def")
    expect(chat.page.get_by_role("heading", name="Compare the two layers")).to_be_visible()
    assert chat.thread_id not in chat.page.get_by_role("region", name="Chat", exact=True).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390, 320])
def test_axe_finds_nothing_in_markdown(
    open_page: OpenPage, api: MemoryApi, user_id: str, scheme: str, width: int
) -> None:
    """An answer with every element of Markdown has no problem for a screen reader, in each width and scheme."""
    thread_id = f"{user_id}-markdown"
    api.invoked("Show me.", _MARKDOWN, thread_id=thread_id, user_id=user_id, metadata={"steps": _STEPS})
    chat = open_page(thread_id=thread_id)
    chat.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    chat.page.set_viewport_size({"width": width, "height": 860})
    expect(chat.messages).to_have_count(2)
    chat.messages.last.locator("summary").click()
    chat.wait_until_loaded()
    assert not axe_violations(chat.page)
    assert not scrolls_sideways(chat.page)
    levels = chat.messages.last.get_by_role("heading").evaluate_all("all => all.map(each => each.tagName)")
    assert levels == ["H3", "H4", "H3", "H4"]


_STEPS = [
    {"type": "tool_call", "id": "1", "name": "search", "text": '{"query": "cats"}'},
    {"type": "tool_result", "id": "1", "text": "two cats"},
]
_MARKDOWN = """# First
Some **bold**, *italic*, ~~old~~ and `inline` text, a [link](https://example.com/) and a note.[^1]

#### Deep
> A quote

- one
  1. nested
- [x] done
- [ ] open

| left | centre | right |
|:-----|:------:|------:|
| 1 | 2 | 3 |

# Second
```sql
select id, count(*) from messages where role = 'user' group by id; -- a comment that is long enough to scroll
```

```
plain code
```

---

![A picture](https://example.com/picture.png)

[^1]: The note.
"""
