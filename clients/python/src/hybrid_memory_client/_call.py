"""One request as data, and how to parse its response. This module does no I/O, so both clients use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import httpx

from hybrid_memory_client._responses import error_of, not_this_api
from hybrid_memory_client._validation import MAX_DEPTH, json_error, text_error
from hybrid_memory_client.errors import CannotBeKept, MemoryClientError, NotFound, TooManyRequests

_Result = TypeVar("_Result")
_MAX_PATH_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Call(Generic[_Result]):
    """One request, which may be sent several times.

    Attributes:
        parse: Parses a successful response.
        waits_for_first: Whether a 409 means that this same call is still running.
        is_deletion: Whether the call deletes a resource. If an earlier attempt may have arrived, a 404 then means that
            this attempt deleted the resource.
        is_read: Whether the call changes nothing although its method is not GET.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], _Result]
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    waits_for_first: bool = False
    is_deletion: bool = False
    is_read: bool = False

    def encode_body(self) -> bytes | None:
        """Validate the values and return the body as JSON.

        Raises:
            CannotBeKept: A value cannot be stored as JSON or in PostgreSQL; the message names its field.
        """
        for name, value in {**self.query, **self.headers}.items():
            if isinstance(value, str) and (reason := text_error(value)):
                raise CannotBeKept(f"{name}: {reason}")
        if self.body is None:
            return None
        # The limit is for a value of a field. The body is one level above its fields.
        if reason := json_error(self.body, MAX_DEPTH + 1):
            raise CannotBeKept(reason)
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def parse_response(self, response: httpx.Response) -> _Result:
        """Parse the response.

        Raises:
            ApiError: The API refused the request, or failed.
            NotThisApi: The response is not from this API.
        """
        if not response.is_success:
            raise error_of(response, self.label)
        try:
            return self.parse(response)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise not_this_api(response, self.label) from error

    @property
    def retry_method(self) -> str:
        """The HTTP method by which a retry policy decides. A read counts as GET."""
        return "GET" if self.is_read else self.method

    @property
    def label(self) -> str:
        """The method and path, for error messages."""
        return f"{self.method} {self.path[:_MAX_PATH_LENGTH]}"

    def was_done_before(self, error: MemoryClientError, *, may_have_succeeded: bool) -> bool:
        """Return whether the error means that an earlier attempt, whose response was lost, has succeeded."""
        return self.is_deletion and may_have_succeeded and isinstance(error, NotFound)


# These errors occur before the request is sent.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def is_invalid_header(error: httpx.LocalProtocolError) -> bool:
    """Return whether an invalid header prevented sending the request."""
    return str(error).startswith("Illegal header")


def may_have_taken_effect(error: MemoryClientError) -> bool:
    """Return whether a failed attempt may still have had an effect.

    An attempt has no effect if it opens no connection, or if the service returns 429.
    """
    return not isinstance(error, TooManyRequests) and not isinstance(error.__cause__, _NOT_SENT)
