"""Validates values before a request is sent, with the same rules as the service."""

from __future__ import annotations

import math
from typing import Any, Final

MAX_DEPTH: Final = 64
# JSON integers must fit into 64 bits, because most readers have no larger integers.
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**64 - 1
_MAX_PATH_LENGTH: Final = 100


def text_error(value: str) -> str | None:
    """Return why a text cannot be stored in PostgreSQL or JSON; None if it can be stored."""
    if "\x00" in value:
        return "must not contain NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not contain lone surrogates"
    return None


def json_error(value: object, max_depth: int = MAX_DEPTH) -> str | None:
    """Return the path of an invalid part of a value and why JSON cannot hold it; None if all parts are valid.

    The check is iterative and visits each container once per level, so it also works for deep and circular values.
    """
    level: list[tuple[str, object]] = [("", value)]
    for _ in range(max_depth):
        children: dict[int, tuple[str, object]] = {}
        for path, each in level:
            if isinstance(each, dict):
                if reason := _key_error(each):
                    return _with_path(path, reason)
                children.update({id(child): (f"{path}.{key}", child) for key, child in each.items()})
            elif isinstance(each, (list, tuple)):
                children.update({id(child): (f"{path}.{number}", child) for number, child in enumerate(each)})
            elif reason := _scalar_error(each):
                return _with_path(path, reason)
        if not children:
            return None
        level = list(children.values())
    return f"must be nested at most {max_depth} deep"


def _key_error(value: dict[Any, Any]) -> str | None:
    for key in value:
        if not isinstance(key, str):
            return "must have only texts as names"
        if reason := text_error(key):
            return f"its names {reason}"
    return None


def _scalar_error(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return text_error(value)
        case int():
            return None if _MIN_INTEGER <= value <= _MAX_INTEGER else "must contain only integers of at most 64 bits"
        case float():
            return None if math.isfinite(value) else "must not contain NaN or infinity, which JSON does not have"
    return f"must contain only JSON values, not {type(value).__name__}"


def _with_path(path: str, reason: str) -> str:
    printable_path = path.lstrip(".").encode(errors="replace").decode()[-_MAX_PATH_LENGTH:]
    return f"{printable_path}: {reason}" if printable_path else reason
