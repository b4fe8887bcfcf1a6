"""The command line's access to the deployment's HTTP API, and the sentences for its errors."""

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
# API Gateway responds within 29 seconds, with an error of its own if necessary.
_TIMEOUT: Final = httpx.Timeout(35, connect=5)
# Only reads are retried. After a lost response to a change, the user decides whether to repeat it.
_RETRY: Final = RetryPolicy(attempts=3, first_delay=0.5, methods=frozenset({"GET"}))
# The statuses with which any server responds to an unknown route.
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
        url: The API's URL, including the stage.
        token: For the `Authorization` header; None if the deployment requires none.
        api_key: For the `x-api-key` header; None if the deployment requires none.
        transport: For tests.

    Raises:
        SettingsError: The URL, the token or the key is malformed.
    """
    for name, value in (("token", token), ("API key", api_key)):
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise SettingsError(f"The {name} has to be one word of ASCII characters, without the word Bearer.")
    # A proxy cannot reach this machine's own servers.
    http = httpx.Client(timeout=_TIMEOUT, trust_env=_host(url) not in _LOOPBACK, transport=transport)
    opened.callback(http.close)
    headers = {"x-api-key": api_key} if api_key else {}
    try:
        return MemoryClient(url, auth=token or None, retry=_RETRY, headers=headers, http_client=http)
    except ValueError:
        raise SettingsError(
            f"The API's URL {url} is invalid: it must end with the stage, without a route or query."
        ) from None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_outage(error: MemoryClientError) -> bool:
    """Return whether a retry may succeed later: the API, or a layer behind it, is down or overloaded."""
    if isinstance(error, ApiError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, (NotThisApi, CannotBeKept))


def format_error(error: MemoryClientError, url: str) -> str:
    """Return one sentence about an error response, or about a failed request to the API.

    Args:
        error: The error that the client raised.
        url: The API's URL.
    """
    if isinstance(error, (ApiError, NotThisApi)):
        return _refused(error) if _has_reason(error) else _not_this_api(error, url)
    if isinstance(error, CannotBeKept):
        return f"{error}."
    host = urlsplit(url).netloc.rpartition("@")[2]
    return f"The API cannot be reached at {host} ({failure_of(error)})."


def failure_of(error: MemoryClientError) -> str:
    """Return the connection error's class name, such as `ConnectTimeout`."""
    return type(error.__cause__ or error).__name__


def _has_reason(error: ApiError | NotThisApi) -> bool:
    """Return whether the response is an error with a sentence for the user."""
    if not error.detail or error.status < HTTPStatus.BAD_REQUEST:
        return False
    return isinstance(error, ApiError) or error.status not in _NO_ROUTE


def _refused(error: ApiError | NotThisApi) -> str:
    sentence = f"The API answered {error.status}: {error.detail}"
    if isinstance(error, ApiError) and error.request_id:
        sentence += f" (request {error.request_id})"
    if error.status == HTTPStatus.UNAUTHORIZED:
        sentence += " Give a token with --token or HYBRID_MEMORY_TOKEN."
    if error.status == HTTPStatus.FORBIDDEN and isinstance(error, (NotThisApi, RefusedByGateway)):
        sentence += ". API Gateway says so without an API key (--api-key), and of a stage or route that is not there."
    return sentence


def _not_this_api(error: ApiError | NotThisApi, url: str) -> str:
    kind = error.content_type or "of no type"
    statement = f"The server at {url.rstrip('/')} is not this project's API ({error.status}, {kind})."
    return statement if is_outage(error) else f"{statement} Check the URL, its stage included."
