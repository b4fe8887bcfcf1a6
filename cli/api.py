"""The deployment's HTTP API as commands use it: ids as path segments, problems as errors, pages as iterators."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from cli.errors import ApiRefused
from shared.errors import SettingsError, StoreUnavailable

_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
# API Gateway gives an answer, its own if need be, after 29 seconds.
_TIMEOUT: Final = httpx.Timeout(35, connect=5)
_TRIES: Final = 3
_FIRST_PAUSE_SECONDS: Final = 0.5
_MOST_PAUSE_SECONDS: Final = 10.0
_PAGE: Final = 200
# What the API says of a path that it does not have; of a thread that is not there it says more.
_NO_ROUTE: Final = {404: "Not Found", 405: "Method Not Allowed"}
# Below one of these it would take the rest of a path for an id.
_LISTS: Final = frozenset({"threads", "users"})

# What an answer has that no other service's would have, by the last part of its path.
_FIELDS: Final = {
    "health": "queue",
    "status": "queue",
    "invoked": "durability",
    "invoking": "degraded",
    "layers": "undrained",
}


class Api:
    """A client of the API.

    Args:
        url: Where it is, the stage included.
        token: For the `Authorization` header; None where the deployment asks for none.
        api_key: For the `x-api-key` header; likewise.
        transport: For tests.

    Raises:
        SettingsError: The URL, the token or the key cannot be one.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        for name, value in (("token", token), ("API key", api_key)):
            if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
                raise SettingsError(f"The {name} has to be one word of ASCII characters, without the word Bearer.")
        self._url = url.rstrip("/")
        if {"?", "#"} & set(url) or self._url.rpartition("/")[2] in _LISTS:
            raise SettingsError(
                f"The API's URL {url} cannot work: it has to end with the stage, without a route or query."
            )
        self._http = httpx.Client(
            timeout=_TIMEOUT,
            headers={"Accept": "application/json"}
            | ({"Authorization": f"Bearer {token}"} if token else {})
            | ({"x-api-key": api_key} if api_key else {}),
            # No proxy knows the way to this machine's own servers.
            trust_env=urlsplit(url).hostname not in _LOOPBACK,
            transport=transport,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, *path: str, **query: str | int | None) -> Any:
        """Return the JSON at a path, e.g. `get("threads", thread_id)`; asked again a little later if nobody answers.

        Raises:
            StoreUnavailable: No answer; the layer is `api`.
            ApiRefused: A problem, or something that is no answer of this API.
        """
        params = {name: value for name, value in query.items() if value is not None}
        pause = _FIRST_PAUSE_SECONDS
        for last in (*[False] * (_TRIES - 1), True):
            try:
                return self._send("GET", path, params=params)
            except (StoreUnavailable, ApiRefused) as error:
                if last or (isinstance(error, ApiRefused) and not error.is_outage):
                    raise
            time.sleep(pause)
            pause = min(pause * 2, _MOST_PAUSE_SECONDS)
        raise AssertionError  # the last try returns or raises

    def change(self, method: str, *path: str, body: object = None) -> Any:
        """Send a change, once, and return the answer's JSON, None where it has none.

        Raises:
            StoreUnavailable: No answer, so that it may have happened or not; the layer is `api`.
            ApiRefused: A problem.
        """
        return self._send(method, path, **({} if body is None else {"json": body}))

    def pages(self, *path: str, limit: int | None = None, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """Yield the pages of a list, each as it was answered; `limit` is the most items of all of them.

        Raises:
            StoreUnavailable: No answer.
            ApiRefused: A problem.
        """
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self.get(*path, limit=size, cursor=cursor, **query)
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return
            left = None if left is None else left - len(page["items"])

    def _send(self, method: str, path: tuple[str, ...], **content: Any) -> Any:
        url = "/".join([self._url, *map(_segment, path)])
        try:
            answer = self._http.request(method, url, **content)
        except httpx.InvalidURL:
            raise SettingsError(f"The API's URL {self._url} cannot work.") from None
        except httpx.HTTPError as error:
            raise StoreUnavailable("api", type(error).__name__) from error
        if answer.status_code == HTTPStatus.NO_CONTENT and method == "DELETE":
            return None
        try:
            told = answer.json()
        except ValueError:
            told = None
        if answer.is_success and method != "DELETE" and isinstance(told, dict) and _is_of(path, told):
            return told
        raise ApiRefused(answer.status_code if not answer.is_success else 0, self._sentence(answer, told))

    def _sentence(self, answer: httpx.Response, told: object) -> str:
        fields = told if isinstance(told, dict) else {}
        # API Gateway's own answers have a message instead of a detail.
        detail = fields.get("detail") or fields.get("message")
        has_route = detail != _NO_ROUTE.get(answer.status_code) and not (
            answer.status_code in _NO_ROUTE and "request_id" not in fields
        )
        if answer.is_success or not detail or not has_route:
            kind = answer.headers.get("Content-Type", "of no type")
            found = f"What answers at {self._url} is not this project's API ({answer.status_code}, {kind})."
            is_outage = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            return found if is_outage else f"{found} Check the URL, its stage included."
        sentence = f"The API says {answer.status_code}: {detail}"
        if fields.get("request_id"):
            sentence += f" (request {fields['request_id']})"
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            sentence += " Give a token with --token or HYBRID_MEMORY_TOKEN."
        if answer.status_code == HTTPStatus.FORBIDDEN and "detail" not in fields:
            sentence += (
                ". API Gateway says so without an API key (--api-key), and of a stage or route that is not there."
            )
        return sentence


def _is_of(path: tuple[str, ...], told: dict[str, Any]) -> bool:
    """Return whether an object is what the API answers at a path."""
    match path:
        case ("threads",) | ("threads", _, "messages"):
            return isinstance(told.get("items"), list) and "next_cursor" in told
        case ("users", _, "preferences"):
            return all(isinstance(value, str) for value in told.values())
        case ("openapi.json",):
            return isinstance(told.get("info"), dict)
        case ("threads", _):
            return "thread_id" in told
    return _FIELDS.get(path[-1]) in told


def _segment(name: str) -> str:
    # Dots alone would be taken for a step up the path.
    return quote(name, safe="") if name.strip(".") else name.replace(".", "%2E")
