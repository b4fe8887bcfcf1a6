"""One request as data: what is sent, and how its answer is read. No I/O, so both clients share it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import httpx

from hybrid_memory_client._answers import not_this_api, problem
from hybrid_memory_client._faults import MOST_DEPTH, json_fault, text_fault
from hybrid_memory_client.errors import CannotBeKept, MemoryClientError, NotFound, TooManyRequests

_Answer = TypeVar("_Answer")
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Call(Generic[_Answer]):
    """One request, which may be sent several times.

    Attributes:
        read: Turns a success into the answer.
        waits_for_first: Whether a 409 says that this same call is still running.
        is_deletion: Whether a 404 says that an earlier try did it, if one can have got there.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], _Answer]
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    waits_for_first: bool = False
    is_deletion: bool = False

    def content(self) -> bytes | None:
        """Return the body as JSON, once it is certain that the service can take what is given.

        Raises:
            CannotBeKept: It holds what neither JSON nor PostgreSQL can hold, in the field that the message names.
        """
        for name, value in {**self.query, **self.headers}.items():
            if isinstance(value, str) and (fault := text_fault(value)):
                raise CannotBeKept(f"{name}: {fault}")
        if self.body is None:
            return None
        # The body's own object is a level more than what lies in its fields.
        if fault := json_fault(self.body, MOST_DEPTH + 1):
            raise CannotBeKept(fault)
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def answer(self, response: httpx.Response) -> _Answer:
        """Return the answer.

        Raises:
            ApiError: The API refused, or failed.
            NotThisApi: This is no answer of the API's.
        """
        if not response.is_success:
            raise problem(response, self.label)
        try:
            return self.read(response)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise not_this_api(response, self.label) from error

    @property
    def label(self) -> str:
        """What an error says of the call."""
        return f"{self.method} {self.path[:_SHOWN]}"

    def is_done_by(self, error: MemoryClientError, *, may_be_done: bool) -> bool:
        """Return whether the error says that an earlier try, whose answer was lost, has done the work."""
        return self.is_deletion and may_be_done and isinstance(error, NotFound)


# Before a byte of the request was sent.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def may_have_worked(error: MemoryClientError) -> bool:
    """Return whether a try that failed so can have had its effect: not without a connection, nor when turned away."""
    return not isinstance(error, TooManyRequests) and not isinstance(error.__cause__, _NOT_SENT)
