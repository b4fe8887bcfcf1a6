"""A journal (a thread as a list of items) stores and retracts items, and reports the items that it could not store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from hybrid_memory_client import (
    AsyncMemoryClient,
    HistoryDegraded,
    MemoryClient,
    MemoryClientError,
    NotKept,
    RetryPolicy,
    Unavailable,
)
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client._texts import ExchangeTexts, ToolStep
from tests.clients.python.fake_service import FakeService

ITEMS: list[tuple[Any, ExchangeTexts]] = [({"n": number, "text": "y" * 40_000}, ExchangeTexts()) for number in range(5)]
Append = Callable[[list[tuple[Any, ExchangeTexts]]], None]


class FailingService:
    """A service that accepts a number of exchanges and then fails.

    Attributes:
        stored: The accepted items.
    """

    def __init__(self, accept_count: int, failure: httpx.Response) -> None:
        self.stored: list[Any] = []
        self._accept_count = accept_count
        self._failure = failure

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Handle a request."""
        if self._accept_count == 0:
            return httpx.Response(self._failure.status_code, content=self._failure.content)
        self._accept_count -= 1
        body = json.loads(request.content)
        self.stored += body["metadata"]["framework"]["items"]
        return _stored_response(202, body["exchange_id"], "queue")


def _stored_response(status: int, exchange_id: str, durability: str) -> httpx.Response:
    return httpx.Response(status, json={"exchange_id": exchange_id, "durability": durability, "cached": False})


def _append_to(service: FailingService, *, is_async: bool) -> Append:
    transport, retry = httpx.MockTransport(service), RetryPolicy(attempts=1)
    if not is_async:
        client = MemoryClient("http://memory", http_client=httpx.Client(transport=transport), retry=retry)
        return Journal(client, "framework", "t", None, lambda _: []).append
    other = AsyncMemoryClient("http://memory", http_client=httpx.AsyncClient(transport=transport), retry=retry)
    journal = AsyncJournal(other, "framework", "t", None, lambda _: [])
    return lambda items: asyncio.run(journal.append(items))


FAILURES = [httpx.Response(503, json={}), _stored_response(202, "01a20403-af8b-76fb-9bf9-0bc8b1328586", "none")]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_call_reports_its_stored_items(failure: httpx.Response, *, is_async: bool) -> None:
    """The error has the number of stored items, so that the caller can store the rest without duplicates."""
    service = FailingService(1, failure)
    with pytest.raises(NotKept, match="of 5 items are stored") as caught:
        _append_to(service, is_async=is_async)(ITEMS)
    count = caught.value.items_kept
    assert 0 < count < 5
    assert service.stored == [item for item, _ in ITEMS[:count]]
    assert isinstance(caught.value.__cause__, MemoryClientError)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_that_stores_nothing_raises_its_error(*, is_async: bool) -> None:
    """If a call stores no item, its error shows this, and the caller can repeat the whole call."""
    with pytest.raises(Unavailable):
        _append_to(FailingService(0, FAILURES[0]), is_async=is_async)(ITEMS)
    with pytest.raises(NotKept) as caught:
        _append_to(FailingService(0, FAILURES[1]), is_async=is_async)(ITEMS)
    assert caught.value.items_kept == 0


# --- turns ---

PROMPT = ({"role": "user"}, ExchangeTexts(user="How is the weather?"))
CALL = ({"call": 1}, ExchangeTexts(steps=(ToolStep("tool_call", "c", "weather"),)))
OUTPUT = ({"output": 1}, ExchangeTexts(steps=(ToolStep("tool_result", "c"),)))
ANSWER = ({"role": "assistant"}, ExchangeTexts(assistant="Sunny."))
TURN = [PROMPT, CALL, OUTPUT, ANSWER]


def _journal(service: FakeService, client: MemoryClient | None = None) -> Journal:
    return Journal(client or service.sync_client(), "framework", "t", None, lambda _: [])


@pytest.mark.parametrize("can_replace", [True, False])
def test_a_replaceable_turn_is_one_exchange(*, can_replace: bool) -> None:
    """If exchanges can be replaced, a turn is one exchange.

    Otherwise each step of a turn is an exchange of kind `step`. In both cases the journal reads equal items.
    """
    service = FakeService()
    service.can_replace = can_replace
    client = service.sync_client()
    for _ in range(2):
        for item in TURN:
            _journal(service, client).append([item])
    assert _journal(service).read() == [item for item, _ in TURN] * 2
    texts = [(body["user_message"], body["assistant_message"]) for body in service.exchanges.values()]
    assert len(texts) == (2 if can_replace else 8)
    steps = [body["metadata"].get("kind") for body in service.exchanges.values()]
    assert steps == ([None, None] if can_replace else [None, "step", "step", None] * 2)


def test_an_exchange_of_another_program_keeps_its_position() -> None:
    """A turn is extended only while it is the newest exchange of its thread."""
    service = FakeService()
    first_journal, second_journal = _journal(service), _journal(service)
    first_journal.append([PROMPT])
    second_journal.append([({"other": 1}, ExchangeTexts(user="And I?"))])
    first_journal.append([ANSWER])
    assert first_journal.read() == [PROMPT[0], {"other": 1}, ANSWER[0]]


@pytest.mark.parametrize("callers", [2, 8])
def test_concurrent_retractions(callers: int) -> None:
    """If separate clients or processes retract at the same time, each of them gets a different item."""
    service = FakeService()
    _journal(service).append([({"n": number}, ExchangeTexts(user="x")) for number in range(callers - 1)])
    journals = [_journal(service) for _ in range(callers)]
    with ThreadPoolExecutor(callers) as pool:
        retracted_items = list(pool.map(lambda journal: journal.retract(), journals))
    assert sorted(str(item) for item in retracted_items if item) == [
        str({"n": number}) for number in range(callers - 1)
    ]
    assert retracted_items.count(None) == 1
    assert _journal(service).read() == []


def test_a_concurrent_item_is_not_retracted() -> None:
    """A retraction names the item that was read, so it does not retract an item that was added meanwhile."""
    service = FakeService()
    journal, other = _journal(service), _journal(service)
    journal.append([PROMPT])

    def add_before_the_claim(request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and b"retracted" in request.content:
            other.append([ANSWER])
        return service(request)

    client = MemoryClient(
        "http://memory", http_client=httpx.Client(transport=httpx.MockTransport(add_before_the_claim))
    )
    assert _journal(service, client).retract() == PROMPT[0]
    assert journal.read() == [ANSWER[0]]


def test_reading_one_item_requests_one_exchange() -> None:
    """Reading one item does not request a page of 200 messages."""
    service = FakeService()
    for number in range(50):
        _journal(service).append([({"n": number}, ExchangeTexts(user="x"))])
    service.requests.clear()
    assert _journal(service).read(1) == [{"n": 49}]
    assert [request.url.params["limit"] for request in service.requests] == ["2"]


def test_without_redis_a_history_is_read() -> None:
    """Without Redis, the journal reads the history.

    The journal raises `HistoryDegraded` only if the history may lack an exchange that this process stored, or a
    queued exchange.
    """
    service = FakeService()
    client = service.sync_client()
    _journal(service, client).append([PROMPT])
    service.degraded = ["redis"]
    assert _journal(service, client).read() == [PROMPT[0]]
    _journal(service, client).append([({"n": 2}, ExchangeTexts(user="x"))])
    service.exchanges.popitem()
    with pytest.raises(HistoryDegraded):
        _journal(service, client).read()
    assert _journal(service).read() == [PROMPT[0]]
    service.degraded = ["redis", "queue"]
    with pytest.raises(HistoryDegraded):
        _journal(service).read()
