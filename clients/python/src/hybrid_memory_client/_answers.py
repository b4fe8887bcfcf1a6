"""Turns an error response into an exception: a problem of the API, a gateway's error, or another server's page."""

from __future__ import annotations

from typing import Any, Final

import httpx

from hybrid_memory_client.errors import ApiError, NotThisApi, RefusedByGateway, api_error, detail_of
from hybrid_memory_client.retries import retry_after

_FIRST_SERVER_FAULT: Final = 500
# A gateway or proxy in front of the API may refuse with these itself. The first two may have any body.
_TOO_MUCH: Final = frozenset({413, 429})
_FORBIDDEN: Final = 403
_NOT_ALLOWED: Final = frozenset({401, _FORBIDDEN})
# API Gateway's message for a route or stage that does not exist.
_NO_ROUTE: Final = "Missing Authentication Token"
# The service's detail for a route that does not exist. For a missing thread the detail is longer.
_NO_PATH: Final = {404: "Not Found", 405: "Method Not Allowed"}


def problem(response: httpx.Response, label: str) -> ApiError | NotThisApi:
    """Return the exception for an error response.

    Args:
        response: A response that is not a success.
        label: The call's method and path.
    """
    body = _object(response)
    if not _is_ours(response, body) and not _is_a_gateways(response, body):
        return not_this_api(response, label)
    shown = {"title": response.reason_phrase} if body is None else body
    kind = response.headers.get("Content-Type", "")
    if response.status_code == _FORBIDDEN and not _is_ours(response, body):
        return RefusedByGateway(_FORBIDDEN, shown, content_type=kind)
    return api_error(response.status_code, shown, retry_after(response.headers.get("Retry-After")), kind)


def not_this_api(response: httpx.Response, label: str) -> NotThisApi:
    """Return the exception for a response that this API never sends."""
    kind = response.headers.get("Content-Type", "no content type")
    place = response.headers.get("Location")
    answer = f"{response.status_code} and {kind}" + (f", redirected to {place}" if place else "")
    return NotThisApi(
        f"this is not the memory's API: {label} was answered by {answer}. Check the base URL, its stage included",
        response.status_code,
        detail=detail_of(_object(response) or {}),
        content_type=response.headers.get("Content-Type", ""),
    )


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _is_ours(response: httpx.Response, body: dict[str, Any] | None) -> bool:
    """Return whether the body is a problem in the service's format, for a route that exists."""
    if body is None or body.get("status") != response.status_code or "request_id" not in body:
        return False
    return body.get("detail") != _NO_PATH.get(response.status_code, ())


def _is_a_gateways(response: httpx.Response, body: dict[str, Any] | None) -> bool:
    """Return whether a gateway or proxy in front of the API may have sent the response."""
    status = response.status_code
    if status >= _FIRST_SERVER_FAULT or status in _TOO_MUCH:
        return True
    message = (body or {}).get("message") or (body or {}).get("Message")
    return status in _NOT_ALLOWED and isinstance(message, str) and _NO_ROUTE not in message
