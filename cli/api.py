"""The command line's client of the HTTP API, and messages for its errors."""

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
from shared import __version__
from shared.errors import SettingsError

PAGE_SIZE: Final = 200
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
# API Gateway returns an error after 29 seconds.
_TIMEOUT: Final = httpx.Timeout(35, connect=5)
# Only reads are retried. After a lost response to a change, the user decides whether to repeat the change.
_RETRY: Final = RetryPolicy(attempts=3, first_delay=0.5, methods=frozenset({"GET"}))
# An import may repeat its changes, because every exchange has its id.
IMPORT_RETRY: Final = RetryPolicy(attempts=8, first_delay=0.5, most_delay=10, most_seconds=120)
# The statuses with which any server responds to an unknown route.
_UNKNOWN_ROUTE_STATUSES: Final = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


def create_client(
    exit_stack: ExitStack,
    url: str,
    token: str | None = None,
    api_key: str | None = None,
    transport: httpx.BaseTransport | None = None,
    retry: RetryPolicy = _RETRY,
) -> MemoryClient:
    """Return a client of the API.

    Args:
        exit_stack: Closes the client when the command ends.
        url: The API's URL, including the stage.
        token: Bearer token; None to send none.
        api_key: API Gateway key; None to send none.
        transport: Replaces the network in tests.
        retry: The calls that are repeated; by default only reads.

    Raises:
        SettingsError: The URL, the token or the key is malformed.
    """
    for name, value in (("token", token), ("API key", api_key)):
        if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
            raise SettingsError(f"The {name} is invalid: it must be one word of ASCII characters, without Bearer.")
    # A proxy cannot reach this machine's own servers.
    http = httpx.Client(
        headers={"User-Agent": f"hybrid-memory/{__version__}"},
        timeout=_TIMEOUT,
        trust_env=_host(url) not in _LOOPBACK,
        transport=transport,
    )
    exit_stack.callback(http.close)
    headers = {"x-api-key": api_key} if api_key else {}
    try:
        return MemoryClient(url, auth=token or None, retry=retry, headers=headers, http_client=http)
    except ValueError:
        raise SettingsError(
            f"The API's URL {url} is invalid: it must end with the stage and have no route or query."
        ) from None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def is_outage(error: MemoryClientError) -> bool:
    """Return whether the API, or a store behind it, is down or overloaded, so that a retry may succeed."""
    if isinstance(error, ApiError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, (NotThisApi, CannotBeKept))


def format_error(error: MemoryClientError, url: str) -> str:
    """Return a message for an error of the API's client.

    Args:
        error: The error that the client raised.
        url: The API's URL.
    """
    if isinstance(error, (ApiError, NotThisApi)):
        return _error_response_text(error) if _has_error_detail(error) else _wrong_server_text(error, url)
    if isinstance(error, CannotBeKept):
        return f"{error}."
    host = urlsplit(url).netloc.rpartition("@")[2]
    return f"The API cannot be reached at {host} ({error_name(error)})."


def error_name(error: MemoryClientError) -> str:
    """Return the connection error's class name, such as `ConnectTimeout`."""
    return type(error.__cause__ or error).__name__


def _has_error_detail(error: ApiError | NotThisApi) -> bool:
    """Return whether the error has a text for the user from this API or from API Gateway."""
    if not error.detail or error.status < HTTPStatus.BAD_REQUEST:
        return False
    return isinstance(error, ApiError) or error.status not in _UNKNOWN_ROUTE_STATUSES


def _error_response_text(error: ApiError | NotThisApi) -> str:
    sentence = f"The API answered {error.status}: {error.detail}"
    if isinstance(error, ApiError) and error.request_id:
        sentence += f" (request {error.request_id})"
    if error.status == HTTPStatus.UNAUTHORIZED:
        sentence += " Set a token with --token or HYBRID_MEMORY_TOKEN."
    if error.status == HTTPStatus.FORBIDDEN and isinstance(error, (NotThisApi, RefusedByGateway)):
        sentence += (
            ". API Gateway returns this if the API key is missing (--api-key), or for an unknown stage or route."
        )
    return sentence


def _wrong_server_text(error: ApiError | NotThisApi, url: str) -> str:
    content_type = error.content_type or "no content type"
    sentence = f"The server at {url.rstrip('/')} is not this project's API ({error.status}, {content_type})."
    return sentence if is_outage(error) else f"{sentence} Check the URL, including the stage."
