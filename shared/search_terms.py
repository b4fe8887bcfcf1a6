"""Terms: what a text is indexed by, and what a query asks for. One function makes both.

A term is the stem of a word or an emoji. Where a script writes no spaces between words, each character and each pair of
characters is a term. Upper and lower case, composed and decomposed characters, full-width and half-width forms are the
same; so are letters with and without accents.

`TERMS_VERSION` changes with each change that gives a text other terms or another key, because everything indexed before
then has to be indexed again.
"""

from __future__ import annotations

import re
import struct
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator
from functools import cache, lru_cache
from operator import add
from typing import Final, Literal, NamedTuple

from shared.search_stems import stem
from shared.search_stop_words import STOP_WORDS
from shared.search_units import piece_checksums, units_of, words_and_pieces

TERMS_VERSION: Final = 1

# The message of an exchange that a term is in: the user's or the assistant's.
Field = Literal["u", "a"]

# Runs without white space and without common punctuation. What is not ASCII is divided further.
_RUN: Final = re.compile(
    r"[^\s\x00-/:-@\[-`{-\x7f\u00a1\u00ab\u00b7\u00bb\u00bf\u2010-\u2027\u3001-\u3003\u3008-\u3011\u3014-\u301f"
    r"\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+"
)
_ASCII_RUN: Final = re.compile("[0-9A-Za-z]+")
# `getUserName` is get, User, Name; `HTTPServer` is HTTP, Server.
_CAMEL_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_CAMEL_CASE: Final = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
# The characters of scripts that write no spaces, as far as they are letters, marks or digits. Korean has spaces, but
# adds particles and endings to its words, so its terms are pairs, too.
_UNSPACED: Final = (
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u19e0-\u19ff\u1a20-\u1aaf\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u3035\u3040-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
# They belong to the character before them: vowels and finals of a decomposed Korean syllable, half-width voicing marks.
_JOINED: Final = re.compile("[\u1160-\u11ff\ud7b0-\ud7fb\uff9e\uff9f]")
_VARIATION_SELECTOR: Final = re.compile("[\ufe00-\ufe0f]")
_CACHED_RUNS: Final = 16_384
_CACHED_FORMS: Final = 8_192
_MAX_CACHED_LENGTH: Final = 40


class TermSpan(NamedTuple):
    """A term and where it is in a text.

    Attributes:
        term: The term.
        start: The index of its first character (code point) in the text.
        end: The index behind its last character.
        in_pair: Whether it is a single character that is also in a pair. A query asks only for the pair.
    """

    term: str
    start: int
    end: int
    in_pair: bool = False


def _is_accent(character: str) -> bool:
    """Return whether a character is a mark that may be left out: accents, Hebrew points, Arabic short vowels.

    Marks of other classes make another letter: those of Devanagari, Thai, and the voicing marks of Japanese.
    """
    position = unicodedata.combining(character)
    return position >= 200 or 10 <= position <= 36  # noqa: PLR2004 - the canonical combining classes of those marks


def _normalize(text: str) -> str:
    """Return a text in the one form that all ways to write it have."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    kept = (
        character
        for character in unicodedata.normalize("NFKD", folded)
        if not _is_accent(character)
        and unicodedata.category(character) not in {"Cf", "Me"}
        and not _VARIATION_SELECTOR.match(character)
    )
    return unicodedata.normalize("NFC", "".join(kept))


_cached_form: Final = lru_cache(_CACHED_FORMS)(_normalize)


@lru_cache(_CACHED_FORMS)
def _cached_encoded_form(unit: str) -> bytes:
    return _normalize(unit).encode("utf-8", "surrogatepass")


def _word_terms(word: str, start: int) -> Iterator[TermSpan]:
    """Yield a word, and the parts of an identifier in camel case."""
    end = start + len(word)
    whole = word.lower() if word.isascii() else _normalize(word)
    if whole:
        yield TermSpan(stem(whole), start, end)
    if word.isascii() and _CAMEL_CASE.search(word):
        for part in _CAMEL_PART.finditer(word):
            yield TermSpan(stem(part[0].lower()), start + part.start(), start + part.end())


def _pair_terms(units: list[tuple[int, int]], text: str, wanted: frozenset[str] | None = None) -> Iterator[TermSpan]:
    """Yield the characters and the pairs of characters of a piece without spaces.

    If `wanted` is given, yield nothing from a piece without any of these terms.
    """
    forms = [_cached_form(text[start:end]) for start, end in units]
    if wanted is not None and wanted.isdisjoint(forms) and wanted.isdisjoint(map(add, forms, forms[1:])):
        return
    for index, (start, end) in enumerate(units):
        if not forms[index]:
            continue
        yield TermSpan(forms[index], start, end, in_pair=len(units) > 1)
        if index + 1 < len(units):
            yield TermSpan(forms[index] + forms[index + 1], start, units[index + 1][1])


@cache
def _unspaced() -> re.Pattern[str]:
    """Return the pattern of `_UNSPACED`. Compiling it takes two milliseconds of a cold start."""
    return re.compile(_UNSPACED)


class _Scanner:
    """Divides a run into words, pieces without spaces, and symbols."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_unspaced = _unspaced().match
        self._word_start: int | None = None
        self._units: list[tuple[int, int]] = []
        self._found: list[TermSpan] = []

    def _close(self, end: int) -> None:
        """End the word or the piece without spaces."""
        if self._word_start is not None:
            self._found += _word_terms(self._text[self._word_start : end], self._word_start)
            self._word_start = None
        if self._units:
            self._found += _pair_terms(self._units, self._text)
            self._units = []

    def _add(self, index: int, character: str, category: str) -> None:
        """Add a character to what is open, or close that and open another."""
        if category == "Cf":  # such as a soft hyphen or a joiner: it neither is in a term nor ends one
            return
        if self._units and (category[0] == "M" or _JOINED.match(character)):
            self._units[-1] = self._units[-1][0], index + 1
        elif category[0] not in "LNM":
            self._close(index)
            if category == "So" and (symbol := _normalize(character)):
                self._found.append(TermSpan(symbol, index, index + 1))
        elif self._is_unspaced(character):
            if self._word_start is not None:
                self._close(index)
            self._units.append((index, index + 1))
        elif self._word_start is None:
            self._close(index)
            if category[0] != "M":  # a mark that follows no letter, such as the one that makes a symbol an emoji
                self._word_start = index

    def spans(self) -> list[TermSpan]:
        """Return the terms of the run."""
        for index, character in enumerate(self._text):
            self._add(index, character, unicodedata.category(character))
        self._close(len(self._text))
        return self._found


def _spans_of_run(run: str) -> tuple[TermSpan, ...]:
    """Return the terms of a run."""
    if run.isascii():
        return tuple(_word_terms(run, 0))
    parts = words_and_pieces(run)
    return tuple(_Scanner(run).spans() if parts is None else _spans_of_parts(run, parts))


def _spans_of_parts(
    run: str, parts: Iterable[re.Match[str]], wanted: frozenset[str] | None = None
) -> Iterator[TermSpan]:
    """Yield the terms of a run of ASCII words and pieces without spaces."""
    for part in parts:
        start, end = part.span()
        if part[0].isascii():
            yield from _word_terms(part[0], start)
        else:
            yield from _pair_terms(units_of(run, start, end), run, wanted)


_cached_spans_of_run: Final = lru_cache(_CACHED_RUNS)(_spans_of_run)


def _terms_of_run(run: str) -> tuple[TermSpan, ...]:
    """Return the terms of a run, from the cache if it is short."""
    return _cached_spans_of_run(run) if len(run) <= _MAX_CACHED_LENGTH else _spans_of_run(run)


def _runs(text: str) -> set[str]:
    """Return the different runs of a text."""
    return set((_ASCII_RUN if text.isascii() else _RUN).findall(text))


def term_spans(text: str, wanted: frozenset[str] | None = None) -> Iterator[TermSpan]:
    """Yield the terms of a text with their places, in the order of the text; only these terms, if `wanted` is given."""
    for match in _RUN.finditer(text):
        run, offset = match[0], match.start()
        parts = None if wanted is None or run.isascii() else words_and_pieces(run)
        for span in _terms_of_run(run) if parts is None else _spans_of_parts(run, parts, wanted):
            if wanted is None or span.term in wanted:
                yield TermSpan(span.term, span.start + offset, span.end + offset, span.in_pair)


def text_terms(text: str) -> set[str]:
    """Return the terms that a text is indexed by."""
    return {span.term for run in _runs(text) for span in _terms_of_run(run)}


def _keys_of_run(field: Field, run: str) -> frozenset[int]:
    """Return the keys of a run's terms."""
    return frozenset(term_key(field, span.term) for span in _terms_of_run(run))


_cached_keys_of_run: Final = lru_cache(2 * _CACHED_RUNS)(_keys_of_run)


def text_keys(field: Field, text: str) -> set[int]:
    """Return the keys of the terms that a text is indexed by."""
    keys: set[int] = set()
    pieces: list[str] = []
    for run in _runs(text):
        parts = None if run.isascii() else words_and_pieces(run)
        if parts is None:
            keys |= _cached_keys_of_run(field, run) if len(run) <= _MAX_CACHED_LENGTH else _keys_of_run(field, run)
            continue
        for part in parts:
            if part[0].isascii():
                keys |= _cached_keys_of_run(field, part[0])
            else:
                pieces.append(part[0])
    if pieces:
        keys.update(_signed(piece_checksums(zlib.crc32(field.encode()), pieces, _cached_encoded_form)))
    return keys


def _query_candidates(text: str) -> list[str]:
    """Return the terms of a query with its stop words, each once, in the order of the query."""
    return list(dict.fromkeys(span.term for span in term_spans(text) if not span.in_pair))


@cache
def _stop_terms() -> frozenset[str]:
    """Return the terms of the stop words. The first query needs them, and a cold start does not."""
    return frozenset(_query_candidates(STOP_WORDS))


def asked_terms(text: str) -> list[str]:
    """Return the terms that a query asks for, each once, in the order of the query.

    Stop words are left out, unless the query has no other words.
    """
    terms = _query_candidates(text)
    return [term for term in terms if term not in _stop_terms()] or terms


def term_key(field: Field, term: str) -> int:
    """Return the key of a term in a field: the CRC-32 of both in UTF-8, as a signed 32-bit integer.

    Two terms may share a key, and a query for one then also finds the other. Among 100,000 terms of a user, there is
    about one such couple.
    """
    checksum = zlib.crc32(f"{field}{term}".encode("utf-8", "surrogatepass"))
    return checksum - (checksum >> 31 << 32)


def _signed(checksums: Collection[int]) -> tuple[int, ...]:
    """Return the signed integers with the same 32 bits, as `term_key` does, without a Python loop."""
    return struct.unpack(f"={len(checksums)}i", struct.pack(f"={len(checksums)}I", *checksums))
