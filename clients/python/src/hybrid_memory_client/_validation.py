"""Validates values before a request is sent, with the same rules as the service."""

from __future__ import annotations

import math
from typing import Any, Final

MOST_DEPTH: Final = 64
# JSON integers must fit into 64 bits, because most readers have no larger integers.
_LEAST, _MOST = -(2**63), 2**64 - 1
_SHOWN: Final = 100


def text_error(value: str) -> str | None:
    """Return why a text cannot be stored in PostgreSQL or JSON, or None."""
    if "\x00" in value:
        return "must not hold NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not hold lone surrogates"
    return None


def json_error(value: object, most_depth: int = MOST_DEPTH) -> str | None:
    """Return why a value cannot be stored as JSON, and where in the value, or None.

    The check is iterative and visits each container once per level, so it also works for deep and circular values.
    """
    level: list[tuple[str, object]] = [("", value)]
    for _ in range(most_depth):
        below: dict[int, tuple[str, object]] = {}
        for path, each in level:
            if isinstance(each, dict):
                if reason := _key_error(each):
                    return _at(path, reason)
                below.update({id(child): (f"{path}.{key}", child) for key, child in each.items()})
            elif isinstance(each, (list, tuple)):
                below.update({id(child): (f"{path}.{number}", child) for number, child in enumerate(each)})
            elif reason := _scalar_error(each):
                return _at(path, reason)
        if not below:
            return None
        level = list(below.values())
    return f"must be nested at most {most_depth} deep"


def _key_error(value: dict[Any, Any]) -> str | None:
    for key in value:
        if not isinstance(key, str):
            return "must have only texts for names"
        if reason := text_error(key):
            return f"the names in it {reason}"
    return None


def _scalar_error(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return text_error(value)
        case int():
            return None if _LEAST <= value <= _MOST else "must hold integers of at most 64 bits"
        case float():
            return None if math.isfinite(value) else "must hold numbers that JSON has: no NaN, no infinity"
    return f"must hold what JSON has, not {type(value).__name__}"


def _at(path: str, reason: str) -> str:
    shown = path.lstrip(".").encode(errors="replace").decode()[-_SHOWN:]
    return f"{shown}: {reason}" if shown else reason
