"""What an answer that is no success is: the API's own problem, one of a gateway before it, or of something else."""

from __future__ import annotations

from typing import Any, Final

import httpx

from hybrid_memory_client.errors import ApiError, NotThisApi, RefusedByGateway, api_error, detail_of
from hybrid_memory_client.retries import retry_after

_FIRST_SERVER_FAULT: Final = 500
# A gateway or a proxy before the API may refuse with these by itself, the first two in any words.
_TOO_MUCH: Final = frozenset({413, 429})
_FORBIDDEN: Final = 403
_NOT_ALLOWED: Final = frozenset({401, _FORBIDDEN})
# API Gateway's words for a route or a stage that it does not have.
_NO_ROUTE: Final = "Missing Authentication Token"
# What the service says where it has no such route; of a thread it says more.
_NO_PATH: Final = {404: "Not Found", 405: "Method Not Allowed"}


def problem(response: httpx.Response, label: str) -> ApiError | NotThisApi:
    """Return the error that an answer is.

    Args:
        response: No success.
        label: Names the call.
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
    """Return the error of an answer that this API never gives."""
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
    """Return whether this is a problem in the service's form, and of a route that it has."""
    if body is None or body.get("status") != response.status_code or "request_id" not in body:
        return False
    return body.get("detail") != _NO_PATH.get(response.status_code, ())


def _is_a_gateways(response: httpx.Response, body: dict[str, Any] | None) -> bool:
    """Return whether a gateway or a proxy before the API may have said it."""
    status = response.status_code
    if status >= _FIRST_SERVER_FAULT or status in _TOO_MUCH:
        return True
    message = (body or {}).get("message") or (body or {}).get("Message")
    return status in _NOT_ALLOWED and isinstance(message, str) and _NO_ROUTE not in message
