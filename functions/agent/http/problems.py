"""Converts errors into problems (RFC 9457), without details that a caller must not read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from functions.agent.outcomes import NOTHING_RUN, outcome_of
from functions.agent.request_errors import (
    AgentRunError,
    AgentTimeoutError,
    ForbiddenUser,
    LimitTooLarge,
    PromptTooLongError,
    SigningKeysUnavailable,
    Unauthenticated,
    UnknownAgentError,
    UnknownToolError,
)
from functions.agent.schemas import TOO_LONG
from shared.errors import (
    ExchangeNotFound,
    IdempotencyConflict,
    InvalidCursor,
    InvalidRecord,
    MemoryNotFound,
    StoreUnavailable,
    ThreadNotFound,
    TooManyMemories,
    TooManyPreferences,
)

_logger = logging.getLogger(__name__)
CONTENT_TYPE: Final = "application/problem+json"
REALM: Final = "hybrid-memory"
_LAYERS: Final = {"redis": "Redis", "postgres": "PostgreSQL", "queue": "The queue"}
_RETRY_SECONDS: Final = "1"
# A body may have more invalid fields than a response can list.
_MAX_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """The problem in a response.

    Attributes:
        errors: For each invalid field its `field`, its location (`in`) and the error (`detail`).
    """

    status: int
    detail: str
    errors: list[dict[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, request_id: str) -> dict[str, Any]:
        """Return the problem object."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            body["errors"] = self.errors
        return body


def field_problem(status: int, name: str, detail: str, location: str = "body") -> Problem:
    """Return the problem for one invalid field."""
    return Problem(status, f"{name}: {detail}", [{"field": name, "in": location, "detail": detail}])


def problem_of(  # noqa: C901, PLR0911, PLR0912 - one line a kind of error is the point
    error: Exception, operation: str = "", method: str = "POST"
) -> Problem:
    """Return the problem for an exception. Unexpected errors are logged and reported as 500.

    `operation` is the route's name, or the action of a direct invocation.
    """
    match error:
        case RequestValidationError() | ValidationError():
            return _invalid(error.errors())
        case HTTPException():
            return Problem(error.status_code, str(error.detail), headers=error.headers or {})
        case UnknownAgentError():
            return field_problem(HTTPStatus.UNPROCESSABLE_ENTITY, "agent_name", str(error))
        case UnknownToolError():
            return field_problem(HTTPStatus.UNPROCESSABLE_ENTITY, "tools", str(error))
        case PromptTooLongError():
            return field_problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.field, str(error))
        case LimitTooLarge():
            return field_problem(HTTPStatus.UNPROCESSABLE_ENTITY, "limit", str(error))
        case InvalidCursor():
            return field_problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor", "is not a cursor of this list", "query")
        case ThreadNotFound():
            return Problem(HTTPStatus.NOT_FOUND, "There is no such thread.")
        case ExchangeNotFound():
            return Problem(HTTPStatus.NOT_FOUND, "There is no such exchange in the thread.")
        case TooManyPreferences():
            return field_problem(HTTPStatus.UNPROCESSABLE_ENTITY, "preferences", str(error))
        case TooManyMemories():
            return field_problem(HTTPStatus.UNPROCESSABLE_ENTITY, "text", str(error))
        case MemoryNotFound():
            return Problem(HTTPStatus.NOT_FOUND, "The user has no such memory.")
        case InvalidRecord():
            # The error's detail is left out, because it may quote the values sent to PostgreSQL.
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"This can never be stored: {error.reason}.")
        case IdempotencyConflict():
            waits = error.status == HTTPStatus.CONFLICT
            return Problem(error.status, str(error), headers={"Retry-After": _RETRY_SECONDS} if waits else {})
        case StoreUnavailable():
            outcome = outcome_of(error, operation, method)
            detail = f"{_LAYERS.get(error.layer, error.layer)} {error.state}, so {outcome}."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": _RETRY_SECONDS})
        case Unauthenticated():
            return Problem(HTTPStatus.UNAUTHORIZED, str(error), headers={"WWW-Authenticate": _challenge(error)})
        case ForbiddenUser():
            return field_problem(HTTPStatus.FORBIDDEN, "user_id", str(error), error.location)
        case SigningKeysUnavailable():
            headers = {"Retry-After": str(error.retry_seconds)}
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers=headers)
        case AgentTimeoutError() | AgentRunError():
            outcome = error.outcome or NOTHING_RUN
            status = HTTPStatus.GATEWAY_TIMEOUT if isinstance(error, AgentTimeoutError) else HTTPStatus.BAD_GATEWAY
            return Problem(status, f"{error} {outcome[0].upper()}{outcome[1:]}.")
    _logger.error("unexpected error", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "An unexpected error occurred; the log has the details.")


def _challenge(error: Unauthenticated) -> str:
    """Return the `WWW-Authenticate` header, with the reason only if the request had a token (RFC 6750, section 3.1)."""
    if error.error is None:
        return f'Bearer realm="{REALM}"'
    return f'Bearer realm="{REALM}", error="{error.error}", error_description="{error}"'


def _invalid(field_errors: Iterable[Mapping[str, Any]]) -> Problem:
    errors, status = [], HTTPStatus.UNPROCESSABLE_ENTITY
    for field_error in field_errors:
        location, name = _field_location(field_error["loc"])
        if field_error["type"] == "json_invalid" or (field_error["type"] == "missing" and not name):
            return Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON.")
        if field_error["type"] == TOO_LONG:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        is_key_invalid = field_error["loc"][-1:] == ("[key]",)
        detail = f"the name: {field_error['msg']}" if is_key_invalid else str(field_error["msg"])
        errors.append({"field": name or location, "in": location, "detail": detail})
    detail = "; ".join(f"{error['field']}: {error['detail']}" for error in errors[:3])
    return Problem(status, detail, errors[:_MAX_ERRORS])


def _field_location(location: tuple[int | str, ...]) -> tuple[str, str]:
    """Return the location and the name of an invalid field, e.g. `body` and `tools.0`."""
    # pydantic adds `[key]` if the name itself is invalid instead of its value.
    parts = [str(part) for part in location if part != "[key]"]
    location_name = parts.pop(0) if parts and parts[0] in {"body", "query", "path", "header"} else "body"
    # A name in the body may be long or have invalid characters, so only its beginning is returned.
    return location_name, ".".join(parts).encode("utf-8", "replace").decode()[:100]
