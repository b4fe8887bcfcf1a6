"""The clients retry calls and raise exceptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from hybrid_memory_client import (
    ApiError,
    AsyncMemoryClient,
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
from tests.clients.python.callers import Answer, Caller, ok, refusal

Make = Callable[..., Caller]
RUN = {
    "response": "hi",
    "thread_id": "t",
    "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586",
    "memory": {"source": "redis", "degraded": [], "durability": "queue", "cached": True},
}
KEPT = {"exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586", "durability": "queue", "cached": True}
THREAD = {
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
def make(request: pytest.FixtureRequest) -> Make:
    """Create a client of either kind with prepared responses."""

    def made(*answers: Answer, **options: Any) -> Caller:
        return Caller(request.param, *answers, **options)

    return made


# - retries ---


@pytest.mark.parametrize(
    "fault", [refusal(503), refusal(502), refusal(504), refusal(429), httpx.ConnectError("x"), httpx.ReadTimeout("x")]
)
def test_a_run_is_repeated_under_one_key(make: Make, fault: Answer) -> None:
    """All attempts of a run have the same key, and the next run has another key."""
    caller = make(fault, fault, ok(RUN), ok(RUN))
    assert caller.run("hello", thread_id="t").response == "hi"
    caller.run("hello", thread_id="t")
    keys = [request.headers["Idempotency-Key"] for request in caller.requests]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert len(keys[0]) == 36
    assert len({request.content for request in caller.requests}) == 1


def test_a_run_takes_the_callers_key(make: Make) -> None:
    """A run uses the caller's key. The result shows whether the response is a replay."""
    caller = make(ok(RUN, headers={"Idempotent-Replayed": "true"}))
    assert caller.run("hello", idempotency_key="k").is_replayed
    assert caller.requests[0].headers["Idempotency-Key"] == "k"


def test_an_exchange_is_repeated_under_one_id(make: Make) -> None:
    """A retry after a lost response does not create a second exchange; ids increase with time."""
    caller = make(httpx.ReadError("gone"), ok(KEPT, 202), ok(KEPT, 202))
    assert caller.invoked("q", "a", thread_id="t").durability == "queue"
    caller.invoked("q", "a", thread_id="t")
    ids = [body["exchange_id"] for body in caller.bodies()]
    assert ids[0] == ids[1] != ids[2]
    assert UUID(ids[0]).version == 7
    assert ids[0] < ids[2]


def test_an_exchange_takes_the_callers_id(make: Make) -> None:
    """An exchange uses the caller's id, which may be a UUID or a text."""
    caller = make(ok(KEPT, 202))
    caller.invoked("q", "a", thread_id="t", exchange_id=UUID(int=5))
    assert caller.bodies()[0]["exchange_id"] == str(UUID(int=5))


def test_a_run_that_is_running_elsewhere_is_waited_for(make: Make) -> None:
    """The client waits while the same run is running elsewhere. A 409 does not count as an attempt."""
    still = [refusal(409, "0")] * 9
    assert make(*still, ok(RUN), retry=RetryPolicy(attempts=1)).run("hello", idempotency_key="k").response == "hi"


def test_waiting_for_a_run_ends(make: Make) -> None:
    """The wait for a run ends after `most_seconds`."""
    with pytest.raises(Conflict) as caught:
        make(refusal(409, "7"), retry=RetryPolicy(most_seconds=5)).run("hello")
    assert caught.value.retry_after == 7


def test_an_answer_that_cannot_be_decoded_is_unexpected(make: Make) -> None:
    """Every error of the transport becomes an exception of this package."""
    with pytest.raises(UnexpectedAnswer, match="zlib"):
        make(httpx.DecodingError("zlib")).health()


def test_other_conflicts_are_raised(make: Make) -> None:
    """The client raises a 409 to other calls, because only a run's 409 means that the same call is still running."""
    with pytest.raises(Conflict):
        make(refusal(409, "0"), ok(THREAD)).rename_thread("t", "x")


def test_the_last_failure_is_raised(make: Make) -> None:
    """The client raises the failure after the policy's number of attempts."""
    caller = make(*[refusal(503, "0")] * 9, retry=RetryPolicy(attempts=3))
    with pytest.raises(Unavailable):
        caller.read_thread("t")
    assert len(caller.requests) == 3


def test_a_lost_connection_is_raised_with_its_cause(make: Make) -> None:
    """A lost connection has its own exception type in the package's hierarchy."""
    with pytest.raises(ConnectionFailed) as caught:
        make(*[httpx.ConnectError("refused")] * 4).health()
    assert isinstance(caught.value, MemoryClientError)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("name", ["delete_thread", "delete_preferences", "delete_user"])
def test_a_deletion_whose_answer_was_lost_is_done(make: Make, name: str) -> None:
    """If a retried deletion finds nothing to delete, the first attempt has succeeded."""
    assert getattr(make(refusal(503, "0"), refusal(404)), name)("t") is None


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x"), refusal(429, "0")]
)
def test_a_deletion_that_was_never_there_is_not_done(make: Make, fault: Answer) -> None:
    """A 404 is an error if no earlier attempt had a connection, because no attempt can have deleted the thread.

    If an earlier attempt had a connection, the deletion may have succeeded.
    """
    with pytest.raises(NotFound):
        make(fault, refusal(404)).delete_thread("t")
    assert make(httpx.ReadTimeout("x"), fault, refusal(404)).delete_thread("t") is None


def test_deleting_a_missing_thread_is_not_found(make: Make) -> None:
    """A 404 to the first attempt is an error, because no earlier attempt can have deleted the thread."""
    with pytest.raises(NotFound):
        make(refusal(404)).delete_thread("t")


def test_only_calls_of_the_policys_methods_are_repeated(make: Make) -> None:
    """The client repeats only calls with the policy's methods.

    After a lost response to another call, the caller decides whether to repeat it.
    """
    reads = RetryPolicy(first_delay=0, methods=frozenset({"GET"}))
    assert make(refusal(503, "0"), ok({}), retry=reads).read_preferences("u") == {}
    with pytest.raises(Unavailable):
        make(refusal(503, "0"), retry=reads).delete_user("u")
    still = refusal(409, "0")
    assert make(still, ok(RUN), retry=reads).run("hello").response == "hi"


def test_waits_grow_and_are_bounded() -> None:
    """Half of each delay is random; the service's `Retry-After` takes precedence."""
    now = [0.0]
    policy = RetryPolicy(attempts=9, first_delay=1, most_delay=4, most_seconds=20)
    retries = Retries(policy, clock=lambda: now[0])
    lost = ConnectionFailed("x")
    for longest in (1, 2, 4, 4):
        delay = retries.delay(lost)
        assert delay is not None
        assert longest / 2 <= delay <= longest
    assert retries.delay(Unavailable(503, {}, 15.0)) == 15
    now[0] = 19.9
    assert retries.delay(lost) is None


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
def test_a_problem_is_a_typed_error(make: Make, status: int, kind: type[ApiError]) -> None:
    """An API error contains all fields of the problem in the response."""
    faults = [{"field": "usr_id", "in": "body", "detail": "Extra inputs are not permitted"}]
    with pytest.raises(kind) as caught:
        make(refusal(status, "3", errors=faults), retry=RetryPolicy(attempts=1)).read_preferences("u")
    error = caught.value
    assert (error.status, error.title, error.detail, error.request_id) == (status, "T", "D", "r-1")
    assert error.retry_after == 3
    assert [(each.field, each.place) for each in error.errors] == [("usr_id", "body")]
    assert str(error) == f"{status} T: D (request r-1)"


def test_a_gateways_own_error_is_typed_too(make: Make) -> None:
    """A gateway's response becomes a typed error: API Gateway's `message`, or a proxy's HTML page."""
    with pytest.raises(NotAllowed, match="Forbidden"):
        make(httpx.Response(403, json={"message": "Forbidden"})).health()
    with pytest.raises(Unavailable, match="Bad Gateway"):
        make(httpx.Response(502, text="<html>"), retry=RetryPolicy(attempts=1)).health()


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"status": "ok"}'])
def test_an_answer_of_something_else_is_an_error(make: Make, body: str) -> None:
    """A wrong URL is not reported as an empty memory."""
    with pytest.raises(UnexpectedAnswer, match="GET /health"):
        make(httpx.Response(200, text=body)).health()


def test_a_text_in_place_of_a_list_is_an_error(make: Make) -> None:
    """The client refuses a text in place of a list of documents, because each letter would be a document."""
    with pytest.raises(TypeError, match="not one text"):
        make().run("hello", document_ids="d1")


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x", "http://", "https://x/?a=1", "https://x/?", "https://x/#"]
)
def test_a_url_is_checked(url: str) -> None:
    """The constructor refuses an invalid URL."""
    with pytest.raises(ValueError, match="must be like"):
        MemoryClient(url)


# --- tokens ---


def test_a_refused_token_is_renewed_once(make: Make) -> None:
    """After a 401, the client requests one new token. Later requests use the new token."""
    tokens = iter(["one", "two", "three"])
    caller = make(refusal(401), ok({}), ok({}), auth=lambda: next(tokens))
    caller.read_preferences("u")
    caller.read_preferences("u")
    sent = [request.headers["Authorization"] for request in caller.requests]
    assert sent == ["Bearer one", "Bearer two", "Bearer two"]


def test_a_token_refused_twice_is_raised(make: Make) -> None:
    """If the service refuses the new token too, the client raises the error and makes no third attempt."""
    caller = make(refusal(401), refusal(401), auth=lambda: "old")
    with pytest.raises(NotAuthenticated):
        caller.health()
    assert len(caller.requests) == 2


def test_a_fixed_token_is_sent_once(make: Make) -> None:
    """The client sends a fixed token once, because it cannot be renewed."""
    caller = make(refusal(401), auth="fixed")
    with pytest.raises(NotAuthenticated):
        caller.health()


def test_a_token_may_be_a_text_or_httpx_own(make: Make) -> None:
    """A token is a fixed text, or any `httpx.Auth`."""
    caller = make(ok({}), auth="fixed")
    caller.read_preferences("u")
    assert caller.requests[0].headers["Authorization"] == "Bearer fixed"
    caller = make(ok({}), auth=httpx.BasicAuth("a", "b"))
    caller.read_preferences("u")
    assert caller.requests[0].headers["Authorization"].startswith("Basic ")


def test_a_token_may_be_awaitable_for_the_asynchronous_client() -> None:
    """A synchronous client refuses an awaitable token with an explanation."""

    async def token() -> str:
        return "awaited"

    caller = Caller(AsyncMemoryClient, ok({}), auth=token)
    caller.read_preferences("u")
    assert caller.requests[0].headers["Authorization"] == "Bearer awaited"
    with pytest.raises(TypeError, match="AsyncMemoryClient"):
        Caller(MemoryClient, ok({}), auth=token).read_preferences("u")


# --- pages ---


def test_pages_are_followed_to_the_end(make: Make) -> None:
    """Each page is requested with the previous page's cursor."""
    first = {"items": [message(1), message(2)], "next_cursor": "c1", "degraded": []}
    last = {"items": [message(3)], "next_cursor": None, "degraded": []}
    caller = make(ok(first), ok(last))
    found = caller.iter_messages("t", page_size=2, order="desc")
    assert [each.content for each in found] == ["m1", "m2", "m3"]
    assert [dict(request.url.params) for request in caller.requests] == [
        {"limit": "2", "order": "desc"},
        {"limit": "2", "order": "desc", "cursor": "c1"},
    ]


def test_threads_are_followed_to_the_end(make: Make) -> None:
    """The client reads threads to the last page, even if a page between is empty."""
    caller = make(ok({"items": [], "next_cursor": "c"}), ok({"items": [THREAD], "next_cursor": None}))
    (thread,) = caller.iter_threads("u")
    assert thread.thread_id == "t"
    assert thread.created_at == datetime(2026, 11, 22, 16, 8, 0, 139_000, UTC)
    assert thread.document_ids is None


def test_a_degraded_page_is_not_taken_for_complete(make: Make) -> None:
    """A degraded page raises an error unless the caller allows it."""
    degraded = {"items": [message(1)], "next_cursor": None, "degraded": ["redis"]}
    with pytest.raises(HistoryDegraded) as caught:
        make(ok(degraded)).iter_messages("t")
    assert caught.value.degraded == ("redis",)
    assert len(make(ok(degraded)).iter_messages("t", allow_degraded=True)) == 1
    assert make(ok(degraded)).read_messages("t").degraded == ("redis",)


def test_pages_report_their_degraded_layers(make: Make) -> None:
    """Each page, even an empty page, reports its own degraded layers."""
    first = {"items": [message(1)], "next_cursor": "c", "degraded": ["redis"]}
    last: dict[str, Any] = {"items": [], "next_cursor": None, "degraded": []}
    caller = make(ok(first), ok(last))
    pages = caller.iter_message_pages("t", page_size=1, order="desc")
    assert [(len(page), page.degraded) for page in pages] == [(1, ("redis",)), (0, ())]
    assert dict(caller.requests[1].url.params) == {"limit": "1", "order": "desc", "cursor": "c"}


def test_threads_and_messages_have_the_apis_own_form(make: Make) -> None:
    """`raw` has the fields of a newer service, and is not part of comparisons or the representation."""
    newer = {**THREAD, "new": 1}
    thread = make(ok(newer)).read_thread("t")
    assert thread.raw == newer
    assert thread == make(ok(THREAD)).read_thread("t")
    assert "new" not in repr(thread)
    page = make(ok({"items": [{**message(1), "new": 1}], "next_cursor": None, "degraded": []})).read_messages("t")
    assert page.items[0].raw == {**message(1), "new": 1}


def test_fields_of_newer_versions_are_ignored(make: Make) -> None:
    """The client ignores fields that it does not know."""
    assert make(ok({**KEPT, "new": 1}, 202)).invoked("q", "a").cached
