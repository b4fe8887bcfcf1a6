"""The page shows failures and recovery of layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.queues import Queues
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.page.chat_page import ChatPage
from tests.page.conftest import OpenPage

Screenshot = Callable[[ChatPage, str], None]
LAYERS_PANEL = "This thread in both layers"
BACKLOG_PANEL = "Waiting to be stored"


def _badges(chat: ChatPage) -> list[str]:
    """Return the answers' badges, oldest first."""
    answers = chat.page.locator("[data-role=assistant] .badge")
    return [" ".join(text.split()) for text in answers.all_inner_texts()]


@pytest.mark.embedded(reason="freezes Valkey")
def test_the_badge_names_the_layer(
    open_page: OpenPage, layers: Layers, servers: Servers, screenshot: Screenshot
) -> None:
    """The badge shows no memory, then Redis, then PostgreSQL after a flush, then degraded without Redis.

    A reload keeps the badges.
    """
    chat = open_page(user_id="ada", thread_id=f"analytical-engine-{uuid4().hex[:4]}")
    chat.send_message("My name is Ada Lovelace.")
    expect(chat.status).to_have_text(re.compile(r"Answered in .*Memory: No memory yet\.$"))
    answer = chat.send_message("What is my name?")
    expect(answer).to_contain_text("“My name is Ada Lovelace.")
    assert _badges(chat) == ["No memory yet", "Remembered from Redis"]
    chat.wait_drained()

    chat.page.reload()
    expect(chat.messages).to_have_count(4)
    expect(chat.messages.first).to_contain_text("My name is Ada Lovelace.")
    assert _badges(chat) == ["No memory yet", "Remembered from Redis"]
    expect(chat.composer).to_be_focused()

    with layers.redis() as client:
        client.flushall()
    answer = chat.send_message("And after a flush?")
    expect(answer).to_contain_text("“My name is Ada Lovelace.")
    assert _badges(chat)[-1] == "Remembered from PostgreSQL"
    expect(chat.status).to_contain_text("Memory: Remembered from PostgreSQL.")
    chat.wait_drained()
    expect(answer).to_contain_text(re.compile(r"Stored in PostgreSQL after [\d.]+ m?s"))

    with servers.frozen("valkey"):
        answer = chat.send_message("And without Redis?")
        expect(answer).to_contain_text("“My name is Ada Lovelace.")
        assert _badges(chat)[-1] == "Redis down, answered from PostgreSQL"
        expect(chat.status).to_contain_text("Redis down, answered from PostgreSQL")
        stores = chat.inspector.get_by_role("list", name="Stores")
        expect(stores.get_by_role("listitem").filter(has_text="Redis")).to_contain_text("unavailable")
        expect(chat.fact(LAYERS_PANEL, "In Redis")).to_have_text("unavailable")
        expect(chat.fact(LAYERS_PANEL, "Not stored yet")).to_have_text("unknown")
        expect(chat.fact(LAYERS_PANEL, "In PostgreSQL")).to_have_text("8 messages")
        chat.page.emulate_media(color_scheme="dark")
        screenshot(chat, "page-degraded")

    expect(stores.get_by_role("listitem").filter(has_text="Redis")).to_contain_text("ok")
    answer = chat.send_message("And back again?")
    expect(answer).to_contain_text("“And without Redis?")
    assert "down" not in _badges(chat)[-1]


@pytest.mark.embedded(reason="kills Valkey")
def test_without_redis_the_history_comes_from_postgresql(chat: ChatPage, servers: Servers) -> None:
    """While Redis is down, the next answer still remembers the thread, and its badge names PostgreSQL."""
    chat.send_message("My name is Ada Lovelace.")
    chat.wait_drained()
    with servers.killed("valkey"):
        answer = chat.send_message("What is my name?")
        expect(answer).to_contain_text("“My name is Ada Lovelace.")
        assert _badges(chat)[-1] == "Redis down, answered from PostgreSQL"
        expect(chat.status).to_contain_text("Redis down, answered from PostgreSQL")
        chat.page.reload()
        expect(chat.messages).to_have_count(4)
        expect(chat.messages.last).to_contain_text("Your name is Ada Lovelace.")
    chat.wait_drained()


def test_undrained_messages_are_marked(open_page: OpenPage, queues: Queues, screenshot: Screenshot) -> None:
    """The column of PostgreSQL marks a message as waiting until the drain. The page shows the queue's depth."""
    chat = open_page(user_id="grace", thread_id=f"first-compiler-{uuid4().hex[:4]}")
    chat.send_message("Hello. I am Grace, and I write compilers.")
    chat.wait_drained()
    with queues.paused_drain():
        chat.send_message("What do I write?")
        expect(chat.fact(LAYERS_PANEL, "Not stored yet")).to_have_text(re.compile(r"^1 exchange, [\d.]+ s$"))
        expect(chat.messages.last).to_contain_text("Safe in the queue")
        expect(chat.fact(LAYERS_PANEL, "In Redis")).to_have_text("4 messages")
        expect(chat.fact(LAYERS_PANEL, "In PostgreSQL")).to_have_text("2 messages")
        assert [row[1:] for row in chat.layer_rows()] == [["cached", "waiting"]] * 2 + [["cached", "stored"]] * 2
        expect(chat.fact(BACKLOG_PANEL, "In queue")).to_have_text("1")
        expect(chat.fact(BACKLOG_PANEL, "Oldest")).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(chat.fact(BACKLOG_PANEL, "PostgreSQL is behind by")).to_have_text(re.compile(r"^[\d.]+ s$"))
        expect(chat.fact(BACKLOG_PANEL, "Dead letters")).to_have_text(re.compile(r"^\d+$"))
        expect(chat.panel(BACKLOG_PANEL)).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
        screenshot(chat, "page")
    chat.wait_drained()
    assert [row[1:] for row in chat.layer_rows()] == [["cached", "stored"]] * 4
    expect(chat.fact(BACKLOG_PANEL, "PostgreSQL is behind by")).to_have_text("0.0 s")


def test_the_time_to_live_counts_down(chat: ChatPage) -> None:
    """The time to live counts down every second, starting from the server's value."""
    chat.send_message("How long will Redis know this?")
    expires_in = chat.fact(LAYERS_PANEL, "Cache expires in")
    expect(expires_in).to_have_text(re.compile(r"^(23:59:\d\d|24:00:00)$"))
    first = expires_in.inner_text()
    expect(expires_in).not_to_have_text(first)
    expect(expires_in).to_have_text(re.compile(r"^23:5\d:\d\d$"))


def test_the_page_shows_the_state_of_each_store(chat: ChatPage) -> None:
    """The page shows each store's state as text."""
    stores = chat.inspector.get_by_role("list", name="Stores").get_by_role("listitem")
    expect(stores).to_have_text(
        [re.compile(f"^{name}heard (just now|\\d+ s ago)ok$") for name in ("API", "Redis", "PostgreSQL", "Queue")]
    )


def _message(number: int, role: str, **more: object) -> dict[str, object]:
    """Return a message of an exchange in a layer's format."""
    exchange_id = f"00000000-0000-4000-8000-{number:012}"
    created_at = f"2026-01-01T00:00:{number:02}.000000Z"
    times = {"created_at": created_at, "accepted_at": created_at, "stored_at": created_at, "revision": 0}
    return {"role": role, "preview": f"{role} {number}", "exchange_id": exchange_id, **times, **more}


def _exchange(number: int, **more: object) -> list[dict[str, object]]:
    return [_message(number, "user", **more), _message(number, "assistant", **more)]


FOREIGN_MESSAGE = {"role": "user", "preview": "by hand", "exchange_id": None, "created_at": None, "is_drained": None}
REDIS_MESSAGES = [*_exchange(2, is_drained=True), FOREIGN_MESSAGE, *_exchange(3, is_drained=False)]
POSTGRES_MESSAGES = [*_exchange(1), *_exchange(2)]
ROWS_OF_EXCHANGE_3 = [["agent assistant 3", "cached", "waiting"], ["user user 3", "cached", "waiting"]]
FOREIGN_ROWS = [["user by hand", "cached", "not stored"]]
ROWS_OF_EXCHANGE_2 = [["agent assistant 2", "cached", "stored"], ["user user 2", "cached", "stored"]]
ROWS_OF_EXCHANGE_2_UNKNOWN = [[message, "cached", "unknown"] for message, *_ in ROWS_OF_EXCHANGE_2]
ROWS_OF_EXCHANGE_1 = [["agent assistant 1", "not cached", "stored"], ["user user 1", "not cached", "stored"]]


@pytest.mark.parametrize(
    ("redis", "postgres", "rows"),
    [
        ({"message_count": 5}, {}, [*ROWS_OF_EXCHANGE_3, *FOREIGN_ROWS, *ROWS_OF_EXCHANGE_2, *ROWS_OF_EXCHANGE_1]),
        # If the list is longer than the requested part, the page does not know whether Redis has the first exchange.
        ({"message_count": 9}, {}, [*ROWS_OF_EXCHANGE_3, *FOREIGN_ROWS, *ROWS_OF_EXCHANGE_2]),
        (
            {"message_count": 5},
            {"state": "unavailable", "messages": []},
            [*ROWS_OF_EXCHANGE_3, *FOREIGN_ROWS, *ROWS_OF_EXCHANGE_2_UNKNOWN],
        ),
        (
            {"message_count": 0, "messages": []},
            {},
            [[row[0], "not cached", "stored"] for row in [*ROWS_OF_EXCHANGE_2, *ROWS_OF_EXCHANGE_1]],
        ),
        (
            {"state": "unavailable", "messages": []},
            {},
            [[row[0], "unknown", "stored"] for row in [*ROWS_OF_EXCHANGE_2, *ROWS_OF_EXCHANGE_1]],
        ),
    ],
    ids=["complete", "truncated", "without PostgreSQL", "no list", "without Redis"],
)
def test_the_table_compares_both_layers(
    chat: ChatPage, redis: dict[str, object], postgres: dict[str, object], rows: list[list[str]]
) -> None:
    """The table shows each message once, newest first, with the state in both layers."""
    answer = {
        "thread_id": "t",
        "redis": {"state": "ok", "message_count": 5, "ttl_seconds": 86_400, "messages": REDIS_MESSAGES, **redis},
        "postgres": {"state": "ok", "message_count": 4, "messages": POSTGRES_MESSAGES, **postgres},
        "window": 50,
        "undrained": 1,
        "lag_seconds": 2.5,
        "as_of": "2026-01-01T00:01:00.000000Z",
    }

    def replace_thread(route: Route) -> None:
        overview = route.fetch().json()
        overview["problems"].pop("thread", None)
        route.fulfill(json={**overview, "thread": {**answer, "thread_id": chat.thread_id}})

    chat.page.route("**/overview?*", replace_thread)
    expect(chat.panel(LAYERS_PANEL).get_by_role("row")).to_have_count(len(rows) + 1)
    assert chat.layer_rows() == rows
