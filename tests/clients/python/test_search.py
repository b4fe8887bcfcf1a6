"""The clients' search: its request, its typed result, and its retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import httpx
import pytest

from hybrid_memory_client import (
    AsyncMemoryClient,
    CannotBeKept,
    Highlight,
    MemoryClient,
    NotThisApi,
    RetryPolicy,
    Unavailable,
)
from tests.clients.python.scripted_client import Prepared, ScriptedClient, problem, success

MakeClient = Callable[..., ScriptedClient]
ITEM: dict[str, Any] = {
    "kind": "exchange",
    "thread_id": "t",
    "title": "Dogs",
    "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586",
    "created_at": "2026-11-22T16:08:00.139000Z",
    "user_message": "\U0001f436 My dog is Rex.",
    "assistant_message": "Hello, Rex!",
    "score": 0.75,
    "highlights": [
        {"field": "user_message", "start": 12, "end": 15},
        {"field": "assistant_message", "start": 7, "end": 10},
    ],
}


def found(*items: dict[str, Any], **fields: Any) -> httpx.Response:
    """Return the response to a search."""
    body = {"items": items, "arms": ["text"], "searched_up_to": "2026-11-22T16:09:00.000000Z", "degraded": []}
    return success({**body, **fields})


@pytest.fixture(params=[MemoryClient, AsyncMemoryClient])
def make_client(request: pytest.FixtureRequest) -> MakeClient:
    """Return a function that creates a synchronous or asynchronous client with prepared responses."""

    def create(*answers: Prepared, **options: Any) -> ScriptedClient:
        return ScriptedClient(request.param, *answers, **options)

    return create


def test_a_result_is_typed(make_client: MakeClient) -> None:
    """The result has the items in order. Highlights are positions in the item's texts, also after an emoji."""
    result = make_client(found(ITEM)).search("rex", user_id="u")
    (item,) = result
    assert (item.thread_id, item.title, item.score) == ("t", "Dogs", 0.75)
    assert item.exchange_id == UUID(ITEM["exchange_id"])
    assert item.created_at == datetime(2026, 11, 22, 16, 8, 0, 139_000, UTC)
    assert item.highlights == (Highlight("user_message", 12, 15), Highlight("assistant_message", 7, 10))
    assert [getattr(item, each.field)[each.start : each.end] for each in item.highlights] == ["Rex", "Rex"]
    assert (result.arms, result.searched_up_to) == (("text",), datetime(2026, 11, 22, 16, 9, tzinfo=UTC))
    assert (len(result), result.is_complete) == (1, True)


def test_an_incomplete_search_is_not_an_empty_result(make_client: MakeClient) -> None:
    """`is_complete` is false if the search did not look at everything, and the time may be unknown."""
    client = make_client(found(searched_up_to=None, degraded=["postgres", "search"]), found(degraded=["redis"]))
    incomplete = client.search("rex", user_id="u")
    assert (incomplete.items, incomplete.is_complete, incomplete.searched_up_to) == ((), False, None)
    assert incomplete.degraded == ("postgres", "search")
    # Redis did not respond, but all of its exchanges were found elsewhere.
    assert client.search("rex", user_id="u").is_complete


def test_only_the_given_fields_are_sent(make_client: MakeClient) -> None:
    """The service's defaults apply to the fields that the caller leaves out."""
    client = make_client(found(), found())
    client.search("rex", user_id="u")
    since, until = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 2, 1, tzinfo=UTC)
    client.search("rex", limit=3, thread_id="t", exclude_thread_id="o", since=since, until=until, kinds=["exchange"])
    assert client.bodies() == [
        {"query": "rex", "user_id": "u"},
        {
            "query": "rex",
            "limit": 3,
            "thread_id": "t",
            "exclude_thread_id": "o",
            "since": "2026-01-01T00:00:00+02:00",
            "until": "2026-02-01T00:00:00+00:00",
            "kinds": ["exchange"],
        },
    ]


@pytest.mark.parametrize("name", ["since", "until"])
def test_a_time_needs_a_time_zone(make_client: MakeClient, name: str) -> None:
    """A time without a time zone is ambiguous, so nothing is sent."""
    client = make_client()
    with pytest.raises(CannotBeKept, match=f"{name} must have a time zone"):
        client.search("rex", user_id="u", **{name: datetime(2020, 5, 6)})  # noqa: DTZ001 - the tested case
    assert client.requests == []


def test_a_search_is_retried_as_a_read(make_client: MakeClient) -> None:
    """A search changes nothing, so a policy that retries only reads retries it although it is a POST."""
    only_reads = RetryPolicy(first_delay=0, attempts=3, methods=frozenset({"GET"}))
    client = make_client(problem(503, "0"), httpx.ReadTimeout("late"), found(ITEM), retry=only_reads)
    assert len(client.search("rex", user_id="u")) == 1
    assert {request.method for request in client.requests} == {"POST"}
    with pytest.raises(Unavailable):
        make_client(*[problem(503, "0")] * 3, retry=only_reads).search("rex", user_id="u")
    with pytest.raises(Unavailable):
        make_client(problem(503, "0"), found(ITEM), retry=RetryPolicy(attempts=1)).search("rex", user_id="u")


def test_items_of_other_kinds_are_in_raw(make_client: MakeClient) -> None:
    """An item of a kind that this version does not know is no error, and does not become an exchange."""
    memory = {"kind": "memory", "id": "m", "text": "Has a dog.", "score": 0.5}
    result = make_client(found(memory, {**ITEM, "new": 1})).search("rex", user_id="u", kinds=["exchange", "memory"])
    assert [item.raw for item in result] == [{**ITEM, "new": 1}]
    assert result.raw["items"] == [memory, {**ITEM, "new": 1}]


def test_a_response_of_another_service_is_an_error(make_client: MakeClient) -> None:
    """A wrong URL is not reported as a search that found nothing."""
    with pytest.raises(NotThisApi, match="POST /search"):
        make_client(success({"items": [], "total": 0})).search("rex", user_id="u")
