"""An exchange's metadata: a JSON object that is stored in both layers byte for byte.

The memory holds it as JSON text in the format of `encode_metadata`. Parsing and serialising again produces equal bytes,
so Redis and PostgreSQL get the same bytes on any path.
"""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from shared.texts import text_error

MAX_METADATA_BYTES: Final = 100_000
MAX_METADATA_DEPTH: Final = 64
# JSON integers must fit this range: PostgreSQL and Python support more, but most other readers do not.
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1


def encode_metadata(value: dict[str, Any] | None) -> str | None:
    """Return an object as JSON text, None for None. The object must have passed `metadata_error`."""
    return None if value is None else orjson.dumps(value).decode()


def decode_metadata(text: str) -> dict[str, Any]:
    """Return the parsed object."""
    metadata: dict[str, Any] = orjson.loads(text)
    return metadata


def metadata_size(value: dict[str, Any]) -> int:
    """Return the object's size as JSON, in bytes."""
    return len(orjson.dumps(value))


def metadata_error(value: object) -> str | None:
    """Return why the object is not valid metadata, except for its size, or None."""
    if not isinstance(value, dict):
        return "must be an object"
    level: list[object] = [value]
    for _ in range(MAX_METADATA_DEPTH):
        children: list[object] = []
        for each in level:
            if isinstance(each, dict):
                children += each
                children += each.values()
            elif isinstance(each, list):
                children += each
            elif error := _value_error(each):
                return error
        if not children:
            return None
        level = children
    return f"must be nested at most {MAX_METADATA_DEPTH} deep"


def _value_error(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return text_error(value)
        case int():
            return None if _MIN_INTEGER <= value <= _MAX_INTEGER else "must contain only integers of at most 64 bits"
        case float():
            return None if math.isfinite(value) else "must contain only numbers that fit a double"
    return "must contain only JSON values"
