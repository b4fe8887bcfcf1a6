"""The command line's client returns responses or error messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.api import create_client, format_error, is_outage
from cli.main import app
from hybrid_memory_client import ApiError, ConnectionFailed, MemoryClient, MemoryClientError, NotThisApi
from shared.errors import SettingsError
from tests.support.fake_api import API_URL, problem, thread, use_fake_api

Handler = Callable[[httpx.Request], httpx.Response]
_HEALTH = {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok"}


@pytest.fixture(autouse=True)
def recorded_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record pauses instead of waiting."""
    recorded: list[float] = []
    monkeypatch.setattr(time, "sleep", recorded.append)
    return recorded


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    """Return a stack that closes the test's clients."""
    with ExitStack() as stack:
        yield stack


def _responses(*responses: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    remaining: Iterator[httpx.Response | Exception] = iter(responses)
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        answer = next(remaining)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handle, requests


def _api(clients: ExitStack, handler: Handler, token: str | None = None, api_key: str | None = None) -> MemoryClient:
    return create_client(clients, f"{API_URL}/", token, api_key, httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("name", "path"),
    [("a/b", b"a%2Fb"), ("..", b"%2E%2E"), (".", b"%2E"), ("ü 100%", b"%C3%BC%20100%25")],
)
def test_an_id_is_one_path_segment(clients: ExitStack, name: str, path: bytes) -> None:
    """An id with any characters is sent unchanged as one path segment."""
    handle, requests = _responses(httpx.Response(200, json=thread(name)))
    _api(clients, handle).read_thread(name)
    assert requests[0].url.raw_path == b"/prod/threads/" + path


def test_the_api_key_is_sent(clients: ExitStack) -> None:
    """The client sends the key of a usage plan in API Gateway's header, and refuses an invalid key."""
    handle, requests = _responses(httpx.Response(200, json=_HEALTH))
    _api(clients, handle, api_key="k1").health()
    assert requests[0].headers["x-api-key"] == "k1"
    with pytest.raises(SettingsError):
        create_client(clients, API_URL, api_key="k 1")


def test_the_token_is_sent(clients: ExitStack) -> None:
    """The client sends a bearer token. Without a token, it sends no `Authorization` header."""
    handle, requests = _responses(httpx.Response(200, json=_HEALTH), httpx.Response(200, json=_HEALTH))
    _api(clients, handle, "abc.def").health()
    _api(clients, handle).health()
    assert [request.headers.get("Authorization") for request in requests] == ["Bearer abc.def", None]


@pytest.mark.parametrize("token", ["two text", "line\nbreak", "schlüssel"])
def test_an_invalid_token_is_refused_and_not_printed(clients: ExitStack, token: str) -> None:
    """The command refuses an invalid token before it sends a request, and does not print the token."""
    with pytest.raises(SettingsError) as caught:
        create_client(clients, API_URL, token)
    assert token not in str(caught.value)


def test_a_failed_read_is_retried(clients: ExitStack, recorded_pauses: list[float]) -> None:
    """The client tries a read three times, with pauses."""
    handle, requests = _responses(httpx.ConnectError("refused"), problem(503), httpx.Response(200, json=_HEALTH))
    assert _api(clients, handle).health().status == "ok"
    assert (len(requests), len(recorded_pauses)) == (3, 2)
    handle, requests = _responses(*[httpx.ReadTimeout("late")] * 3)
    with pytest.raises(ConnectionFailed):
        _api(clients, handle).health()
    assert len(requests) == 3


@pytest.mark.parametrize("answer", [problem(503), httpx.ConnectError("refused")])
def test_a_failed_change_is_not_retried(
    clients: ExitStack, answer: httpx.Response | Exception, recorded_pauses: list[float]
) -> None:
    """The client does not retry a failed change, because the change may have had its effect."""
    handle, requests = _responses(answer)
    with pytest.raises(MemoryClientError):
        _api(clients, handle).delete_thread("t")
    assert (len(requests), recorded_pauses) == (1, [])


@pytest.mark.parametrize(
    ("answer", "outage", "message"),
    [
        (
            problem(404, detail="There is no such thread.", request_id="r1"),
            False,
            "The API answered 404: There is no such thread. (request r1)",
        ),
        (
            httpx.Response(401, json={"detail": "No token."}),
            False,
            "The API answered 401: No token. Set a token with --token or HYBRID_MEMORY_TOKEN.",
        ),
        (
            problem(403, detail="Only operators may.", request_id="r1"),
            False,
            "The API answered 403: Only operators may. (request r1)",
        ),
        *(
            (
                httpx.Response(403, json={"message": text}),
                False,
                (
                    f"The API answered 403: {text}. API Gateway returns this if the API key is missing (--api-key),"
                    " or for an unknown stage or route."
                ),
            )
            for text in ("Missing Authentication Token", "Forbidden")
        ),
        (httpx.Response(429, json={"message": "Too Many Requests"}), True, "The API answered 429: Too Many Requests"),
        (
            httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
            False,
            f"The server at {API_URL} is not this project's API (200, text/html). Check the URL, including the stage.",
        ),
        (
            httpx.Response(502, text="Bad gateway", headers={"Content-Type": "text/plain"}),
            True,
            f"The server at {API_URL} is not this project's API (502, text/plain).",
        ),
        (httpx.ReadTimeout("late"), True, "The API cannot be reached at api.example (ReadTimeout)."),
        (httpx.DecodingError("zlib"), True, "The API cannot be reached at api.example (DecodingError)."),
    ],
)
def test_the_message_has_the_reason_and_advice(
    clients: ExitStack,
    answer: httpx.Response | Exception,
    outage: bool,  # noqa: FBT001 - a case
    message: str,
) -> None:
    """The message has the API's reason and advice. Only temporary errors count as outages."""
    handle, _ = _responses(answer)
    with pytest.raises(MemoryClientError) as caught:
        _api(clients, handle).rename_thread("t", "title")
    assert (is_outage(caught.value), format_error(caught.value, f"{API_URL}/")) == (outage, message)


@pytest.mark.parametrize(("answer", "code"), [(problem(503), 3), (problem(404), 2), (httpx.ReadTimeout("late"), 3)])
def test_exit_codes_separate_outages_from_usage_errors(
    answer: httpx.Response | Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary error has exit code 3, and a usage error has exit code 2. With `--json` the message is JSON."""
    use_fake_api(monkeypatch, _responses(*[answer] * 3)[0])
    result = CliRunner().invoke(app, ["threads", "show", "t", "--json"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith('{"error": "The API')


def test_invalid_values_are_usage_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be stored is a usage error. The command sends nothing."""
    use_fake_api(monkeypatch, _responses()[0])
    result = CliRunner().invoke(app, ["prefs", "set", "u", "tone=a\ud800"])
    assert (result.exit_code, result.stderr) == (2, "Error: tone: must not contain lone surrogates.\n")


_OTHER_SERVERS_RESPONSES = [
    httpx.Response(200, json={}),
    httpx.Response(200, json=[]),
    httpx.Response(200, json={"items": [], "total": 0}),
    httpx.Response(201, text="<html>"),
    httpx.Response(204),
    httpx.Response(302, headers={"Location": "https://sso.example"}),
    httpx.Response(404, json={"detail": "Not Found"}),
    httpx.Response(404, json={"status": 404, "title": "Not Found", "detail": "Not Found", "request_id": "r"}),
    httpx.Response(404, json={"message": "Not Found"}),
    httpx.Response(405, json={"status": 405, "detail": "Method Not Allowed", "request_id": "r"}),
]
_READS: list[Callable[[MemoryClient], Any]] = [
    MemoryClient.list_threads,
    lambda api: api.read_thread("t"),
    lambda api: api.read_messages("t"),
    MemoryClient.health,
    MemoryClient.openapi,
]


def _delete(api: MemoryClient) -> None:
    api.delete_thread("t")


@pytest.mark.parametrize("answer", _OTHER_SERVERS_RESPONSES)
def test_a_response_of_another_server_is_reported(clients: ExitStack, answer: httpx.Response) -> None:
    """If another server responds, the message says so, even if the response looks like a success."""
    for call in _READS if answer.status_code == HTTPStatus.NO_CONTENT else [*_READS, _delete]:
        with pytest.raises((NotThisApi, ApiError)) as caught:
            call(_api(clients, _responses(answer)[0]))
        message = format_error(caught.value, API_URL)
        assert message.startswith(f"The server at {API_URL} is not this project's API ({answer.status_code}, ")
        assert message.endswith("including the stage.")
        assert not is_outage(caught.value)


@pytest.mark.parametrize("suffix", ["/threads", "/users/", "?stage=prod", "#prod", "?", "#"])
def test_a_url_with_a_route_or_query_is_refused(clients: ExitStack, suffix: str) -> None:
    """The command refuses a URL that includes a route, a query or a fragment.

    The next path segment would otherwise be read as an id.
    """
    with pytest.raises(SettingsError, match="is invalid"):
        create_client(clients, f"{API_URL}{suffix}")


def test_a_list_is_read_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads pages until the end or the limit. The output says whether more entries exist."""
    requests: list[int] = []

    def handle(request: httpx.Request) -> httpx.Response:
        start, size = int(request.url.params.get("cursor", 0)), int(request.url.params["limit"])
        requests.append(size)
        items = [thread(str(number)) for number in range(start, min(start + size, 450))]
        next_cursor = str(start + size) if start + size < 450 else None
        return httpx.Response(200, json={"items": items, "next_cursor": next_cursor})

    def list_threads(*words: str) -> tuple[str, list[int]]:
        requests.clear()
        output = CliRunner().invoke(app, ["threads", "list", "--user", "u", *words]).stdout
        return output.splitlines()[-1], requests

    use_fake_api(monkeypatch, handle)
    assert list_threads("--all") == ("450 threads.", [200, 200, 200])
    assert list_threads("--limit", "450") == ("450 threads.", [200, 200, 200])
    assert list_threads("--limit", "449") == ("449 threads. More exist: use --all.", [200, 200, 200])
    assert list_threads("--limit", "3") == ("3 threads. More exist: use --all.", [4])
