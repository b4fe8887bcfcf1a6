"""Shortens a line of a message around its first match, to the width of the terminal."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Final

from rich.cells import cell_len

from cli.output import printable

_ELLIPSIS: Final = "…"
_ZERO_WIDTH_JOINER: Final = "\u200d"
# A flag emoji with its tags, or one character.
_CHARACTER: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f|.", re.DOTALL)
# A line has at most this many characters per cell, so that a long line is not measured as a whole.
_CHARACTERS_PER_CELL: Final = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A printable part of a line."""

    text: str
    is_match: bool


@dataclass(slots=True)
class _Unit:
    """What a terminal shows as one character: a character with its combining marks and joined characters."""

    text: str
    width: int
    is_match: bool


Span = tuple[int, int]


def lines_of(text: str, spans: Iterable[Span]) -> list[tuple[str, list[Span]]]:
    """Return each line of a text with the parts of the spans that are in it, as positions in the line."""
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    own: list[list[Span]] = [[] for _ in lines]
    for start, end in spans:
        for number in range(bisect_right(starts, start) - 1, len(lines)):
            if starts[number] >= end:
                break
            own[number].append((max(0, start - starts[number]), min(len(lines[number]), end - starts[number])))
    return [(line.rstrip(), within) for line, within in zip(lines, own, strict=True)]


def excerpt(line: str, spans: Sequence[Span], width: int) -> list[Piece]:
    """Return the part of a line around its first match that fits the width, with an ellipsis where text is left out."""
    first = min((start for start, _ in spans), default=0)
    from_, to = max(0, first - width), min(len(line), first + _CHARACTERS_PER_CELL * width)
    units = _units(line, spans, from_, to)
    if from_ > 0 or to < len(line) or sum(unit.width for unit in units) > width:
        units = _around_match(units, width, is_start=from_ == 0, is_end=to == len(line))
    return [
        Piece("".join(unit.text for unit in group), key) for key, group in groupby(units, lambda unit: unit.is_match)
    ]


def _units(line: str, spans: Sequence[Span], from_: int, to: int) -> list[_Unit]:
    units: list[_Unit] = []
    for found in _CHARACTER.finditer(line, from_, to):
        text = " " if found[0] == "\t" else printable(found[0])
        width = cell_len(text)
        if units and (width == 0 or units[-1].text.endswith(_ZERO_WIDTH_JOINER)):
            units[-1].text += text
            units[-1].width = cell_len(units[-1].text)
        else:
            is_match = any(start <= found.start() < end for start, end in spans)
            units.append(_Unit(text, width, is_match))
    return units


def _around_match(units: list[_Unit], width: int, *, is_start: bool, is_end: bool) -> list[_Unit]:
    """Return units around the first match. A third of the width is before the match if the text is long enough."""
    match = next((number for number, unit in enumerate(units) if unit.is_match), 0)
    rest = sum(unit.width for unit in units[match:])
    before = max(width // 3, width - rest)
    first, used = match, 0
    while first > 0 and used + units[first - 1].width <= before - 1:
        first -= 1
        used += units[first].width
    shown = [] if first == 0 and is_start else [_Unit(_ELLIPSIS, 1, is_match=False)]
    room = width - sum(unit.width for unit in shown)
    remaining = units[first:]
    if sum(unit.width for unit in remaining) <= room and is_end:
        return shown + remaining
    for unit in remaining:
        if room - unit.width < 1:
            break
        shown.append(unit)
        room -= unit.width
    return [*shown, _Unit(_ELLIPSIS, 1, is_match=False)]
