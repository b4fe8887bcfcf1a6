"""What an answer may weigh, and what a text weighs in it.

Lambda refuses an answer of more than 6,291,556 bytes. The answer is the event that the runtime writes: it has the
body's JSON as a string, so that quotes are escaped twice, and some runtimes write what is not ASCII as six bytes or
twelve.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import orjson

_MAX_EVENT_BYTES: Final = 6_291_556
# Status, headers and, where an answer has several lists, what is beside them.
_BESIDE: Final = 50_000
MAX_BYTES: Final = _MAX_EVENT_BYTES - _BESIDE
# A character beyond the basic plane in the event, or a control character.
_MAX_BYTES_OF_A_CHARACTER: Final = 12
_Item = TypeVar("_Item")


def size_in_event(content: object) -> int:
    """Return how many bytes what JSON can hold takes in the event, where its JSON is a string."""
    return len(json.dumps(orjson.dumps(content).decode()))


def fits(content: object) -> bool:
    """Return whether an answer is small enough, also as the object that a direct invocation returns."""
    return fits_as_json(orjson.dumps(content))


def fits_as_json(body: bytes) -> bool:
    """Return whether an answer is small enough whose JSON this is."""
    if len(body) * _MAX_BYTES_OF_A_CHARACTER <= MAX_BYTES:
        return True
    return len(json.dumps(body.decode())) <= MAX_BYTES


def fit_to_event(items: Iterable[_Item], to_json: Callable[[_Item], object], most_bytes: int = MAX_BYTES) -> int:
    """Return how many items from the front are small enough together."""
    total = count = 0
    for item in items:
        total += size_in_event(to_json(item))
        if total > most_bytes:
            break
        count += 1
    return count
