"""An upper bound of a text's tokens, without a vocabulary at runtime.

The bound holds for the vocabularies `cl100k_base` and `o200k_base`. It is based on these facts, which
`infra/build/token_table.py` checks for both when it writes `token_table.json`:

- A byte pair encoding never leaves two adjacent tokens whose concatenation is in its vocabulary. If all pairs of n
  letters are in the vocabulary, at most 2n/3 tokens (rounded up) begin in them. At most one token begins in up to 79
  spaces or 10 line ends.
- If both encodings treat a word of the table as a separate piece, the table has the word's number of tokens.
- Digits are grouped by three. Other text has at most one token per byte, or one per character of `characters`.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import orjson

TABLE: Final = "token_table.json"
_SPACES: Final = " \t\n\v\f\r"
_ASCII_MARKS: Final = "".join(chr(c) for c in range(128) if not chr(c).isalnum() and chr(c) not in _SPACES)
_SEGMENTS: Final = re.compile("[A-Za-z]+|[0-9]+")
# Contractions, such as `'s`. One encoding splits them off, even from the beginning of a word after an apostrophe. The
# other encoding joins them to the preceding word.
_CONTRACTION: Final = re.compile("(?:[sdmt]|ll|ve|re)", re.IGNORECASE)
_DIGITS_OF_A_TOKEN: Final = 3
_LINE_ENDS_OF_A_TOKEN: Final = 10
_LONGEST_WORD: Final = 40
# Sizes of the caches: the frequent words of a language, and the exchanges of current windows. They take some megabytes.
_WORDS_REMEMBERED: Final = 20_000
_TEXTS_REMEMBERED: Final = 1_000
_MAX_REMEMBERED: Final = 8_000


@dataclass(frozen=True, slots=True)
class Table:
    """The facts about both vocabularies.

    Attributes:
        words: For each lowercase word, four numbers of tokens: of the word after a space, of the word alone, and of
        both
            forms with a capital first letter.
        pairs: Pairs of letters that are one token.
        marks: Punctuation that is one token, with a preceding space or following line ends.
        joints: Characters that add at most two tokens to a directly following word.
        separators: Punctuation and symbols beyond ASCII that are one token.
        characters: For `str.translate`: maps characters beyond ASCII that are one token to one-byte characters.
        pieces: Splits a text into separately counted pieces.
    """

    words: dict[str, str]
    pairs: frozenset[str]
    marks: frozenset[str]
    joints: frozenset[str]
    separators: frozenset[str]
    characters: dict[int, str]
    pieces: re.Pattern[str]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Table:
        """Return the table in a JSON object."""
        return cls(
            words={word: counts for counts, line in raw["words"].items() for word in line.split()},
            pairs=frozenset(raw["pairs"].split()),
            marks=frozenset(raw["marks"]),
            joints=frozenset(raw["joints"]),
            separators=frozenset(raw["separators"]),
            characters=dict.fromkeys(map(ord, raw["characters"]), "x"),
            pieces=_pieces(raw["separators"]),
        )

    def count(self, text: str) -> int:
        """Return the maximum number of a text's tokens."""
        parts = self.pieces.findall(text)
        return sum([_count_short(piece) if len(piece) < _LONGEST_WORD else self.count_piece(piece) for piece in parts])

    def count_piece(self, piece: str) -> int:
        """Return the maximum number of tokens that begin in a piece."""
        if len(piece) == 1 and (piece.isascii() or piece in self.separators):
            return 1
        before = piece[0] if self._is_mark(piece[0]) else ""
        rest = piece[len(before) :]
        if self._is_mark(rest[0]):
            return self._count_marks(piece)
        if rest.isascii():
            return self._count_word(before, rest)
        # A space may be one token with the first bytes of the next character. The other bytes of the character are then
        # one more token.
        return (2 if before == " " else len(before)) + len(
            rest.translate(self.characters).encode("utf-8", "surrogatepass")
        )

    def _is_mark(self, character: str) -> bool:
        return not character.isalnum() if character.isascii() else character in self.separators

    def _count_marks(self, piece: str) -> int:
        marks = piece.rstrip("\n")
        if not marks.strip(" ") or (piece in self.marks and marks in self.marks):
            return 1
        line_ends = len(piece) - len(marks)
        return len(marks) + (line_ends if line_ends > _LINE_ENDS_OF_A_TOKEN else min(line_ends, 1))

    def _count_word(self, before: str, word: str) -> int:
        """Count letters and digits, with a following contraction."""
        word, apostrophe, contraction = word.partition("'")
        is_plain = not contraction or contraction.islower()
        # A lowercase contraction and its apostrophe are one token. Otherwise each character may be a token.
        total = len(apostrophe) if is_plain else len(apostrophe + contraction)
        for segment in _SEGMENTS.findall(word):
            if segment.isdigit():
                total += len(before) + -(-len(segment) // _DIGITS_OF_A_TOKEN)
            else:
                total += self._count_letters(before, segment, is_plain=is_plain)
            before = ""
        return total

    def _count_letters(self, before: str, letters: str, *, is_plain: bool) -> int:
        counts = self.words.get(letters.lower()) if len(letters) < _LONGEST_WORD and is_plain else None
        has_capital = letters[0].isupper()
        if counts is not None and letters == (letters.capitalize() if has_capital else letters.lower()):
            if before == " ":
                return int(counts[2 * has_capital])
            alone = int(counts[2 * has_capital + 1])
            if not before:
                return alone
            if before in self.joints and not (before == "'" and _CONTRACTION.match(letters)):
                return alone + 2
        if before == " ":
            return self._bound(" " + letters)
        return len(before) + self._bound(letters)

    def _bound(self, letters: str) -> int:
        """Return the maximum number of tokens that begin in letters of an unknown word."""
        total = begin = 0
        for end in range(1, len(letters)):
            if letters[end - 1 : end + 1] not in self.pairs:
                total += _two_thirds(end - begin)
                begin = end
        return total + _two_thirds(len(letters) - begin)


def count_tokens(text: str) -> int:
    """Return the maximum number of a text's tokens, in linear time."""
    return _count_remembered(text) if len(text) <= _MAX_REMEMBERED else _table().count(text)


@functools.lru_cache(_TEXTS_REMEMBERED)
def _count_remembered(text: str) -> int:
    return _table().count(text)


@functools.lru_cache(_WORDS_REMEMBERED)
def _count_short(piece: str) -> int:
    return _table().count_piece(piece)


@functools.cache
def _table() -> Table:
    return Table.of(orjson.loads((files("shared.memory") / TABLE).read_bytes()))


def _two_thirds(count: int) -> int:
    return (2 * count + 2) // 3


def _pieces(separators: str) -> re.Pattern[str]:
    """Return the pattern. No branch looks ahead further than it consumes, so matching takes linear time."""
    marks = re.escape(_ASCII_MARKS + separators)
    word = rf"[^{marks}{_SPACES}]"
    return re.compile(
        # A word, a number or non-ASCII characters, with the preceding character that both encodings include, and a
        # contraction.
        rf"[{marks} \t\v\f]?{word}++(?:(?<=[A-Za-z])'(?:(?i:[sdmt]|ll|ve|re)))?"
        # Punctuation that both encodings keep together, with following line ends.
        rf"|(?: |(?<![^A-Za-z0-9\t\n\v\f\r])(?!(?<=[\r\n])/))[{marks}]++"
        rf"(?:\n++(?![\r/])|(?=[A-Za-z0-9 \t]|\Z))"
        # Line ends, and spaces except the one that belongs to a word.
        r"|(?<!\n)\n{1,10}(?!\n)| {1,79}(?= [^\s\ufeff])|[\s\S]"
    )
