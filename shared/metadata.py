"""What a caller keeps beside an exchange's texts: a JSON object, carried through both layers byte by byte.

In the memory it is JSON text in one form, the one that `encode_metadata` writes: read and written again it is the same,
so that the same bytes arrive in Redis and in PostgreSQL on whatever way.
"""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from shared.texts import text_error

MAX_METADATA_BYTES: Final = 100_000
MAX_METADATA_DEPTH: Final = 64
# What a JSON reader has to hold exactly: PostgreSQL and Python have more, most others have not.
_LEAST, _MOST = -(2**63), 2**64 - 1


def encode_metadata(value: dict[str, Any] | None) -> str | None:
    """Return an object as JSON text, None for None; `metadata_error` has found nothing wrong with it."""
    return None if value is None else orjson.dumps(value).decode()


def decode_metadata(text: str) -> dict[str, Any]:
    """Return the object again."""
    found: dict[str, Any] = orjson.loads(text)
    return found


def metadata_size(value: dict[str, Any]) -> int:
    """Return the bytes that it has as JSON."""
    return len(orjson.dumps(value))


def metadata_error(value: object) -> str | None:
    """Return what is wrong with it, its size apart, or None."""
    if not isinstance(value, dict):
        return "must be an object"
    level: list[object] = [value]
    for _ in range(MAX_METADATA_DEPTH):
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                below += each
                below += each.values()
            elif isinstance(each, list):
                below += each
            elif fault := _fault(each):
                return fault
        if not below:
            return None
        level = below
    return f"must be nested at most {MAX_METADATA_DEPTH} deep"


def _fault(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return text_error(value)
        case int():
            return None if _LEAST <= value <= _MOST else "must hold integers of at most 64 bits"
        case float():
            return None if math.isfinite(value) else "must hold numbers that a double can hold"
    return "must hold what JSON has"
