"""What can go wrong with a call: one small tree, so that `except MemoryClientError` is all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


class MemoryClientError(Exception):
    """Anything that this package raises on purpose."""


class ConnectionFailed(MemoryClientError):
    """No answer came: no connection, a broken one, or a timeout. The transport's own exception is the `__cause__`."""


class UnexpectedAnswer(MemoryClientError):
    """An answer came that is not one of this API's: a wrong URL, a proxy's page, another version."""


class NotThisApi(UnexpectedAnswer):
    """Something else than this API answers at the URL: the host, the stage or the path of `base_url` is wrong.

    Attributes:
        status: The HTTP status of the answer.
        detail: The `message` or `detail` of the answer; '' when it has neither.
        content_type: The media type of the answer; '' when it has none.
    """

    def __init__(self, message: str, status: int, *, detail: str = "", content_type: str = "") -> None:
        self.status = status
        self.detail = detail
        self.content_type = content_type
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class FieldError:
    """A faulty field of a request.

    Attributes:
        field: Its name, with dots into nested ones.
        place: `body`, `query`, `path` or `header`.
        detail: What is wrong with it.
    """

    field: str
    place: str
    detail: str


class ApiError(MemoryClientError):
    """The API answered with a problem (RFC 9457).

    Attributes:
        status: The HTTP status.
        title: The status in words.
        detail: What happened, in a sentence.
        type: The problem's URI, `about:blank` when the status says it all.
        request_id: Under which the service's log knows the request; '' when the answer has none.
        errors: The faulty fields.
        retry_after: Seconds after which the service wants to be asked again; None when it does not say.
        body: The whole answer.
        content_type: The media type of the answer; '' when it has none.
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
        shown = f"{status} {self.title}".strip() + (f": {self.detail}" if self.detail else "")
        Exception.__init__(self, f"{shown} (request {self.request_id})" if self.request_id else shown)


class InvalidRequest(ApiError):
    """The request cannot be right, however often it is sent (400, 413, 422, …); `errors` names the fields."""


class NotAuthenticated(ApiError):
    """No token, or one that is not accepted (401)."""


class NotAllowed(ApiError):
    """The token does not allow it (403)."""


class RefusedByGateway(NotAllowed, NotThisApi):
    """A gateway before the API refused (403): it wants an API key, or it has no such stage."""

    def __init__(
        self, status: int, body: Mapping[str, Any], retry_after: float | None = None, content_type: str = ""
    ) -> None:
        ApiError.__init__(self, status, body, retry_after, content_type)


class NotFound(ApiError):
    """There is no such thread, or not for this user (404)."""


class Conflict(ApiError):
    """The first request with this key is still running (409)."""


class TooManyRequests(ApiError):
    """More requests than the service takes (429); see `retry_after`."""


class Unavailable(ApiError):
    """The service or a layer it cannot do without did not answer (502, 503, 504); see `retry_after`."""


class ServerFault(ApiError):
    """Something went wrong in the service (other 5xx)."""


class HistoryDegraded(MemoryClientError):
    """A layer did not answer, so that a history may lack messages; raised rather than showing it as if it were whole.

    Attributes:
        degraded: The layers that were asked and did not answer.
    """

    def __init__(self, degraded: Sequence[str]) -> None:
        self.degraded = tuple(degraded)
        super().__init__(f"the history may lack messages, because these layers did not answer: {', '.join(degraded)}")


class NotKept(MemoryClientError):
    """No store took the exchange (`durability` is `none`): it would be lost silently if this were not raised.

    Attributes:
        items_kept: How many of the items that a framework added in one call are stored all the same, the first of them:
            those were too many for one exchange. To repeat the call, leave them out, or they are there twice.
    """

    def __init__(self, message: str, *, items_kept: int = 0) -> None:
        self.items_kept = items_kept
        super().__init__(message)


class CannotBeKept(MemoryClientError):
    """The memory has no place for what was given: NUL, lone surrogates, what JSON does not have. Nothing was sent."""


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
_FIRST_SERVER_FAULT: Final = 500


def api_error(status: int, body: Mapping[str, Any], retry_after: float | None, content_type: str) -> ApiError:
    """Return the error that a status is."""
    kind = _BY_STATUS.get(status, ServerFault if status >= _FIRST_SERVER_FAULT else InvalidRequest)
    return kind(status, body, retry_after, content_type)


def detail_of(body: Mapping[str, Any]) -> str:
    """Return the sentence in an answer: the API's `detail`, or the `message` of API Gateway."""
    return str(body.get("detail") or body.get("message") or "")


def _field_errors(found: object) -> list[FieldError]:
    if not isinstance(found, list):
        return []
    return [
        FieldError(str(each.get("field", "")), str(each.get("in", "")), str(each.get("detail", "")))
        for each in found
        if isinstance(each, dict)
    ]
