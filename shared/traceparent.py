"""The current trace in W3C Trace Context format (`traceparent`), for log lines and messages."""

from __future__ import annotations

import re
from contextvars import ContextVar
from typing import Final

# The message attribute with the value.
TRACEPARENT: Final = "traceparent"
_FORMAT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
traceparent: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)
"""The innermost span of a request or a message; None where traces are off."""


def valid_traceparent(value: object) -> str | None:
    """Return the value if it is a valid `traceparent`, otherwise None."""
    return value if isinstance(value, str) and _FORMAT.fullmatch(value) else None
