"""Writes `shared/memory/token_table.json` from two vocabularies: `python -m infra.build.token_table`.

The script takes a few minutes.

It checks every assumption of `shared/memory/token_count.py`, and leaves out entries that violate one.
"""

from __future__ import annotations

import re
import string
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

with warnings.catch_warnings():
    # The package reads its data with a deprecated function of Python.
    warnings.simplefilter("ignore", DeprecationWarning)
    import bpe_openai

    ENCODINGS: Final = tuple(bpe_openai.get_encoding(name) for name in ("cl100k_base", "o200k_base"))
_TABLE: Final = Path(__file__).parents[2] / "shared" / "memory" / "token_table.json"
_CONTRACTIONS: Final = ("s", "t", "d", "m", "ll", "ve", "re")
_JOINTS: Final = "-(./_\"'*[<=,:\t\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT DOUBLE QUOTATION MARK}\N{EM DASH}"
_FORMS: Final[tuple[Callable[[str], str], ...]] = (
    lambda word: " " + word,
    lambda word: word,
    lambda word: " " + word.capitalize(),
    lambda word: word.capitalize(),
)
_MAX_SPACES, _MAX_LINE_ENDS = 79, 10


def tokens(texts: Sequence[str]) -> list[int]:
    """Return for each text the larger of the two encodings' token counts."""
    counts = [[len(each) for each in encoding.encode_ordinary_batch(list(texts))] for encoding in ENCODINGS]
    return [max(both) for both in zip(*counts, strict=True)]


def build() -> dict[str, Any]:
    """Return the table."""
    common = _common_tokens()
    assert all(" " * count in common for count in range(1, _MAX_SPACES + 1))  # noqa: S101 - a script's check
    assert all("\n" * count in common for count in range(1, _MAX_LINE_ENDS + 1))  # noqa: S101
    assert all(f"{number:0{size}}" in common for size in (1, 2, 3) for number in range(10**size))  # noqa: S101
    assert all("'" + each in common for each in _CONTRACTIONS)  # noqa: S101
    characters = _characters(common)
    separators = [each for each in characters if unicodedata.category(each)[0] in "PS"]
    punctuation = re.escape(string.punctuation + "".join(separators))
    return {
        "pairs": " ".join(_pairs(common)),
        "marks": sorted(each for each in common if re.fullmatch(rf" ?[{punctuation}]+\n*", each) and len(each) > 1),
        "joints": _JOINTS,
        "separators": "".join(separators),
        "characters": "".join(characters),
        "words": _words(common),
    }


def _common_tokens() -> set[str]:
    vocabularies = [set(encoding.token_byte_values()) for encoding in ENCODINGS]
    texts = set()
    for each in vocabularies[0] & vocabularies[1]:
        try:
            texts.add(each.decode())
        except UnicodeDecodeError:
            continue
    return texts


def _pairs(common: set[str]) -> list[str]:
    """Return the pairs of characters that are one token, except those that `o200k_base` may split."""
    letters = string.ascii_letters
    pairs = [a + b for a in letters for b in letters if a + b in common and not (a.islower() and b.isupper())]
    # Every letter with a preceding space is also one token. These pairs are not stored, because spaces separate the
    # list's items.
    assert all(" " + letter in common for letter in letters)  # noqa: S101
    return pairs


def _characters(common: set[str]) -> list[str]:
    """Return the characters that are one token each, independent of the preceding character."""
    single = sorted(each for each in common if len(each) == 1 and not each.isascii())
    before = [chr(code) for code in range(1, 128) if chr(code) != " "]
    longer_after: Counter[str] = Counter()
    for character in [*before, *single]:
        for other, count in zip(single, tokens([character + each for each in single]), strict=True):
            longer_after[other] += count > 2  # noqa: PLR2004 - one token each
    return [each for each in single if not longer_after[each]]


def _words(common: set[str]) -> dict[str, str]:
    words = sorted(each[1:] for each in common if re.fullmatch(" [a-z]+", each))
    forms = {form: tokens([form(word) for word in words]) for form in _FORMS}
    is_sound = [True] * len(words)

    def check(form: Callable[[str], str], before: str, after: str, extra: int) -> None:
        counts = tokens([before + form(word) + after for word in words])
        for index, count in enumerate(counts):
            is_split = before == "'" and re.match("s|t|d|m|ll|ve|re", words[index])
            is_sound[index] &= bool(is_split) or count <= forms[form][index] + extra

    for form in _FORMS:
        for contraction in _CONTRACTIONS:
            check(form, "", "'" + contraction, 1)
        check(form, "", "'\N{LATIN SMALL LETTER LONG S}", 3)
    for joint in _JOINTS:
        for form in (_FORMS[1], _FORMS[3]):
            check(form, joint, "", 2)
    words_by_counts: dict[str, list[str]] = defaultdict(list)
    for index, word in enumerate(words):
        counts = "".join(str(forms[form][index]) for form in _FORMS)
        if is_sound[index]:
            words_by_counts[counts].append(word)
    return {counts: " ".join(group) for counts, group in sorted(words_by_counts.items())}


if __name__ == "__main__":
    _TABLE.write_bytes(orjson.dumps(build(), option=orjson.OPT_INDENT_2) + b"\n")
