"""The current request's id, for its response, its log lines and its queue messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

# The format of API Gateway's and Lambda's ids. Other characters never reach a header, a log line or a message
# attribute.
_FORMAT: Final = re.compile(r"[A-Za-z0-9+/=_.:-]{1,128}")
# The message attribute with the id.
REQUEST_ID: Final = "request_id"
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def valid_request_id(value: object) -> str | None:
    """Return the value if it is a valid request id, otherwise None."""
    return value if isinstance(value, str) and _FORMAT.fullmatch(value) else None


def current_request_id() -> str | None:
    """Return the current request's id; None outside of a request."""
    return _current.get()


@contextmanager
def request_id_scope(request_id: str | None) -> Iterator[None]:
    """Set the current request's id. It also applies to tasks and threads that a coroutine starts in the block."""
    token = _current.set(valid_request_id(request_id))
    try:
        yield
    finally:
        _current.reset(token)
