"""What a journal says when it could not add everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, MemoryClientError, NotKept, RetryPolicy, Unavailable
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._items import Texts
from hybrid_memory_client._sync_journal import Journal

ITEMS = [({"n": number, "text": "y" * 40_000}, Texts()) for number in range(5)]
Add = Callable[[list[tuple[Any, Texts]]], None]


class Service:
    """Takes so many exchanges, and then answers something else.

    Attributes:
        kept: The items that it took.
    """

    def __init__(self, takes: int, then: httpx.Response) -> None:
        self.kept: list[Any] = []
        self._takes = takes
        self._then = then

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        if self._takes == 0:
            return httpx.Response(self._then.status_code, content=self._then.content)
        self._takes -= 1
        body = json.loads(request.content)
        self.kept += body["metadata"]["kind"]["items"]
        return _answer(202, body["exchange_id"], "queue")


def _answer(status: int, exchange_id: str, durability: str) -> httpx.Response:
    return httpx.Response(status, json={"exchange_id": exchange_id, "durability": durability, "cached": False})


def _adding(service: Service, *, is_async: bool) -> Add:
    transport, retry = httpx.MockTransport(service), RetryPolicy(attempts=1)
    if not is_async:
        client = MemoryClient("http://memory", http_client=httpx.Client(transport=transport), retry=retry)
        return Journal(client, "kind", "t", None, lambda _: []).append
    other = AsyncMemoryClient("http://memory", http_client=httpx.AsyncClient(transport=transport), retry=retry)
    journal = AsyncJournal(other, "kind", "t", None, lambda _: [])
    return lambda items: asyncio.run(journal.append(items))


FAULTS = [httpx.Response(503, json={}), _answer(202, "01a20403-af8b-76fb-9bf9-0bc8b1328586", "none")]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_stored_of_a_call_that_failed_is_said(fault: httpx.Response, *, is_async: bool) -> None:
    """So that the rest can be added, and nothing is there twice."""
    service = Service(1, fault)
    with pytest.raises(NotKept, match="of 5 items are stored") as caught:
        _adding(service, is_async=is_async)(ITEMS)
    count = caught.value.items_kept
    assert 0 < count < 5
    assert service.kept == [item for item, _ in ITEMS[:count]]
    assert isinstance(caught.value.__cause__, MemoryClientError)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_of_which_nothing_is_stored_fails_as_it_is(*, is_async: bool) -> None:
    """It may be repeated whole."""
    with pytest.raises(Unavailable):
        _adding(Service(0, FAULTS[0]), is_async=is_async)(ITEMS)
    with pytest.raises(NotKept) as caught:
        _adding(Service(0, FAULTS[1]), is_async=is_async)(ITEMS)
    assert caught.value.items_kept == 0
