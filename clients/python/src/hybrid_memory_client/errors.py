"""The client's exceptions. All are subclasses of `MemoryClientError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


class MemoryClientError(Exception):
    """The base class of all exceptions that this package raises."""


class ConnectionFailed(MemoryClientError):
    """No response: no connection, a lost connection, or a timeout. The transport's exception is the `__cause__`."""


class UnexpectedAnswer(MemoryClientError):
    """The response is not from this API: a wrong URL, a proxy's page, or another version."""


class NotThisApi(UnexpectedAnswer):
    """Another server responds at the URL: the host, the stage or the path of `base_url` is wrong.

    Attributes:
        status: The HTTP status of the response.
        detail: The `message` or `detail` of the response; '' if it has neither.
        content_type: The media type of the response; '' if it has none.
    """

    def __init__(self, message: str, status: int, *, detail: str = "", content_type: str = "") -> None:
        self.status = status
        self.detail = detail
        self.content_type = content_type
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class FieldError:
    """An invalid field of a request.

    Attributes:
        field: The field's name. Dots separate the names of nested objects.
        place: `body`, `query`, `path` or `header`.
        detail: Why it is invalid.
    """

    field: str
    place: str
    detail: str


class ApiError(MemoryClientError):
    """The API answered with a problem (RFC 9457).

    Attributes:
        status: The HTTP status.
        title: The status in words.
        detail: The problem in one sentence.
        type: The problem's URI; `about:blank` if the status is sufficient.
        request_id: The request's id in the service's log; '' if the response has none.
        errors: The invalid fields.
        retry_after: The seconds after which the service allows a retry; None if it does not say.
        body: The complete response body.
        content_type: The media type of the response; '' if it has none.
    """

    def __init__(
        self, status: int, body: Mapping[str, Any], retry_after: float | None = None, content_type: str = ""
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.title = str(body.get("title") or "")
        self.detail = detail_of(body)
        self.type = str(body.get("type") or "about:blank")
        self.request_id = str(body.get("request_id") or "")
        self.errors = tuple(_field_errors(body.get("errors")))
        self.retry_after = retry_after
        self.body = dict(body)
        text = f"{status} {self.title}".strip() + (f": {self.detail}" if self.detail else "")
        Exception.__init__(self, f"{text} (request {self.request_id})" if self.request_id else text)


class InvalidRequest(ApiError):
    """The request is invalid and a retry cannot succeed (400, 413, 422, …); `errors` names the fields."""


class NotAuthenticated(ApiError):
    """The token is missing or not accepted (401)."""


class NotAllowed(ApiError):
    """The token does not permit the request (403)."""


class RefusedByGateway(NotAllowed, NotThisApi):
    """A gateway in front of the API refused (403): it requires an API key, or the stage does not exist."""

    def __init__(
        self, status: int, body: Mapping[str, Any], retry_after: float | None = None, content_type: str = ""
    ) -> None:
        ApiError.__init__(self, status, body, retry_after, content_type)


class NotFound(ApiError):
    """The thread does not exist, or belongs to another user (404)."""


class Conflict(ApiError):
    """The first request with this key is still running (409)."""


class TooManyRequests(ApiError):
    """The service received too many requests (429); see `retry_after`."""


class Unavailable(ApiError):
    """The service, or a layer that the request requires, did not respond (502, 503, 504); see `retry_after`."""


class ServerFault(ApiError):
    """The service failed (other 5xx)."""


class HistoryDegraded(MemoryClientError):
    """A layer did not respond, so the history may lack messages. An incomplete history is not returned.

    Attributes:
        degraded: The layers that did not respond.
    """

    def __init__(self, degraded: Sequence[str]) -> None:
        self.degraded = tuple(degraded)
        super().__init__(f"the history may lack messages, because these layers did not respond: {', '.join(degraded)}")


class NotKept(MemoryClientError):
    """No store accepted the exchange (`durability` is `none`). Without this error the loss would go unnoticed.

    Attributes:
        items_kept: How many of the call's first items are stored nevertheless; above 0 only if the items needed more
            than one exchange. Omit the stored items when you repeat the call; otherwise they are stored twice.
    """

    def __init__(self, message: str, *, items_kept: int = 0) -> None:
        self.items_kept = items_kept
        super().__init__(message)


class CannotBeKept(MemoryClientError):
    """A value cannot be stored: it contains NUL, lone surrogates or a value that JSON does not have.

    Nothing was sent.
    """


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
_FIRST_SERVER_ERROR: Final = 500


def api_error(status: int, body: Mapping[str, Any], retry_after: float | None, content_type: str) -> ApiError:
    """Return the exception for a status."""
    error_type = _BY_STATUS.get(status, ServerFault if status >= _FIRST_SERVER_ERROR else InvalidRequest)
    return error_type(status, body, retry_after, content_type)


def detail_of(body: Mapping[str, Any]) -> str:
    """Return the sentence in a response: the API's `detail`, or API Gateway's `message`."""
    return str(body.get("detail") or body.get("message") or "")


def _field_errors(field_errors: object) -> list[FieldError]:
    if not isinstance(field_errors, list):
        return []
    return [
        FieldError(str(each.get("field", "")), str(each.get("in", "")), str(each.get("detail", "")))
        for each in field_errors
        if isinstance(each, dict)
    ]
