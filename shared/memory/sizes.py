"""Size limits of responses, and the sizes of texts in them.

Lambda refuses a response of more than 6,291,556 bytes. The runtime writes the response as an event that contains the
body's JSON as a string, so quotes are escaped twice. Some runtimes write a non-ASCII character as six or twelve bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import orjson

_MAX_EVENT_BYTES: Final = 6_291_556
# Reserved for the status, the headers, and the fields that are not lists.
_RESERVED_BYTES: Final = 50_000
MAX_BYTES: Final = _MAX_EVENT_BYTES - _RESERVED_BYTES
# In the event, a character takes at most this many bytes: as many as a character beyond the basic plane.
_MAX_BYTES_PER_CHARACTER: Final = 12
_Item = TypeVar("_Item")


def size_in_event(content: object) -> int:
    """Return the bytes of a JSON value in the event, which contains its JSON as a string."""
    return len(json.dumps(orjson.dumps(content).decode()))


def fits(content: object) -> bool:
    """Return whether a response is small enough, for HTTP and for a direct invocation."""
    return fits_as_json(orjson.dumps(content))


def fits_as_json(body: bytes) -> bool:
    """Return whether a response with this JSON is small enough."""
    if len(body) * _MAX_BYTES_PER_CHARACTER <= MAX_BYTES:
        return True
    return len(json.dumps(body.decode())) <= MAX_BYTES


def fit_to_event(items: Iterable[_Item], to_json: Callable[[_Item], object], max_bytes: int = MAX_BYTES) -> int:
    """Return how many of the first items have at most `max_bytes` in total."""
    total = count = 0
    for item in items:
        total += size_in_event(to_json(item))
        if total > max_bytes:
            break
        count += 1
    return count
