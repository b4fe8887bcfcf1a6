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

from cli.api import format_error, is_outage, open_api
from cli.main import app
from hybrid_memory_client import ApiError, ConnectionFailed, MemoryClient, MemoryClientError, NotThisApi
from shared.errors import SettingsError
from tests.support.fake_api import API_URL, problem, thread, use_fake_api

Handler = Callable[[httpx.Request], httpx.Response]
_HEALTH = {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok"}


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the pauses instead of waiting."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Return a stack that closes the test's clients."""
    with ExitStack() as stack:
        yield stack


def _answers(*answers: httpx.Response | Exception) -> tuple[Handler, list[httpx.Request]]:
    left: Iterator[httpx.Response | Exception] = iter(answers)
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handle, asked


def _api(opened: ExitStack, handler: Handler, token: str | None = None, api_key: str | None = None) -> MemoryClient:
    return open_api(opened, f"{API_URL}/", token, api_key, httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("name", "path"),
    [("a/b", b"a%2Fb"), ("..", b"%2E%2E"), (".", b"%2E"), ("ü 100%", b"%C3%BC%20100%25")],
)
def test_an_id_is_one_segment(opened: ExitStack, name: str, path: bytes) -> None:
    """An id is sent unchanged as one path segment, whatever characters it contains."""
    handle, asked = _answers(httpx.Response(200, json=thread(name)))
    _api(opened, handle).read_thread(name)
    assert asked[0].url.raw_path == b"/prod/threads/" + path


def test_the_key_of_a_usage_plan_is_sent(opened: ExitStack) -> None:
    """The client sends the key of a usage plan in API Gateway's header, and refuses an invalid key."""
    handle, asked = _answers(httpx.Response(200, json=_HEALTH))
    _api(opened, handle, api_key="k1").health()
    assert asked[0].headers["x-api-key"] == "k1"
    with pytest.raises(SettingsError):
        open_api(opened, API_URL, api_key="k 1")


def test_the_token_is_sent(opened: ExitStack) -> None:
    """The client sends a bearer token. Without a token, it sends no `Authorization` header."""
    handle, asked = _answers(httpx.Response(200, json=_HEALTH), httpx.Response(200, json=_HEALTH))
    _api(opened, handle, "abc.def").health()
    _api(opened, handle).health()
    assert [request.headers.get("Authorization") for request in asked] == ["Bearer abc.def", None]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel"])
def test_an_impossible_token(opened: ExitStack, token: str) -> None:
    """The command refuses an invalid token before it sends a request, and does not print the token."""
    with pytest.raises(SettingsError) as caught:
        open_api(opened, API_URL, token)
    assert token not in str(caught.value)


def test_a_read_is_retried_without_a_response(opened: ExitStack, pauses: list[float]) -> None:
    """The client tries a read three times, with pauses."""
    handle, asked = _answers(httpx.ConnectError("refused"), problem(503), httpx.Response(200, json=_HEALTH))
    assert _api(opened, handle).health().status == "ok"
    assert (len(asked), len(pauses)) == (3, 2)
    handle, asked = _answers(*[httpx.ReadTimeout("late")] * 3)
    with pytest.raises(ConnectionFailed):
        _api(opened, handle).health()
    assert len(asked) == 3


@pytest.mark.parametrize("answer", [problem(503), httpx.ConnectError("refused")])
def test_a_change_is_sent_once(opened: ExitStack, answer: httpx.Response | Exception, pauses: list[float]) -> None:
    """The client does not retry a failed change, because the change may have had its effect."""
    handle, asked = _answers(answer)
    with pytest.raises(MemoryClientError):
        _api(opened, handle).delete_thread("t")
    assert (len(asked), pauses) == (1, [])


@pytest.mark.parametrize(
    ("answer", "outage", "sentence"),
    [
        (
            problem(404, detail="There is no such thread.", request_id="r1"),
            False,
            "The API answered 404: There is no such thread. (request r1)",
        ),
        (
            httpx.Response(401, json={"detail": "No token."}),
            False,
            "The API answered 401: No token. Give a token with --token or HYBRID_MEMORY_TOKEN.",
        ),
        (
            problem(403, detail="Only operators may.", request_id="r1"),
            False,
            "The API answered 403: Only operators may. (request r1)",
        ),
        *(
            (
                httpx.Response(403, json={"message": words}),
                False,
                (
                    f"The API answered 403: {words}. API Gateway says so without an API key (--api-key),"
                    " and of a stage or route that is not there."
                ),
            )
            for words in ("Missing Authentication Token", "Forbidden")
        ),
        (httpx.Response(429, json={"message": "Too Many Requests"}), True, "The API answered 429: Too Many Requests"),
        (
            httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
            False,
            f"The server at {API_URL} is not this project's API (200, text/html). Check the URL, its stage included.",
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
def test_a_refusal(
    opened: ExitStack,
    answer: httpx.Response | Exception,
    outage: bool,  # noqa: FBT001 - a case
    sentence: str,
) -> None:
    """The message for a refusal has the API's words and advice. Only temporary errors count as outages."""
    handle, _ = _answers(answer)
    with pytest.raises(MemoryClientError) as caught:
        _api(opened, handle).rename_thread("t", "title")
    assert (is_outage(caught.value), format_error(caught.value, f"{API_URL}/")) == (outage, sentence)


@pytest.mark.parametrize(("answer", "code"), [(problem(503), 3), (problem(404), 2), (httpx.ReadTimeout("late"), 3)])
def test_exit_codes(answer: httpx.Response | Exception, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary error has exit code 3, and a usage error has exit code 2. With `--json` the message is JSON."""
    use_fake_api(monkeypatch, _answers(*[answer] * 3)[0])
    result = CliRunner().invoke(app, ["threads", "show", "t", "--json"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith('{"error": "The API')


def test_values_that_cannot_be_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be stored is a usage error. The command sends nothing."""
    use_fake_api(monkeypatch, _answers()[0])
    result = CliRunner().invoke(app, ["prefs", "set", "u", "tone=a\ud800"])
    assert (result.exit_code, result.stderr) == (2, "Error: tone: must not hold lone surrogates.\n")


_OTHERS = [
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
_QUESTIONS: list[Callable[[MemoryClient], Any]] = [
    MemoryClient.list_threads,
    lambda api: api.read_thread("t"),
    lambda api: api.read_messages("t"),
    MemoryClient.health,
    MemoryClient.openapi,
]


def _delete(api: MemoryClient) -> None:
    api.delete_thread("t")


@pytest.mark.parametrize("answer", _OTHERS)
def test_another_server(opened: ExitStack, answer: httpx.Response) -> None:
    """If another server responds, the message says so, even if the response looks like a success."""
    for call in _QUESTIONS if answer.status_code == HTTPStatus.NO_CONTENT else [*_QUESTIONS, _delete]:
        with pytest.raises((NotThisApi, ApiError)) as caught:
            call(_api(opened, _answers(answer)[0]))
        sentence = format_error(caught.value, API_URL)
        assert sentence.startswith(f"The server at {API_URL} is not this project's API ({answer.status_code}, ")
        assert sentence.endswith("its stage included.")
        assert not is_outage(caught.value)


@pytest.mark.parametrize("more", ["/threads", "/users/", "?stage=prod", "#prod", "?", "#"])
def test_a_url_below_a_route(opened: ExitStack, more: str) -> None:
    """The command refuses a URL that includes a route, a query or a fragment.

    The next path segment would otherwise be read as an id.
    """
    with pytest.raises(SettingsError, match="is invalid"):
        open_api(opened, f"{API_URL}{more}")


def test_a_list_by_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client reads pages until the end or the limit. The output says whether more entries exist."""
    asked: list[int] = []

    def handle(request: httpx.Request) -> httpx.Response:
        start, size = int(request.url.params.get("cursor", 0)), int(request.url.params["limit"])
        asked.append(size)
        items = [thread(str(number)) for number in range(start, min(start + size, 450))]
        more = str(start + size) if start + size < 450 else None
        return httpx.Response(200, json={"items": items, "next_cursor": more})

    def read(*words: str) -> tuple[str, list[int]]:
        asked.clear()
        shown = CliRunner().invoke(app, ["threads", "list", "--user", "u", *words]).stdout
        return shown.splitlines()[-1], asked

    use_fake_api(monkeypatch, handle)
    assert read("--all") == ("450 threads.", [200, 200, 200])
    assert read("--limit", "450") == ("450 threads.", [200, 200, 200])
    assert read("--limit", "449") == ("449 threads, and there are more: see --all.", [200, 200, 200])
    assert read("--limit", "3") == ("3 threads, and there are more: see --all.", [4])
