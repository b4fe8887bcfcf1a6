"""The deployment's HTTP API, by the project's own Python client, and what its errors mean to a command."""

from __future__ import annotations

from contextlib import ExitStack
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import httpx

from hybrid_memory_client import (
    ApiError,
    CannotBeKept,
    MemoryClient,
    MemoryClientError,
    NotThisApi,
    RefusedByGateway,
    RetryPolicy,
)
from shared.errors import SettingsError

PAGE_SIZE: Final = 200
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
# API Gateway gives an answer, its own if need be, after 29 seconds.
_TIMEOUT: Final = httpx.Timeout(35, connect=5)
# A change whose answer was lost is not repeated: the person who asked for it decides.
_RETRY: Final = RetryPolicy(attempts=3, first_delay=0.5, methods=frozenset({"GET"}))
# Any server may answer so where it has no such route.
_NO_ROUTE: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


def open_api(
    opened: ExitStack,
    url: str,
    token: str | None = None,
    api_key: str | None = None,
    transport: httpx.BaseTransport | None = None,
) -> MemoryClient:
    """Return a client of the API.

    Args:
        opened: Closes the client's connections.
        url: Where the API is, the stage included.
        token: For the `Authorization` header; None where the deployment asks for none.
        api_key: For the `x-api-key` header; likewise.
        transport: For tests.

    Raises:
        SettingsError: The URL, the token or the key cannot be one.
    """
    for name, value in (("token", token), ("API key", api_key)):
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise SettingsError(f"The {name} has to be one word of ASCII characters, without the word Bearer.")
    # No proxy knows the way to this machine's own servers.
    http = httpx.Client(timeout=_TIMEOUT, trust_env=_host(url) not in _LOOPBACK, transport=transport)
    opened.callback(http.close)
    headers = {"x-api-key": api_key} if api_key else {}
    try:
        return MemoryClient(url, auth=token or None, retry=_RETRY, headers=headers, http_client=http)
    except ValueError:
        raise SettingsError(
            f"The API's URL {url} cannot work: it has to end with the stage, without a route or query."
        ) from None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_outage(error: MemoryClientError) -> bool:
    """Return whether the same request may succeed later: the API, or a layer behind it, is away or too busy."""
    if isinstance(error, ApiError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, (NotThisApi, CannotBeKept))


def format_error(error: MemoryClientError, url: str) -> str:
    """Return one sentence about what the API at a URL, or the server there, has answered.

    Args:
        error: What the client raised.
        url: Where the API is.
    """
    if isinstance(error, (ApiError, NotThisApi)):
        return _refused(error) if _has_reason(error) else _not_this_api(error, url)
    if isinstance(error, CannotBeKept):
        return f"{error}."
    host = urlsplit(url).netloc.rpartition("@")[2]
    return f"The API cannot be reached at {host} ({failure_of(error)})."


def failure_of(error: MemoryClientError) -> str:
    """Return what happened to the connection, in one word, such as `ConnectTimeout`."""
    return type(error.__cause__ or error).__name__


def _has_reason(error: ApiError | NotThisApi) -> bool:
    """Return whether the answer is a refusal with a sentence that the person who asked should read."""
    if not error.detail or error.status < HTTPStatus.BAD_REQUEST:
        return False
    return isinstance(error, ApiError) or error.status not in _NO_ROUTE


def _refused(error: ApiError | NotThisApi) -> str:
    sentence = f"The API says {error.status}: {error.detail}"
    if isinstance(error, ApiError) and error.request_id:
        sentence += f" (request {error.request_id})"
    if error.status == HTTPStatus.UNAUTHORIZED:
        sentence += " Give a token with --token or HYBRID_MEMORY_TOKEN."
    if error.status == HTTPStatus.FORBIDDEN and isinstance(error, (NotThisApi, RefusedByGateway)):
        sentence += ". API Gateway says so without an API key (--api-key), and of a stage or route that is not there."
    return sentence


def _not_this_api(error: ApiError | NotThisApi, url: str) -> str:
    kind = error.content_type or "of no type"
    found = f"What answers at {url.rstrip('/')} is not this project's API ({error.status}, {kind})."
    return found if is_outage(error) else f"{found} Check the URL, its stage included."
