"""Answers are shown in Markdown, without markup of their own, in every script, and long ones are folded."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Request, expect

from tests.e2e.memory_api import MemoryApi
from tests.page.conftest import OpenPage

ShowAnswer = Callable[..., Locator]
HEBREW = "\u05e9\u05dc\u05d5\u05dd"


@pytest.fixture
def show_answer(open_page: OpenPage, api: MemoryApi, user_id: str) -> ShowAnswer:
    """Return a function that opens a thread with one exchange, and returns the answer."""

    def show(text: str, *, question: str = "Show me.", metadata: dict[str, object] | None = None) -> Locator:
        thread_id = f"{user_id}-markdown"
        api.invoked(question, text, thread_id=thread_id, user_id=user_id, metadata=metadata)
        chat = open_page(thread_id=thread_id)
        expect(chat.messages).to_have_count(2)
        return chat.messages.last

    return show


@pytest.mark.parametrize(
    "text",
    [
        "<script>window.attacked = true</script>",
        "<img src=x onerror='window.attacked = true'>",
        "<svg onload='window.attacked = true'></svg>",
        "<iframe srcdoc='<script>parent.attacked = true</script>'></iframe>",
        "<a href='javascript:window.attacked = true'>click</a>",
        "[click](javascript:window.attacked=true)",
        "[click](JaVaScRiPt:window.attacked=true)",
        "[click](&#106;avascript:window.attacked=true)",
        "[click](data:text/html,<script>opener.attacked=true</script>)",
        "[click](vbscript:x)",
        "[click](//example.com/)",
        "[click](#thread=other)",
        "![click](javascript:window.attacked=true)",
        "<javascript:window.attacked=true>",
        "[click][1]\n\n[1]: javascript:window.attacked=true",
        "```js onload=window.attacked=true\nwindow.attacked = true\n```",
        '```"><img src=x onerror=window.attacked=true>\ncode\n```',
        "<style>* { display: none }</style>",
        "<div id='root'>mine</div>",
    ],
)
def test_markup_does_nothing(show_answer: ShowAnswer, text: str) -> None:
    """Markup is text, no link runs a script or leaves the page's own address, and nothing of the page is renamed."""
    answer = show_answer(f"{text}\n\nThe end.")
    expect(answer).to_contain_text("The end.")
    body = answer.locator(".markdown")
    assert body.locator("script, img, svg, iframe, style, a, [id], [onload], [onerror], [style]").count() == 0
    for element in body.get_by_text("click").all():
        element.click()
    assert answer.page.evaluate("window.attacked") is None
    assert answer.page.locator("#root").count() == 1


def test_links_are_safe(show_answer: ShowAnswer) -> None:
    """A link opens a new tab without a reference to this one. A picture is a link, so nothing is loaded by itself."""
    requests: list[Request] = []
    answer = show_answer(
        "See [the docs](https://example.com/a?b=c#d), www.example.com, a@example.com.\n\n![Cat](https://example.com/cat.png)"
    )
    answer.page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - a built-in has no signature
    links = answer.get_by_role("link")
    expect(links).to_have_text(["the docs", "www.example.com", "a@example.com", "Cat"])
    addresses = [link.get_attribute("href") for link in links.all()]
    assert addresses == [
        "https://example.com/a?b=c#d",
        "http://www.example.com",
        "mailto:a@example.com",
        "https://example.com/cat.png",
    ]
    for link in links.all():
        assert (link.get_attribute("target"), link.get_attribute("rel")) == ("_blank", "noopener noreferrer nofollow")
    assert not [each.url for each in requests if "example.com" in each.url]


def test_code_is_highlighted_without_the_network(show_answer: ShowAnswer) -> None:
    """Code has the name of its language and colours. An unknown language is plain code."""
    answer = show_answer("```python\ndef f():\n    return 'x'\n```\n\n```brainfuck\n+++\n```\n\n    indented")
    expect(answer.locator("pre")).to_have_count(3)
    assert answer.locator(".hljs-keyword").all_inner_texts() == ["def", "return"]
    expect(answer.locator(".code-head").first).to_contain_text("python")
    expect(answer.locator("pre").nth(1)).to_have_text("+++")


def test_each_block_has_its_own_direction(show_answer: ShowAnswer) -> None:
    """Arabic and Hebrew run from right to left beside English, in questions and answers. Code does not."""
    answer = show_answer(
        f"# مرحبا\n\nHello there.\n\n{HEBREW}\n\n- عنصر\n\n| a | ب |\n|---|---|\n| 1 | نص |\n\n```python\nx = 1\n```",
        question="مرحبا، اسمي آدا\nHello",
    )
    direction = "element => getComputedStyle(element).direction"
    assert answer.get_by_role("heading").evaluate(direction) == "rtl"
    assert answer.get_by_text("Hello there.").evaluate(direction) == "ltr"
    assert answer.get_by_text(HEBREW).evaluate(direction) == "rtl"
    assert answer.get_by_role("listitem").evaluate(direction) == "rtl"
    assert answer.get_by_role("cell").last.evaluate(direction) == "rtl"
    assert answer.locator("pre").evaluate(direction) == "ltr"
    question = answer.page.locator("[data-role=user] .text")
    assert question.evaluate("element => getComputedStyle(element).unicodeBidi") == "plaintext"
    composer = answer.page.get_by_label("Message", exact=True)
    composer.fill(HEBREW)
    assert composer.evaluate(direction) == "rtl"


def test_a_long_message_is_folded(show_answer: ShowAnswer) -> None:
    """Of a message of 10,000 characters, the beginning is shown. A button shows everything, also for a question."""
    words = "A sentence of thirty characters" * 323
    answer = show_answer(f"{words[:9_992]} The end", question=words[:10_000])
    for message in (answer, answer.page.locator("[data-role=user]")):
        fold = message.locator(".fold")
        height = fold.evaluate("element => element.clientHeight")
        assert height <= 320
        button = message.get_by_role("button", name="Show all 10,000 characters")
        expect(button).to_have_attribute("aria-expanded", "false")
        button.click()
        expect(message.get_by_role("button", name="Show less")).to_have_attribute("aria-expanded", "true")
        assert fold.evaluate("element => element.clientHeight") > height
        message.get_by_role("button", name="Show less").click()
        expect(button).to_be_visible()


def test_the_focus_opens_a_folded_message(show_answer: ShowAnswer) -> None:
    """A link in the hidden part of a message can be reached with the keyboard, and is then visible."""
    answer = show_answer("\n\n".join(["Some text."] * 400) + "\n\n[the last link](https://example.com/)")
    link = answer.get_by_role("link", name="the last link")
    link.focus()
    expect(answer.get_by_role("button", name="Show less")).to_be_visible()
    expect(link).to_be_in_viewport()


@pytest.mark.parametrize("text", [">" * 10_000, "*a_ " * 20_000, "[" * 50_000, "word " * 20_000], ids=len)
def test_an_extreme_text_is_shown_as_it_is(show_answer: ShowAnswer, text: str) -> None:
    """A text that would keep the parser busy, or is nested too deeply, is shown as plain text."""
    answer = show_answer(text)
    assert answer.locator(".text").inner_text().strip() == text.strip()


def test_tool_steps_are_shown_as_steps(show_answer: ShowAnswer, api: MemoryApi, user_id: str) -> None:
    """Tool calls of an agent framework are steps of the answer. An exchange without texts is no message."""
    steps = [
        {"type": "tool_call", "id": "1", "name": "search", "text": '{"query": "cats"}'},
        {"type": "tool_result", "id": "1", "text": "two cats"},
    ]
    api.invoked("", "", thread_id=f"{user_id}-markdown", user_id=user_id, metadata={"kind": "step"})
    answer = show_answer("You have two cats.", question="How many cats?", metadata={"steps": steps})
    summary = answer.locator("summary")
    expect(summary).to_have_text("Used 1 tool: search")
    expect(answer.get_by_text("two cats", exact=True)).to_be_hidden()
    summary.click()
    expect(answer.get_by_role("listitem")).to_have_text(
        [
            re.compile(r'^Called search\s*\{"query": "cats"\}$'),
            re.compile(r"^Result of search\s*two cats$"),
        ]
    )
