"""The page shows failures and recovery of layers."""

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
BACKLOG = "Waiting to be stored"


def _badges(chat: ChatPage) -> list[str]:
    """Return the answers' badges, oldest first."""
    answers = chat.page.locator("[data-role=assistant] .badge")
    return [" ".join(text.split()) for text in answers.all_inner_texts()]


@pytest.mark.embedded(reason="freezes Valkey")
def test_the_badge_names_the_layer(open_page: Open, layers: Layers, servers: Servers, picture: Picture) -> None:
    """The badge shows no memory, then Redis, then PostgreSQL after a flush, then degraded without Redis.

    A reload keeps the badges.
    """
    chat = open_page(user_id="ada", thread_id=f"analytical-engine-{uuid4().hex[:4]}")
    chat.say("My name is Ada Lovelace.")
    expect(chat.status).to_have_text(re.compile(r"Answered in .*Memory: No memory yet\.$"))
    answer = chat.say("What is my name?")
    expect(answer).to_contain_text("user: My name is Ada Lovelace.")
    assert _badges(chat) == ["No memory yet", "Remembered from Redis"]
    chat.wait_drained()

    chat.page.reload()
    expect(chat.messages).to_have_count(4)
    expect(chat.messages.first).to_contain_text("My name is Ada Lovelace.")
    assert _badges(chat) == ["No memory yet", "Remembered from Redis"]
    expect(chat.composer).to_be_focused()

    with layers.redis() as client:
        client.flushall()
    answer = chat.say("And after a flush?")
    expect(answer).to_contain_text("user: My name is Ada Lovelace.")
    assert _badges(chat)[-1] == "Remembered from PostgreSQL"
    expect(chat.status).to_contain_text("Memory: Remembered from PostgreSQL.")
    chat.wait_drained()
    expect(chat.fact("Your last message", "Saved")).to_have_text("Stored in PostgreSQL")

    with servers.frozen("valkey"):
        answer = chat.say("And without Redis?")
        expect(answer).to_contain_text("user: My name is Ada Lovelace.")
        assert _badges(chat)[-1] == "Redis down, answered from PostgreSQL"
        expect(chat.status).to_contain_text("Redis down, answered from PostgreSQL")
        stores = chat.memory.get_by_role("list", name="Stores")
        expect(stores.get_by_role("listitem").filter(has_text="Redis")).to_contain_text("unavailable")
        expect(chat.fact(BOTH, "In Redis")).to_have_text("unavailable")
        expect(chat.fact(BOTH, "Not stored yet")).to_have_text("unknown")
        expect(chat.fact(BOTH, "In PostgreSQL")).to_have_text("8 messages")
        chat.page.emulate_media(color_scheme="dark")
        picture(chat, "page-degraded")

    expect(stores.get_by_role("listitem").filter(has_text="Redis")).to_contain_text("ok")
    answer = chat.say("And back again?")
    expect(answer).to_contain_text("user: And without Redis?")
    assert "down" not in _badges(chat)[-1]


@pytest.mark.embedded(reason="kills Valkey")
def test_without_redis_the_history_comes_from_postgresql(chat: ChatPage, servers: Servers) -> None:
    """While Redis is down, the next answer still remembers the thread, and its badge names PostgreSQL."""
    chat.say("My name is Ada Lovelace.")
    chat.wait_drained()
    with servers.killed("valkey"):
        answer = chat.say("What is my name?")
        expect(answer).to_contain_text("user: My name is Ada Lovelace.")
        assert _badges(chat)[-1] == "Redis down, answered from PostgreSQL"
        expect(chat.status).to_contain_text("Redis down, answered from PostgreSQL")
        chat.page.reload()
        expect(chat.messages).to_have_count(4)
        expect(chat.messages.last).to_contain_text("You said: What is my name?")
    chat.wait_drained()


def test_undrained_messages_are_marked(open_page: Open, queues: Queues, picture: Picture) -> None:
    """The column of PostgreSQL marks a message as waiting until the drain. The page shows the queue's depth."""
    chat = open_page(user_id="grace", thread_id=f"first-compiler-{uuid4().hex[:4]}")
    chat.say("Hello. I am Grace, and I write compilers.")
    chat.wait_drained()
    with queues.paused_drain():
        chat.say("What do I write?")
        expect(chat.fact(BOTH, "Not stored yet")).to_have_text(re.compile(r"^1 exchange, [\d.]+ s$"))
        expect(chat.fact("Your last message", "Saved")).to_have_text("Safe in the queue")
        expect(chat.fact(BOTH, "In Redis")).to_have_text("4 messages")
        expect(chat.fact(BOTH, "In PostgreSQL")).to_have_text("2 messages")
        assert [row[1:] for row in chat.rows()] == [["cached", "waiting"]] * 2 + [["cached", "stored"]] * 2
        expect(chat.fact(BACKLOG, "In queue")).to_have_text("1")
        expect(chat.fact(BACKLOG, "Oldest")).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(chat.fact(BACKLOG, "PostgreSQL is behind by")).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(chat.fact(BACKLOG, "Dead letters")).to_have_text(re.compile(r"^\d+$"))
        expect(chat.panel(BACKLOG)).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
        picture(chat, "page")
    chat.wait_drained()
    assert [row[1:] for row in chat.rows()] == [["cached", "stored"]] * 4
    expect(chat.fact(BACKLOG, "PostgreSQL is behind by")).to_have_text("0.0 s")


def test_the_time_to_live_counts_down(chat: ChatPage) -> None:
    """The time to live counts down every second, starting from the server's value."""
    chat.say("How long will Redis know this?")
    left = chat.fact(BOTH, "Cache expires in")
    expect(left).to_have_text(re.compile(r"^(23:59:\d\d|24:00:00)$"))
    first = left.inner_text()
    expect(left).not_to_have_text(first)
    expect(left).to_have_text(re.compile(r"^23:5\d:\d\d$"))


def test_every_store_has_its_state(chat: ChatPage) -> None:
    """The page shows each store's state as text."""
    stores = chat.memory.get_by_role("list", name="Stores").get_by_role("listitem")
    expect(stores).to_have_text([re.compile(f"^{name}.*ok$") for name in ("Redis", "PostgreSQL", "Queue")])


def _message(number: int, role: str, **more: object) -> dict[str, object]:
    """Return a message of an exchange in a layer's format."""
    exchange_id = f"00000000-0000-4000-8000-{number:012}"
    created_at = f"2026-01-01T00:00:{number:02}.000000Z"
    return {"role": role, "preview": f"{role} {number}", "exchange_id": exchange_id, "created_at": created_at, **more}


def _exchange(number: int, **more: object) -> list[dict[str, object]]:
    return [_message(number, "user", **more), _message(number, "assistant", **more)]


FOREIGN = {"role": "user", "preview": "by hand", "exchange_id": None, "created_at": None, "is_drained": None}
LISTED = [*_exchange(2, is_drained=True), FOREIGN, *_exchange(3, is_drained=False)]
STORED = [*_exchange(1), *_exchange(2)]
THREE = [["agent assistant 3", "cached", "waiting"], ["user user 3", "cached", "waiting"]]
HAND = [["user by hand", "cached", "not stored"]]
TWO = [["agent assistant 2", "cached", "stored"], ["user user 2", "cached", "stored"]]
TWO_UNKNOWN = [[message, "cached", "unknown"] for message, *_ in TWO]
ONE = [["agent assistant 1", "not cached", "stored"], ["user user 1", "not cached", "stored"]]


@pytest.mark.parametrize(
    ("redis", "postgres", "rows"),
    [
        ({"message_count": 5}, {}, [*THREE, *HAND, *TWO, *ONE]),
        # If the list is longer than the requested part, the page does not know whether Redis has the first exchange.
        ({"message_count": 9}, {}, [*THREE, *HAND, *TWO]),
        ({"message_count": 5}, {"state": "unavailable", "messages": []}, [*THREE, *HAND, *TWO_UNKNOWN]),
        ({"message_count": 0, "messages": []}, {}, [[row[0], "not cached", "stored"] for row in [*TWO, *ONE]]),
        ({"state": "unavailable", "messages": []}, {}, [[row[0], "unknown", "stored"] for row in [*TWO, *ONE]]),
    ],
    ids=["whole", "cut", "without PostgreSQL", "no list", "without Redis"],
)
def test_both_layers_side_by_side(
    chat: ChatPage, redis: dict[str, object], postgres: dict[str, object], rows: list[list[str]]
) -> None:
    """The table shows each message once, newest first, with the state in both layers."""
    answer = {
        "thread_id": "t",
        "redis": {"state": "ok", "message_count": 5, "ttl_seconds": 86_400, "messages": LISTED, **redis},
        "postgres": {"state": "ok", "message_count": 4, "messages": STORED, **postgres},
        "undrained": 1,
        "lag_seconds": 2.5,
        "as_of": "2026-01-01T00:01:00.000000Z",
    }
    chat.page.route("**/layers?*", lambda route: route.fulfill(json=answer))
    expect(chat.panel(BOTH).get_by_role("row")).to_have_count(len(rows) + 1)
    assert chat.rows() == rows
