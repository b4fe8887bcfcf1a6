"""Turns an error response into an exception: a problem of the API, a gateway's error, or another server's page."""

from __future__ import annotations

from typing import Any, Final

import httpx

from hybrid_memory_client.errors import ApiError, NotThisApi, RefusedByGateway, api_error, detail_of
from hybrid_memory_client.retries import retry_after

_FIRST_SERVER_ERROR: Final = 500
# A gateway or proxy in front of the API may send these statuses itself, with any body.
_LIMIT_STATUSES: Final = frozenset({413, 429})
_FORBIDDEN: Final = 403
_AUTH_STATUSES: Final = frozenset({401, _FORBIDDEN})
# API Gateway's message for a route or stage that does not exist.
_NO_ROUTE_MESSAGE: Final = "Missing Authentication Token"
# The service's detail for a route that does not exist. For a missing thread, the service sends another detail.
_NO_ROUTE_DETAILS: Final = {404: "Not Found", 405: "Method Not Allowed"}


def error_of(response: httpx.Response, label: str) -> ApiError | NotThisApi:
    """Return the exception for an error response.

    Args:
        response: A response that is not a success.
        label: The call's method and path.
    """
    body = _json_object(response)
    if not _is_from_service(response, body) and not _may_be_from_gateway(response, body):
        return not_this_api(response, label)
    fields = {"title": response.reason_phrase} if body is None else body
    media_type = response.headers.get("Content-Type", "")
    if response.status_code == _FORBIDDEN and not _is_from_service(response, body):
        return RefusedByGateway(_FORBIDDEN, fields, content_type=media_type)
    return api_error(response.status_code, fields, retry_after(response.headers.get("Retry-After")), media_type)


def not_this_api(response: httpx.Response, label: str) -> NotThisApi:
    """Return the exception for a response that this API never sends."""
    media_type = response.headers.get("Content-Type", "no content type")
    location = response.headers.get("Location")
    received = f"{response.status_code} and {media_type}" + (f", redirected to {location}" if location else "")
    return NotThisApi(
        f"this is not the memory's API: the response to {label} is {received}. Check the base URL with its stage",
        response.status_code,
        detail=detail_of(_json_object(response) or {}),
        content_type=response.headers.get("Content-Type", ""),
    )


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _is_from_service(response: httpx.Response, body: dict[str, Any] | None) -> bool:
    """Return whether the body is a problem in the service's format, for a route that exists."""
    if body is None or body.get("status") != response.status_code or "request_id" not in body:
        return False
    return body.get("detail") != _NO_ROUTE_DETAILS.get(response.status_code, ())


def _may_be_from_gateway(response: httpx.Response, body: dict[str, Any] | None) -> bool:
    """Return whether a gateway or proxy in front of the API may have sent the response."""
    status = response.status_code
    if status >= _FIRST_SERVER_ERROR or status in _LIMIT_STATUSES:
        return True
    message = (body or {}).get("message") or (body or {}).get("Message")
    return status in _AUTH_STATUSES and isinstance(message, str) and _NO_ROUTE_MESSAGE not in message
