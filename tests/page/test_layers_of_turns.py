"""What the page says of the memory while its layers come and go."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from tests.e2e.queues import Queues
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.page.chat_page import ChatPage
from tests.page.conftest import Open

Picture = Callable[[ChatPage, str], None]
BOTH = "This thread in both layers"
WAY = "On its way to PostgreSQL"


def _badges(chat: ChatPage) -> list[str]:
    """Return what the answers say served them, oldest first; the machine's own word for it stands beside the colour."""
    answers = chat.page.locator("[data-role=assistant] .badges")
    return [" ".join(text.split()) for text in answers.all_inner_texts()]


@pytest.mark.embedded(reason="freezes Valkey")
def test_the_badge_tells_which_layer_served(
    open_page: Open, layers: Layers, servers: Servers, picture: Picture
) -> None:
    """From nothing to Redis, after a flush to PostgreSQL, without Redis degraded; a reload keeps it all."""
    chat = open_page(user_id="ada", thread_id=f"analytical-engine-{uuid4().hex[:4]}")
    chat.say("My name is Ada Lovelace.")
    expect(chat.status).to_have_text(re.compile(r"Answered in .*Memory: No memory\.$"))
    answer = chat.say("What is my name?")
    expect(answer).to_contain_text("user: My name is Ada Lovelace.")
    assert _badges(chat) == ["none", "Redis"]
    chat.wait_drained()

    chat.page.reload()
    expect(chat.messages).to_have_count(4)
    expect(chat.messages.first).to_contain_text("My name is Ada Lovelace.")
    assert _badges(chat) == ["none", "Redis"]
    expect(chat.composer).to_be_focused()

    with layers.redis() as client:
        client.flushall()
    answer = chat.say("And after a flush?")
    expect(answer).to_contain_text("user: My name is Ada Lovelace.")
    assert _badges(chat)[-1] == "PostgreSQL"
    expect(chat.status).to_contain_text("Memory: PostgreSQL.")
    expect(chat.fact("Last turn", "Kept by")).to_have_text("Queue")
    chat.wait_drained()

    with servers.frozen("valkey"):
        answer = chat.say("And without Redis?")
        expect(answer).to_contain_text("user: My name is Ada Lovelace.")
        assert _badges(chat)[-1] == "PostgreSQL degraded: no Redis"
        expect(chat.status).to_contain_text("degraded: Redis did not answer")
        stores = chat.memory.get_by_role("list", name="Stores")
        expect(stores.get_by_role("listitem").filter(has_text="Redis")).to_contain_text("unavailable")
        expect(chat.fact(BOTH, "Redis list")).to_have_text("unavailable")
        expect(chat.fact(BOTH, "Not drained")).to_have_text("unknown")
        expect(chat.fact(BOTH, "PostgreSQL")).to_have_text("8 rows")
        chat.page.emulate_media(color_scheme="dark")
        picture(chat, "page-degraded")

    expect(stores.get_by_role("listitem").filter(has_text="Redis")).to_contain_text("ok")
    answer = chat.say("And back again?")
    expect(answer).to_contain_text("user: And without Redis?")
    assert "degraded" not in _badges(chat)[-1]


def test_what_is_not_drained_is_marked(open_page: Open, queues: Queues, picture: Picture) -> None:
    """In Redis at once; in PostgreSQL marked as missing until the drain brings it; the queue is counted meanwhile."""
    chat = open_page(user_id="grace", thread_id=f"first-compiler-{uuid4().hex[:4]}")
    chat.say("Hello. I am Grace, and I write compilers.")
    chat.wait_drained()
    with queues.paused_drain():
        chat.say("What do I write?")
        expect(chat.fact(BOTH, "Not drained")).to_have_text(re.compile(r"^1 exchange, [\d.]+ s$"))
        expect(chat.fact(BOTH, "Redis list")).to_have_text("4 messages")
        expect(chat.fact(BOTH, "PostgreSQL")).to_have_text("2 rows")
        assert [row[1:] for row in chat.rows()] == [["in list", "not drained"]] * 2 + [["in list", "row"]] * 2
        expect(chat.fact(WAY, "Queue visible")).to_have_text("1")
        expect(chat.fact(WAY, "Oldest there")).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(chat.fact(WAY, "Sync lag")).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(chat.fact(WAY, "Dead letters")).to_have_text(re.compile(r"^\d+$"))
        expect(chat.panel(WAY)).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
        picture(chat, "page")
    chat.wait_drained()
    assert [row[1:] for row in chat.rows()] == [["in list", "row"]] * 4
    expect(chat.fact(WAY, "Sync lag")).to_have_text("0.0 s")


def test_the_time_to_live_counts_down(chat: ChatPage) -> None:
    """Every second, from what the server said."""
    chat.say("How long will Redis know this?")
    left = chat.fact(BOTH, "List lives for")
    expect(left).to_have_text(re.compile(r"^(23:59:\d\d|24:00:00)$"))
    first = left.inner_text()
    expect(left).not_to_have_text(first)
    expect(left).to_have_text(re.compile(r"^23:5\d:\d\d$"))


def test_every_store_has_its_state(chat: ChatPage) -> None:
    """In words."""
    stores = chat.memory.get_by_role("list", name="Stores").get_by_role("listitem")
    expect(stores).to_have_text([re.compile(f"^{name}.*ok$") for name in ("Redis", "PostgreSQL", "Queue")])
