"""`hybrid-memory tail` prints each new message once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from cli import tail
from cli.follow import ThreadFollower, UserFollower
from cli.main import app
from hybrid_memory_client import ConnectionFailed, MemoryClient, Message, RetryPolicy
from tests.support.fake_api import problem, use_fake_api

START = datetime(2026, 11, 22, 16, tzinfo=UTC)


class FakeThreads:
    """The API's threads with their messages, in pages of two exchanges."""

    def __init__(self) -> None:
        self.threads: dict[str, list[dict[str, Any]]] = {}
        self.degraded: list[str] = []
        self.is_down = False
        self.requests: list[str] = []

    def add(self, thread_id: str, number: int, minutes: float) -> None:
        """Store an exchange, and sort the thread's messages by time."""
        time = (START + timedelta(minutes=minutes)).isoformat()
        fields = {"exchange_id": str(UUID(int=number)), "created_at": time}
        messages = self.threads.setdefault(thread_id, [])
        messages += [{"role": role, "content": f"{role} {number}", **fields} for role in ("user", "assistant")]
        messages.sort(key=lambda message: message["created_at"])

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        self.requests.append(request.url.path)
        if self.is_down:
            raise httpx.ConnectError("refused")
        if request.url.path.endswith("/threads"):
            return httpx.Response(200, json={"items": self._list(), "next_cursor": None})
        thread_id = request.url.path.split("/")[-2]
        if thread_id not in self.threads:
            return problem(404)
        newest_first = self.threads[thread_id][::-1]
        start = int(request.url.params.get("cursor", 0))
        cursor = str(start + 4) if start + 4 < len(newest_first) else None
        page = {"items": newest_first[start : start + 4], "next_cursor": cursor, "degraded": self.degraded}
        return httpx.Response(200, json=page)

    def _list(self) -> list[dict[str, Any]]:
        items = []
        for thread_id, messages in self.threads.items():
            times = {"created_at": messages[0]["created_at"], "updated_at": messages[-1]["created_at"]}
            fields = {"user_id": "ada", "title": None, "message_count": len(messages)}
            items.append({"thread_id": thread_id, **fields, **times})
        return sorted(items, key=lambda item: str(item["updated_at"]), reverse=True)


@pytest.fixture
def threads() -> FakeThreads:
    """Return the threads of an API."""
    return FakeThreads()


@pytest.fixture
def api(threads: FakeThreads) -> MemoryClient:
    """Return a client of this API."""
    http = httpx.Client(transport=httpx.MockTransport(threads.handle))
    return MemoryClient("https://api.example/prod", http_client=http, retry=RetryPolicy(attempts=1))


def _numbers(messages: list[Message]) -> list[int]:
    """Return the exchanges' numbers, and check that each exchange has two messages in order."""
    assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
    return [message.exchange_id.int for message in messages[::2] if message.exchange_id]


def test_each_message_is_returned_once(api: MemoryClient, threads: FakeThreads) -> None:
    """New messages are returned in order, even if they fill several pages."""
    threads.add("t", 0, 0)
    follower = ThreadFollower(api, "t")
    assert _numbers(follower.poll()) == [0]
    assert follower.poll() == []
    for number in range(1, 8):
        threads.add("t", number, number)
    assert _numbers(follower.poll()) == [1, 2, 3, 4, 5, 6, 7]
    assert follower.poll() == []


def test_a_poll_reads_only_the_newest_pages(api: MemoryClient, threads: FakeThreads) -> None:
    """A poll of a long thread reads at most two pages."""
    for number in range(100):
        threads.add("t", number, 60 * number)
    follower = ThreadFollower(api, "t")
    follower.poll()
    threads.requests.clear()
    threads.add("t", 100, 6000)
    assert _numbers(follower.poll()) == [100]
    assert len(threads.requests) <= 2


def test_a_message_that_becomes_visible_late_is_returned(api: MemoryClient, threads: FakeThreads) -> None:
    """An exchange that becomes visible within ten minutes after a newer exchange is returned.

    An import with an old date does not count as a new exchange.
    """
    threads.add("t", 0, 0)
    follower = ThreadFollower(api, "t")
    follower.poll()
    threads.add("t", 2, 9)
    assert _numbers(follower.poll()) == [2]
    threads.add("t", 1, 1)
    threads.add("t", 3, -60)
    assert _numbers(follower.poll()) == [1]


def test_messages_of_an_outage_and_of_a_degraded_reading_are_returned_later(
    api: MemoryClient, threads: FakeThreads
) -> None:
    """Messages of an outage are returned after the outage, including messages that a degraded page did not have."""
    threads.add("t", 0, 0)
    follower = ThreadFollower(api, "t")
    follower.poll()
    threads.is_down = True
    with pytest.raises(ConnectionFailed):
        follower.poll()
    threads.is_down = False
    threads.degraded = ["redis"]
    threads.add("t", 2, 120)
    assert _numbers(follower.poll()) == [2]
    assert follower.degraded == ("redis",)
    threads.add("t", 1, 5)  # only Redis had it
    threads.degraded = []
    assert _numbers(follower.poll()) == [1]
    assert follower.poll() == []


def _user_numbers(follower: UserFollower) -> list[tuple[str, int]]:
    return [(thread_id, m.exchange_id.int) for thread_id, m in follower.poll() if m.role == "user" and m.exchange_id]


def test_a_user_is_followed_across_threads(api: MemoryClient, threads: FakeThreads) -> None:
    """New threads, and new messages in old threads, are returned once."""
    threads.add("old", 0, -6000)
    threads.add("a", 1, 0)
    follower = UserFollower(api, "ada")
    assert _user_numbers(follower) == [("a", 1)]
    assert _user_numbers(follower) == []
    threads.add("a", 2, 1)
    threads.add("b", 3, 2)
    assert sorted(_user_numbers(follower)) == [("a", 2), ("b", 3)]
    threads.add("old", 4, 3)
    assert _user_numbers(follower) == [("old", 4)]
    threads.requests.clear()
    assert _user_numbers(follower) == []
    assert len(threads.requests) == 1, "unchanged threads are not read"


def test_a_user_without_threads_can_be_followed(api: MemoryClient, threads: FakeThreads) -> None:
    """If a user has no threads yet, the first thread's messages are returned as new."""
    follower = UserFollower(api, "ada")
    assert _user_numbers(follower) == []
    threads.add("a", 1, 0)
    assert _user_numbers(follower) == [("a", 1)]


def test_tail_prints_lines_and_reports_outages_once(monkeypatch: pytest.MonkeyPatch, threads: FakeThreads) -> None:
    """With `--json`, each message is one line, as in an export. An outage is reported once when it begins and ends."""
    threads.add("t", 0, 0)
    threads.add("t", 1, 1)
    steps = iter(["down", "down", "up", "end"])
    delays: list[float] = []

    def sleep(seconds: float) -> None:
        delays.append(seconds)
        step = next(steps)
        threads.is_down = step == "down"
        if step == "up":
            threads.add("t", 2, 2)
        if step == "end":
            raise KeyboardInterrupt

    monkeypatch.setattr(tail, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr("hybrid_memory_client._sync_sender.time", SimpleNamespace(sleep=lambda _: None))
    use_fake_api(monkeypatch, threads.handle)
    result = CliRunner().invoke(app, ["tail", "t", "--messages", "2", "--json"])
    assert result.exit_code == 130
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["content"] for line in lines] == ["user 1", "assistant 1", "user 2", "assistant 2"]
    assert {(line["kind"], line["thread_id"]) for line in lines} == {("message", "t")}
    assert result.stderr.count("cannot be reached") == result.stderr.count("All layers respond again.") == 1
    assert delays == [1, 2, 4, 1]


@pytest.mark.parametrize("words", [["tail"], ["tail", "t", "--user", "ada"], ["tail", "t", "--messages", "201"]])
def test_tail_needs_a_thread_or_a_user(words: list[str]) -> None:
    """A wrong command has exit code 2."""
    assert CliRunner().invoke(app, words).exit_code == 2


def test_a_thread_that_does_not_exist_cannot_be_followed(monkeypatch: pytest.MonkeyPatch, threads: FakeThreads) -> None:
    """An unknown thread has exit code 2."""
    use_fake_api(monkeypatch, threads.handle)
    result = CliRunner().invoke(app, ["tail", "nothing"])
    assert (result.exit_code, "404" in result.stderr) == (2, True)
