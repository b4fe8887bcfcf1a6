"""The id of the request that is being answered: in its answer, in its log lines, and on the messages it sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

# How API Gateway and Lambda name requests. No other character gets into a header, a log line or a message's attribute.
_ID: Final = re.compile(r"[A-Za-z0-9+/=_.:-]{1,128}")
# The attribute of a queue's message that has it.
REQUEST_ID: Final = "request_id"
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def valid_request_id(value: object) -> str | None:
    """Return the value if it can be a request's id, else None."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def current_request_id() -> str | None:
    """Return the id of the request that this code works for; None outside of one."""
    return _current.get()


@contextmanager
def request_id_scope(request_id: str | None) -> Iterator[None]:
    """Work for a request. Tasks and threads that a coroutine starts in the block work for it, too."""
    token = _current.set(valid_request_id(request_id))
    try:
        yield
    finally:
        _current.reset(token)
