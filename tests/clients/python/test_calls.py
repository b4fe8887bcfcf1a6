"""The clients retry calls and raise exceptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import httpx
import pytest

from hybrid_memory_client import (
    ApiError,
    AsyncMemoryClient,
    CannotBeKept,
    Conflict,
    ConnectionFailed,
    HistoryDegraded,
    InvalidRequest,
    MemoryClient,
    MemoryClientError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RetryPolicy,
    ServerFault,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from hybrid_memory_client.retries import Retries, retry_after
from tests.clients.python.scripted_client import Prepared, ScriptedClient, problem, success

MakeClient = Callable[..., ScriptedClient]
RUN_RESPONSE = {
    "response": "hi",
    "thread_id": "t",
    "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586",
    "memory": {"source": "redis", "degraded": [], "durability": "queue", "cached": True},
}
INVOKED_RESPONSE = {"exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586", "durability": "queue", "cached": True}
THREAD_RESPONSE = {
    "thread_id": "t",
    "user_id": None,
    "title": "x",
    "created_at": "2026-11-22T16:08:00.139000Z",
    "updated_at": "2026-11-22T16:08:00.139000Z",
    "message_count": 2,
}


def message(number: int) -> dict[str, Any]:
    """Return a message as the API shows it."""
    return {"role": "user", "content": f"m{number}", "exchange_id": None, "created_at": None}


@pytest.fixture(params=[MemoryClient, AsyncMemoryClient])
def make_client(request: pytest.FixtureRequest) -> MakeClient:
    """Return a function that creates a synchronous or asynchronous client with prepared responses."""

    def create(*answers: Prepared, **options: Any) -> ScriptedClient:
        return ScriptedClient(request.param, *answers, **options)

    return create


# --- retries ---


@pytest.mark.parametrize(
    "failure", [problem(503), problem(502), problem(504), problem(429), httpx.ConnectError("x"), httpx.ReadTimeout("x")]
)
def test_a_run_is_repeated_under_one_key(make_client: MakeClient, failure: Prepared) -> None:
    """All attempts of a run have the same key, and the next run has another key."""
    client = make_client(failure, failure, success(RUN_RESPONSE), success(RUN_RESPONSE))
    assert client.run("hello", thread_id="t").response == "hi"
    client.run("hello", thread_id="t")
    keys = [request.headers["Idempotency-Key"] for request in client.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert len(keys[0]) == 36
    assert len({request.content for request in client.requests}) == 1


def test_a_run_uses_the_callers_key(make_client: MakeClient) -> None:
    """A run uses the caller's key. The result shows whether the response is a replay."""
    client = make_client(success(RUN_RESPONSE, headers={"Idempotent-Replayed": "true"}))
    assert client.run("hello", idempotency_key="k").is_replayed
    assert client.requests[0].headers["Idempotency-Key"] == "k"


def test_an_exchange_is_repeated_under_one_id(make_client: MakeClient) -> None:
    """A retry after a lost response does not create a second exchange; ids increase with time."""
    client = make_client(httpx.ReadError("gone"), success(INVOKED_RESPONSE, 202), success(INVOKED_RESPONSE, 202))
    assert client.invoked("q", "a", thread_id="t").durability == "queue"
    client.invoked("q", "a", thread_id="t")
    ids = [body["exchange_id"] for body in client.bodies()]
    assert ids[0] == ids[1] != ids[2]
    assert UUID(ids[0]).version == 7
    assert ids[0] < ids[2]


def test_an_exchange_uses_the_callers_id(make_client: MakeClient) -> None:
    """An exchange uses the caller's id, which may be a UUID or a text."""
    client = make_client(success(INVOKED_RESPONSE, 202))
    client.invoked("q", "a", thread_id="t", exchange_id=UUID(int=5))
    assert client.bodies()[0]["exchange_id"] == str(UUID(int=5))


def test_an_import_has_an_id_of_its_time(make_client: MakeClient) -> None:
    """All attempts of an import have one id, a UUIDv7 of its millisecond, and ids of equal times increase."""
    created_at = datetime(2020, 5, 6, 9, 8, 9, 123_456, timezone(timedelta(hours=2)))
    client = make_client(httpx.ReadError("gone"), *[success(INVOKED_RESPONSE, 202)] * 3)
    for _ in range(2):
        client.invoked("q", "a", thread_id="t", created_at=created_at)
    client.invoked("q", "a", thread_id="t", created_at=created_at, exchange_id=UUID(int=5))
    first, repeated, second, own = client.bodies()
    assert first == repeated
    assert first["created_at"] == "2020-05-06T09:08:09.123456+02:00"
    for body in (first, second):
        sent_id = UUID(body["exchange_id"])
        assert (sent_id.version, sent_id.int >> 80) == (7, int(created_at.timestamp() * 1000))
    assert first["exchange_id"] < second["exchange_id"]
    assert own["exchange_id"] == str(UUID(int=5))
    assert client.new_id().int >> 80 > int(created_at.timestamp() * 1000)


def test_an_import_needs_a_time_zone(make_client: MakeClient) -> None:
    """A time without a time zone is ambiguous, so nothing is sent."""
    client = make_client()
    with pytest.raises(CannotBeKept, match="time zone"):
        client.invoked("q", "a", thread_id="t", created_at=datetime(2020, 5, 6))  # noqa: DTZ001 - the tested case
    assert client.requests == []


def test_the_client_waits_for_a_run_elsewhere(make_client: MakeClient) -> None:
    """The client waits while the same run is running elsewhere. A 409 does not count as an attempt."""
    running = [problem(409, "0")] * 9
    assert (
        make_client(*running, success(RUN_RESPONSE), retry=RetryPolicy(attempts=1))
        .run("hello", idempotency_key="k")
        .response
        == "hi"
    )


def test_the_wait_for_a_run_ends(make_client: MakeClient) -> None:
    """The wait for a run ends after `most_seconds`."""
    with pytest.raises(Conflict) as caught:
        make_client(problem(409, "7"), retry=RetryPolicy(most_seconds=5)).run("hello")
    assert caught.value.retry_after == 7


def test_a_response_that_cannot_be_decoded_is_unexpected(make_client: MakeClient) -> None:
    """Every error of the transport becomes an exception of this package."""
    with pytest.raises(UnexpectedAnswer, match="zlib"):
        make_client(httpx.DecodingError("zlib")).health()


def test_other_conflicts_are_raised(make_client: MakeClient) -> None:
    """A 409 to any other call is an error, because only a run's 409 means that the same call is still running."""
    with pytest.raises(Conflict):
        make_client(problem(409, "0"), success(THREAD_RESPONSE)).rename_thread("t", "x")


def test_the_last_failure_is_raised(make_client: MakeClient) -> None:
    """After the policy's number of attempts, the client raises the last failure."""
    client = make_client(*[problem(503, "0")] * 9, retry=RetryPolicy(attempts=3))
    with pytest.raises(Unavailable):
        client.read_thread("t")
    assert len(client.requests) == 3


def test_a_lost_connection_is_raised_with_its_cause(make_client: MakeClient) -> None:
    """A lost connection has its own exception type in the package's hierarchy."""
    with pytest.raises(ConnectionFailed) as caught:
        make_client(*[httpx.ConnectError("refused")] * 4).health()
    assert isinstance(caught.value, MemoryClientError)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("name", ["delete_thread", "delete_preferences", "delete_user"])
def test_a_retried_deletion_that_finds_nothing_has_succeeded(make_client: MakeClient, name: str) -> None:
    """If a retried deletion finds nothing to delete, the first attempt has succeeded."""
    assert getattr(make_client(problem(503, "0"), problem(404)), name)("t") is None


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x"), problem(429, "0")]
)
def test_a_404_after_a_refused_connection_is_an_error(make_client: MakeClient, failure: Prepared) -> None:
    """If each earlier attempt had no connection or got a 429, none can have deleted the thread, so a 404 is an error.

    After an attempt with a connection but without a response, the deletion may have succeeded.
    """
    with pytest.raises(NotFound):
        make_client(failure, problem(404)).delete_thread("t")
    assert make_client(httpx.ReadTimeout("x"), failure, problem(404)).delete_thread("t") is None


def test_deleting_a_missing_thread_is_not_found(make_client: MakeClient) -> None:
    """A 404 to the first attempt is an error, because no earlier attempt can have deleted the thread."""
    with pytest.raises(NotFound):
        make_client(problem(404)).delete_thread("t")


def test_only_the_policys_methods_are_retried(make_client: MakeClient) -> None:
    """The client repeats only calls with the policy's methods.

    After a lost response to another call, the caller decides whether to repeat it.
    """
    only_reads = RetryPolicy(first_delay=0, methods=frozenset({"GET"}))
    assert make_client(problem(503, "0"), success({}), retry=only_reads).read_preferences("u") == {}
    with pytest.raises(Unavailable):
        make_client(problem(503, "0"), retry=only_reads).delete_user("u")
    running = problem(409, "0")
    assert make_client(running, success(RUN_RESPONSE), retry=only_reads).run("hello").response == "hi"


def test_delays_grow_and_are_bounded() -> None:
    """Half of each delay is random; the service's `Retry-After` takes precedence."""
    now = [0.0]
    policy = RetryPolicy(attempts=9, first_delay=1, most_delay=4, most_seconds=20)
    retries = Retries(policy, clock=lambda: now[0])
    failure = ConnectionFailed("x")
    for longest in (1, 2, 4, 4):
        delay = retries.delay(failure)
        assert delay is not None
        assert longest / 2 <= delay <= longest
    assert retries.delay(Unavailable(503, {}, 15.0)) == 15
    now[0] = 19.9
    assert retries.delay(failure) is None


def test_a_policy_is_checked() -> None:
    """The policy's constructor refuses invalid values."""
    with pytest.raises(ValueError, match="at least one attempt"):
        RetryPolicy(attempts=0)
    with pytest.raises(ValueError, match="number of seconds"):
        RetryPolicy(first_delay=float("nan"))
    with pytest.raises(ValueError, match="capitals"):
        RetryPolicy(methods=frozenset({"GET", "put"}))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("3", 3.0), ("-3", 0.0), ("soon", None), ("nan", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    """The client accepts a number or a date in `Retry-After`, and ignores other values."""
    assert retry_after(header) == seconds


# --- errors ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (429, TooManyRequests),
        (500, ServerFault),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_a_problem_is_a_typed_error(make_client: MakeClient, status: int, kind: type[ApiError]) -> None:
    """An API error contains all fields of the problem in the response."""
    field_errors = [{"field": "usr_id", "in": "body", "detail": "Extra inputs are not permitted"}]
    with pytest.raises(kind) as caught:
        make_client(problem(status, "3", errors=field_errors), retry=RetryPolicy(attempts=1)).read_preferences("u")
    error = caught.value
    assert (error.status, error.title, error.detail, error.request_id) == (status, "T", "D", "r-1")
    assert error.retry_after == 3
    assert [(each.field, each.place) for each in error.errors] == [("usr_id", "body")]
    assert str(error) == f"{status} T: D (request r-1)"


def test_a_gateways_error_is_typed(make_client: MakeClient) -> None:
    """A gateway's response becomes a typed error: API Gateway's `message`, or a proxy's HTML page."""
    with pytest.raises(NotAllowed, match="Forbidden"):
        make_client(httpx.Response(403, json={"message": "Forbidden"})).health()
    with pytest.raises(Unavailable, match="Bad Gateway"):
        make_client(httpx.Response(502, text="<html>"), retry=RetryPolicy(attempts=1)).health()


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"status": "ok"}'])
def test_a_response_of_another_service_is_an_error(make_client: MakeClient, body: str) -> None:
    """A wrong URL is not reported as an empty memory."""
    with pytest.raises(UnexpectedAnswer, match="GET /health"):
        make_client(httpx.Response(200, text=body)).health()


def test_a_text_in_place_of_a_list_is_an_error(make_client: MakeClient) -> None:
    """The client refuses a text in place of a list of documents, because each letter would be a document."""
    with pytest.raises(TypeError, match="not one text"):
        make_client().run("hello", document_ids="d1")


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x", "http://", "https://x/?a=1", "https://x/?", "https://x/#"]
)
def test_a_url_is_checked(url: str) -> None:
    """The constructor refuses an invalid URL."""
    with pytest.raises(ValueError, match="must be like"):
        MemoryClient(url)


# --- tokens ---


def test_a_refused_token_is_renewed_once(make_client: MakeClient) -> None:
    """After a 401, the client requests one new token. Later requests use the new token."""
    tokens = iter(["one", "two", "three"])
    client = make_client(problem(401), success({}), success({}), auth=lambda: next(tokens))
    client.read_preferences("u")
    client.read_preferences("u")
    authorizations = [request.headers["Authorization"] for request in client.requests]
    assert authorizations == ["Bearer one", "Bearer two", "Bearer two"]


def test_a_token_refused_twice_is_raised(make_client: MakeClient) -> None:
    """If the service refuses the new token too, the client raises the error and makes no third attempt."""
    client = make_client(problem(401), problem(401), auth=lambda: "old")
    with pytest.raises(NotAuthenticated):
        client.health()
    assert len(client.requests) == 2


def test_a_fixed_token_is_sent_once(make_client: MakeClient) -> None:
    """The client sends a fixed token once, because it cannot be renewed."""
    client = make_client(problem(401), auth="fixed")
    with pytest.raises(NotAuthenticated):
        client.health()


def test_a_token_may_be_a_text_or_httpx_own(make_client: MakeClient) -> None:
    """A token is a fixed text, or any `httpx.Auth`."""
    client = make_client(success({}), auth="fixed")
    client.read_preferences("u")
    assert client.requests[0].headers["Authorization"] == "Bearer fixed"
    client = make_client(success({}), auth=httpx.BasicAuth("a", "b"))
    client.read_preferences("u")
    assert client.requests[0].headers["Authorization"].startswith("Basic ")


def test_a_token_may_be_awaitable_for_the_asynchronous_client() -> None:
    """A synchronous client refuses an awaitable token with an explanation."""

    async def token() -> str:
        return "awaited"

    client = ScriptedClient(AsyncMemoryClient, success({}), auth=token)
    client.read_preferences("u")
    assert client.requests[0].headers["Authorization"] == "Bearer awaited"
    with pytest.raises(TypeError, match="AsyncMemoryClient"):
        ScriptedClient(MemoryClient, success({}), auth=token).read_preferences("u")


# --- pages ---


def test_all_pages_of_messages_are_read(make_client: MakeClient) -> None:
    """Each page is requested with the previous page's cursor."""
    first = {"items": [message(1), message(2)], "next_cursor": "c1", "degraded": []}
    last = {"items": [message(3)], "next_cursor": None, "degraded": []}
    client = make_client(success(first), success(last))
    messages = client.iter_messages("t", page_size=2, order="desc")
    assert [each.content for each in messages] == ["m1", "m2", "m3"]
    assert [dict(request.url.params) for request in client.requests] == [
        {"limit": "2", "order": "desc"},
        {"limit": "2", "order": "desc", "cursor": "c1"},
    ]


def test_all_pages_of_threads_are_read(make_client: MakeClient) -> None:
    """The client reads threads to the last page, even if an earlier page is empty."""
    client = make_client(
        success({"items": [], "next_cursor": "c"}), success({"items": [THREAD_RESPONSE], "next_cursor": None})
    )
    (thread,) = client.iter_threads("u")
    assert thread.thread_id == "t"
    assert thread.created_at == datetime(2026, 11, 22, 16, 8, 0, 139_000, UTC)
    assert thread.document_ids is None


def test_a_degraded_page_is_an_error(make_client: MakeClient) -> None:
    """A degraded page raises an error unless the caller allows it."""
    degraded_page = {"items": [message(1)], "next_cursor": None, "degraded": ["redis"]}
    with pytest.raises(HistoryDegraded) as caught:
        make_client(success(degraded_page)).iter_messages("t")
    assert caught.value.degraded == ("redis",)
    assert len(make_client(success(degraded_page)).iter_messages("t", allow_degraded=True)) == 1
    assert make_client(success(degraded_page)).read_messages("t").degraded == ("redis",)


def test_pages_report_their_degraded_layers(make_client: MakeClient) -> None:
    """Each page, even an empty page, reports its own degraded layers."""
    first = {"items": [message(1)], "next_cursor": "c", "degraded": ["redis"]}
    last: dict[str, Any] = {"items": [], "next_cursor": None, "degraded": []}
    client = make_client(success(first), success(last))
    pages = client.iter_message_pages("t", page_size=1, order="desc")
    assert [(len(page), page.degraded) for page in pages] == [(1, ("redis",)), (0, ())]
    assert dict(client.requests[1].url.params) == {"limit": "1", "order": "desc", "cursor": "c"}


def test_raw_is_the_apis_json(make_client: MakeClient) -> None:
    """`raw` has the fields of a newer service, and is not part of comparisons or the representation."""
    newer = {**THREAD_RESPONSE, "new": 1}
    thread = make_client(success(newer)).read_thread("t")
    assert thread.raw == newer
    assert thread == make_client(success(THREAD_RESPONSE)).read_thread("t")
    assert "new" not in repr(thread)
    page = make_client(
        success({"items": [{**message(1), "new": 1}], "next_cursor": None, "degraded": []})
    ).read_messages("t")
    assert page.items[0].raw == {**message(1), "new": 1}


def test_fields_of_newer_versions_are_ignored(make_client: MakeClient) -> None:
    """The client ignores fields that it does not know."""
    assert make_client(success({**INVOKED_RESPONSE, "new": 1}, 202)).invoked("q", "a").cached
