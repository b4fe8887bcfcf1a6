"""What the memory cannot hold, found before anything is sent. The service applies the same rules."""

from __future__ import annotations

import math
from typing import Any, Final

MOST_DEPTH: Final = 64
# What a JSON reader has to hold exactly: most readers have no more than 64 bits.
_LEAST, _MOST = -(2**63), 2**64 - 1
_SHOWN: Final = 100


def text_fault(value: str) -> str | None:
    """Return why neither PostgreSQL nor JSON can hold a text, or None."""
    if "\x00" in value:
        return "must not hold NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not hold lone surrogates"
    return None


def json_fault(value: object, most_depth: int = MOST_DEPTH) -> str | None:
    """Return why the memory cannot hold a value as JSON, with the place of the fault, or None.

    No recursion, and each container once a level: neither depth nor a circle stops it.
    """
    level: list[tuple[str, object]] = [("", value)]
    for _ in range(most_depth):
        below: dict[int, tuple[str, object]] = {}
        for place, each in level:
            if isinstance(each, dict):
                if fault := _key_fault(each):
                    return _at(place, fault)
                below.update({id(held): (f"{place}.{key}", held) for key, held in each.items()})
            elif isinstance(each, (list, tuple)):
                below.update({id(held): (f"{place}.{number}", held) for number, held in enumerate(each)})
            elif fault := _scalar_fault(each):
                return _at(place, fault)
        if not below:
            return None
        level = list(below.values())
    return f"must be nested at most {most_depth} deep"


def _key_fault(value: dict[Any, Any]) -> str | None:
    for key in value:
        if not isinstance(key, str):
            return "must have only texts for names"
        if fault := text_fault(key):
            return f"the names in it {fault}"
    return None


def _scalar_fault(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str():
            return text_fault(value)
        case int():
            return None if _LEAST <= value <= _MOST else "must hold integers of at most 64 bits"
        case float():
            return None if math.isfinite(value) else "must hold numbers that JSON has: no NaN, no infinity"
    return f"must hold what JSON has, not {type(value).__name__}"


def _at(place: str, fault: str) -> str:
    shown = place.lstrip(".").encode(errors="replace").decode()[-_SHOWN:]
    return f"{shown}: {fault}" if shown else fault
