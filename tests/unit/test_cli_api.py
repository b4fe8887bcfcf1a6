from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from cli.api import Api
from cli.errors import ApiRefused
from shared.errors import SettingsError, StoreUnavailable

URL = "https://api.example/prod/"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes any time."""
    made: list[float] = []
    monkeypatch.setattr("cli.api.time.sleep", made.append)
    return made


_HEALTH = {"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok"}


def _api(handler: Handler, token: str | None = None, api_key: str | None = None) -> Api:
    return Api(URL, token, api_key, httpx.MockTransport(handler))


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


@pytest.mark.parametrize(
    ("name", "path"),
    [("a/b", b"a%2Fb"), ("..", b"%2E%2E"), (".", b"%2E"), ("a.b", b"a.b"), ("ü 100%", b"%C3%BC%20100%25")],
)
def test_an_id_is_one_segment(name: str, path: bytes) -> None:
    """Whatever is in an id, it neither leaves its place in the path nor changes."""
    handle, asked = _answers(httpx.Response(200, json={"thread_id": name}))
    _api(handle).get("threads", name)
    assert asked[0].url.raw_path == b"/prod/threads/" + path


def test_the_key_of_a_usage_plan_is_sent() -> None:
    """In API Gateway's own header."""
    handle, asked = _answers(httpx.Response(200, json=_HEALTH))
    _api(handle, api_key="k1").get("health")
    assert asked[0].headers["x-api-key"] == "k1"
    with pytest.raises(SettingsError):
        Api(URL, api_key="k 1")


def test_the_token_is_sent() -> None:
    """As a bearer token; without one there is no such header."""
    handle, asked = _answers(httpx.Response(200, json=_HEALTH), httpx.Response(200, json=_HEALTH))
    _api(handle, "abc.def").get("health")
    _api(handle).get("health")
    assert [request.headers.get("Authorization") for request in asked] == ["Bearer abc.def", None]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel"])
def test_a_token_that_cannot_be_one(token: str) -> None:
    """Refused before anything is sent, and not repeated."""
    with pytest.raises(SettingsError) as caught:
        Api(URL, token)
    assert token not in str(caught.value)


def test_a_question_is_repeated_while_nobody_answers(pauses: list[float]) -> None:
    """Three times in all, with longer and longer pauses."""
    problem = httpx.Response(503, json={"detail": "redis did not answer"})
    handle, asked = _answers(httpx.ConnectError("refused"), problem, httpx.Response(200, json=_HEALTH))
    assert _api(handle).get("health") == _HEALTH
    assert (len(asked), pauses) == (3, [0.5, 1.0])
    handle, asked = _answers(*[httpx.ReadTimeout("late")] * 3)
    with pytest.raises(StoreUnavailable) as caught:
        _api(handle).get("health")
    assert (caught.value.layer, len(asked)) == ("api", 3)


@pytest.mark.parametrize("answer", [httpx.Response(503, json={"detail": "no"}), httpx.ConnectError("refused")])
def test_a_change_is_sent_once(answer: httpx.Response | Exception, pauses: list[float]) -> None:
    """Whether it happened is not known, so the person decides."""
    handle, asked = _answers(answer)
    with pytest.raises((ApiRefused, StoreUnavailable)):
        _api(handle).change("DELETE", "threads", "t")
    assert (len(asked), pauses) == (1, [])


@pytest.mark.parametrize(
    ("answer", "is_outage", "sentence"),
    [
        (
            httpx.Response(404, json={"detail": "There is no such thread.", "request_id": "r1"}),
            False,
            "The API says 404: There is no such thread. (request r1)",
        ),
        (
            httpx.Response(401, json={"detail": "No token."}),
            False,
            "The API says 401: No token. Give a token with --token or HYBRID_MEMORY_TOKEN.",
        ),
        (
            httpx.Response(403, json={"message": "Missing Authentication Token"}),
            False,
            (
                "The API says 403: Missing Authentication Token. API Gateway says so without an API key (--api-key),"
                " and of a stage or route that is not there."
            ),
        ),
        (httpx.Response(429, json={"message": "Too Many Requests"}), True, "The API says 429: Too Many Requests"),
        (
            httpx.Response(200, text="<html>", headers={"Content-Type": "text/html"}),
            False,
            (
                "What answers at https://api.example/prod is not this project's API (200, text/html)."
                " Check the URL, its stage included."
            ),
        ),
        (
            httpx.Response(502, text="Bad gateway", headers={"Content-Type": "text/plain"}),
            True,
            "What answers at https://api.example/prod is not this project's API (502, text/plain).",
        ),
    ],
)
def test_a_refusal(answer: httpx.Response, is_outage: bool, sentence: str) -> None:  # noqa: FBT001 - a case
    """Told in the API's own words, with what to do; only what may pass is an outage."""
    handle, _ = _answers(answer)
    with pytest.raises(ApiRefused) as caught:
        _api(handle).change("PATCH", "threads", "t", body={})
    assert (caught.value.is_outage, str(caught.value)) == (is_outage, sentence)


_OTHERS = [
    httpx.Response(200, json={}),
    httpx.Response(200, json=[]),
    httpx.Response(200, json={"items": [], "total": 0}),
    httpx.Response(201, text="<html>"),
    httpx.Response(204),
    httpx.Response(302, headers={"Location": "https://sso.example"}),
    httpx.Response(404, json={"detail": "Not Found"}),
    httpx.Response(404, json={"title": "Not Found", "detail": "Not Found", "request_id": "r"}),
    httpx.Response(404, json={"message": "Not Found"}),
    httpx.Response(405, json={"detail": "Method Not Allowed", "request_id": "r"}),
]


@pytest.mark.parametrize("answer", _OTHERS)
def test_what_is_not_this_api(answer: httpx.Response) -> None:
    """It is said to be none, also where its answer looks like a success."""
    for path in (("threads",), ("threads", "t"), ("threads", "t", "messages"), ("health",), ("openapi.json",)):
        with pytest.raises(ApiRefused, match=r"^What answers at .* is not this project's API .* its stage included\.$"):
            _api(_answers(answer)[0]).get(*path)
    if answer.status_code != 204:
        with pytest.raises(ApiRefused, match="is not this project's API"):
            _api(_answers(answer)[0]).change("DELETE", "threads", "t")


@pytest.mark.parametrize("url", [f"{URL}/threads", f"{URL}/users/", f"{URL}?stage=prod", f"{URL}#prod"])
def test_a_url_that_is_more_than_the_apis(url: str) -> None:
    """Below a route, the rest of a path would be taken for an id."""
    with pytest.raises(SettingsError, match="cannot work"):
        Api(url)


def test_pages() -> None:
    """Page after page until there is no more, or enough."""

    def handle(request: httpx.Request) -> httpx.Response:
        start, size = int(request.url.params.get("cursor", 0)), int(request.url.params["limit"])
        items = list(range(start, min(start + size, 450)))
        return httpx.Response(200, json={"items": items, "next_cursor": str(start + size) if items[-1] < 449 else None})

    def read(limit: int | None) -> list[list[int]]:
        return [page["items"] for page in _api(handle).pages("threads", limit=limit, user_id="u")]

    assert [len(items) for items in read(None)] == [200, 200, 50]
    assert [len(items) for items in read(201)] == [200, 1]
    assert [len(items) for items in read(3)] == [3]
    assert read(0) == []
