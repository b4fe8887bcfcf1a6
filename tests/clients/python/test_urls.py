"""Calls with a base URL of another server, or of no server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hybrid_memory_client import (
    AsyncMemoryClient,
    ConnectionFailed,
    InvalidRequest,
    MemoryClient,
    MemoryClientError,
    NotFound,
    NotThisApi,
    RetryPolicy,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
)
from tests.clients.python.scripted_client import ScriptedClient, problem

CALLS: list[Callable[[ScriptedClient], Any]] = [
    lambda client: client.read_thread("t"),
    lambda client: client.iter_messages("t"),
    lambda client: client.invoked("q", "a", thread_id="t"),
    lambda client: client.delete_thread("t"),
    lambda client: client.read_preferences("u"),
    lambda client: client.health(),
]
OTHER_SERVERS = {
    "a gateway without this stage": httpx.Response(403, json={"message": "Missing Authentication Token"}),
    "an HTTP API without this route": httpx.Response(404, json={"message": "Not Found"}),
    "another framework": httpx.Response(404, json={"detail": "Not Found"}),
    "another API with problems": httpx.Response(404, json={"type": "about:blank", "status": 404, "title": "Not Found"}),
    "this API under another path": httpx.Response(
        404, json={"title": "Not Found", "status": 404, "detail": "Not Found", "request_id": "r"}
    ),
    "a web server": httpx.Response(404, text="<html>", headers={"Content-Type": "text/html"}),
    "a store of files": httpx.Response(403, text="<Error><Code>AccessDenied</Code></Error>"),
    "a page": httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
    "nothing": httpx.Response(200),
    "a list": httpx.Response(200, json=[]),
    "a sign-in page": httpx.Response(302, headers={"Location": "https://sso.example/login"}),
    "another name": httpx.Response(308, headers={"Location": "https://other.example/"}),
    "a server for GET only": httpx.Response(405, text="Method Not Allowed"),
}


@pytest.mark.parametrize("client_type", [MemoryClient, AsyncMemoryClient])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("response", OTHER_SERVERS.values(), ids=OTHER_SERVERS.keys())
def test_another_server_is_not_this_api(
    client_type: type[MemoryClient | AsyncMemoryClient], call: Callable[[ScriptedClient], Any], response: httpx.Response
) -> None:
    """Other servers' responses raise `NotThisApi` without a retry. They are not reported as a missing thread."""
    client = ScriptedClient(client_type, response)
    with pytest.raises(NotThisApi, match="base URL") as caught:
        call(client)
    assert isinstance(caught.value, UnexpectedAnswer)
    assert caught.value.status == response.status_code


def test_another_servers_response_is_described() -> None:
    """The error has the data for a caller's own message, including a gateway page's media type."""
    with pytest.raises(NotThisApi) as caught:
        ScriptedClient(MemoryClient, httpx.Response(404, json={"message": "No such app"})).health()
    assert (caught.value.detail, caught.value.content_type) == ("No such app", "application/json")
    with pytest.raises(NotThisApi) as caught:
        ScriptedClient(MemoryClient, httpx.Response(200)).health()
    assert (caught.value.detail, caught.value.content_type) == ("", "")
    page = httpx.Response(502, text="<html>", headers={"Content-Type": "text/html"})
    with pytest.raises(Unavailable) as unavailable:
        ScriptedClient(MemoryClient, page, retry=RetryPolicy(attempts=1)).health()
    assert (unavailable.value.detail, unavailable.value.content_type) == ("", "text/html")


@pytest.mark.parametrize("location", ["https://sso.example/login"])
def test_a_redirection_is_not_followed(location: str) -> None:
    """The client does not follow a redirection.

    Otherwise it would send the token to the target, and a POST would become a GET.
    """
    with pytest.raises(NotThisApi, match=location):
        ScriptedClient(MemoryClient, httpx.Response(302, headers={"Location": location})).health()


def test_a_gateways_error_is_typed_at_any_url() -> None:
    """A gateway's error has its own exception type for every form of the gateway's response."""
    without_retries = RetryPolicy(attempts=1)
    with pytest.raises(TooManyRequests):
        ScriptedClient(MemoryClient, httpx.Response(429, text="slow down"), retry=without_retries).health()
    with pytest.raises(InvalidRequest):
        ScriptedClient(
            MemoryClient, httpx.Response(413, json={"message": "Request Too Long"}), retry=without_retries
        ).health()
    with pytest.raises(NotFound):
        ScriptedClient(
            MemoryClient, problem(404, detail="There is no such thread."), retry=without_retries
        ).read_thread("t")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/x", "https://127.0.0.1:9", "http://no-such-host.invalid"], ids=["port", "tls", "name"]
)
def test_a_missing_server_is_a_failed_connection(url: str) -> None:
    """The error is the same for a missing server and an unknown host name."""
    with MemoryClient(url, retry=RetryPolicy(attempts=1)) as client, pytest.raises(ConnectionFailed, match=url[:12]):
        client.health()


@pytest.mark.parametrize("url", ["http://a b", "http://[::1", "http://x:port", "https:///stage", ""])
def test_a_malformed_url_is_refused(url: str) -> None:
    """The constructor refuses the URL, not the first call."""
    with pytest.raises(ValueError, match="must be like"):
        MemoryClient(url)


@pytest.mark.parametrize("route", ["threads", "users/"])
def test_a_base_url_with_a_route_is_refused(route: str) -> None:
    """The client refuses a base URL that ends with a route.

    With this URL, `threads/t` would be the id of a thread that does not exist.
    """
    with pytest.raises(ValueError, match="without /"):
        MemoryClient(f"http://api.example.com/prod/{route}")


def test_an_error_of_another_api_is_not_an_empty_history() -> None:
    """`NotThisApi` is not a `NotFound`, because a journal reads a missing thread as an empty history."""
    assert not issubclass(NotThisApi, NotFound)
    assert issubclass(NotThisApi, MemoryClientError)
    assert json.loads(OTHER_SERVERS["another framework"].content)["detail"] == "Not Found"
