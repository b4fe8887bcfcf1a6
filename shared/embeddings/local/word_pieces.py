"""Splits a text into the word pieces of BERT (uncased), whose ids all-MiniLM-L6-v2 reads."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Final

MAX_TOKENS: Final = 256
"""The number of tokens of the longest text, including the first and the last one. The model was trained with texts of
this length."""

_VOCABULARY: Final = Path(__file__).with_name("vocabulary.txt")
_MAX_WORD: Final = 100
# Scripts that are written without spaces: each of their characters is a word.
_IDEOGRAPHS: Final = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_REPLACEMENT_CHARACTER: Final = "\ufffd"


class _Characters(dict[int, str]):
    """How `str.translate` writes each character: without accents and controls, and with spaces between words."""

    def __missing__(self, code: int) -> str:
        self[code] = written = _write(chr(code))
        return written


def _write(character: str) -> str:
    if character in "\t\n\r":
        return " "
    category = unicodedata.category(character)
    if category in {"Mn", "Cc", "Cf", "Co", "Cs"} or character == _REPLACEMENT_CHARACTER:
        return ""
    if category == "Zs":
        return " "
    is_ideograph = any(first <= ord(character) <= last for first, last in _IDEOGRAPHS)
    if is_ideograph or category.startswith("P") or character in _ASCII_PUNCTUATION:
        return f" {character} "
    return character


_CHARACTERS: Final = _Characters()


@cache
def _ids() -> dict[str, int]:
    return {piece: number for number, piece in enumerate(_VOCABULARY.read_text(encoding="utf-8").splitlines())}


def tokenize(text: str) -> list[int]:
    """Return the ids of a text's word pieces, between the ids that begin and end a text."""
    ids = _ids()
    pieces: list[int] = []
    for word in unicodedata.normalize("NFD", text.lower()).translate(_CHARACTERS).split():
        pieces += _split(word, ids)
        if len(pieces) > MAX_TOKENS:
            break
    return [ids["[CLS]"], *pieces[: MAX_TOKENS - 2], ids["[SEP]"]]


def _split(word: str, ids: dict[str, int]) -> list[int]:
    """Return the ids of a word's longest pieces, from left to right; a word that has none is unknown as a whole."""
    unknown_ids = [ids["[UNK]"]]
    if len(word) > _MAX_WORD:
        return unknown_ids
    pieces: list[int] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if (piece := ids.get(prefix + word[start:end])) is not None:
                pieces.append(piece)
                start = end
                break
        else:
            return unknown_ids
    return pieces
