"""Units: the letters of scripts that write no spaces between words, each with its marks.

A piece of such letters is divided here by regular expressions and hashed without a Python loop, because each of its
characters is in two terms. Rarer characters, such as half-width letters, are left to `shared.search_terms`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

# Letters and digits of Thai, Lao, Burmese, Khmer, Japanese, Chinese and Korean.
_LETTERS: Final = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e50-\u0e59"
    "\u0e94-\u0e97\u0e99-\u0e9f\u0ea1-\u0ea3\u0ea5\u0ea7\u0eaa\u0eab\u0ead-\u0eb0\u0eb2\u0eb3\u0ec0-\u0ec4\u0ed0-\u0ed9"
    "\u1000-\u102a\u103f-\u1049\u1780-\u17b3\u17e0-\u17e9"
    "\u3005\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4db5\u4e00-\u9fef\uac00-\ud7a3"
)
_MARKS: Final = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0eb9\u0ebb\u0ebc\u0ec8-\u0ecd\u102b-\u103e\u17b6-\u17d3\u3099\u309a"
)
# Within a piece, and at the boundaries of joined pieces.
_UNIT: Final = re.compile(f"[^{_MARKS}][{_MARKS}]*")
_BOUNDARY: Final = "\n"
_MARK: Final = re.compile(f"[{_MARKS}]")
_WORD_OR_PIECE: Final = re.compile(r"[0-9A-Za-z]+|[^0-9A-Za-z]+")


@cache
def _words_and_pieces() -> re.Pattern[str]:
    """Return the pattern of a run of ASCII words and pieces. Compiling it takes a millisecond of a cold start.

    Without the possessive quantifiers, a long run that does not match would take exponential time.
    """
    return re.compile(f"(?:[0-9A-Za-z]++|[{_LETTERS}]++[{_MARKS}]*+)++")


def words_and_pieces(run: str) -> Iterator[re.Match[str]] | None:
    """Return the ASCII words and the pieces of units of a run; None if the run has any other character."""
    return _WORD_OR_PIECE.finditer(run) if _words_and_pieces().fullmatch(run) else None


def units_of(run: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the places of the units of a piece, which is a part of a run."""
    return [match.span() for match in _UNIT.finditer(run, start, end)]


def piece_checksums(start: int, pieces: Iterable[str], encode: Callable[[str], bytes]) -> set[int]:
    """Return the CRC-32 of the terms of pieces: of each unit and of each pair of units.

    Args:
        start: The CRC-32 of what is hashed before each term.
        pieces: The pieces.
        encode: Returns a unit's normal form in UTF-8.
    """
    joined = _BOUNDARY.join(pieces)
    units = _UNIT.findall(joined) if _MARK.search(joined) else list(joined)
    # A pair with a boundary has the checksum of its unit alone.
    forms = {unit: encode(unit) for unit in set(units)} | {_BOUNDARY: b""}
    checksums = {unit: zlib.crc32(form, start) for unit, form in forms.items()}
    # The checksum of a pair is the one of its first unit, continued with the second.
    pairs = set(map(zlib.crc32, map(forms.__getitem__, units[1:]), map(checksums.__getitem__, units)))
    del checksums[_BOUNDARY]
    return pairs.union(checksums.values())
