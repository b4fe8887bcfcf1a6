"""The labelled utterances have the form that their README describes, and their files are comparable.

A failure names ids only, because authors of rules do not read the file that is set aside.
"""

from __future__ import annotations

import gzip
import json
import re
import unicodedata
from collections import Counter
from datetime import date, datetime
from itertools import combinations, pairwise, product
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

_FOLDER: Final = Path(__file__).resolve().parents[1] / "data/learning"
_README: Final = (_FOLDER / "README.md").read_text()
_LISTED: Final = {
    "answer_style": {"short", "long", "bullets", "no bullets", "formal", "informal", "emoji", "no emoji"},
    "units": {"metric", "imperial"},
}
_CODES: Final = {"language": re.compile("[a-z]{2}"), "currency": re.compile("[A-Z]{3}")}
_MEMORY_FIELDS: Final = {"kind", "key", "value", "quote"}

Conversation: TypeAlias = dict[str, Any]


def _parse(text: str) -> list[Conversation]:
    return [json.loads(line) for line in text.splitlines()]


def _parse_compressed(name: str) -> list[Conversation]:
    return _parse(gzip.decompress((_FOLDER / name).read_bytes()).decode())


_DEV: Final = _parse((_FOLDER / "utterances.dev.jsonl").read_text())
_HELD: Final = _parse_compressed("utterances.held.jsonl.gz")
_HELD2: Final = _parse_compressed("utterances.held2.jsonl.gz")
_FILES: Final = {"dev": _DEV, "held": _HELD, "held2": _HELD2}
_ALL: Final = _DEV + _HELD + _HELD2


def _table(heading: str, end: str) -> list[list[str]]:
    """Return the cells of a table's rows that begin with a code span, between two texts of the README."""
    text = _README.split(heading, 1)[1].split(end, 1)[0]
    return [row.strip("|").split("|") for row in text.splitlines() if row.startswith("| `")]


_KINDS: Final = {key.strip(" `"): kind.split(",")[0].strip() for key, kind, _ in _table("## Keys", "## Categories")}
_STATEMENTS: Final = {name for row in _table("With memories:", "Traps:") for name in re.findall("`([a-z_]+)`", row[0])}
_TRAPS: Final = {row[0].strip(" `") for row in _table("Traps:", "## Scoring")}


def _user_texts(conversation: Conversation) -> list[str]:
    return [exchange["user"] for exchange in conversation["exchanges"]]


def _trigrams(conversation: Conversation) -> set[str]:
    text = unicodedata.normalize("NFKC", " ".join(_user_texts(conversation))).casefold()
    letters = " ".join(re.findall(r"\w+", text))
    return {letters[start : start + 3] for start in range(max(1, len(letters) - 2))}


def _is_allowed(memory: dict[str, Any]) -> bool:
    """Return whether a value is one of its key's list, or consists of words of the quote."""
    key, value = memory["key"], memory["value"]
    if key in _LISTED:
        return value in _LISTED[key]
    if key in _CODES:
        return _CODES[key].fullmatch(value) is not None
    if key == "form_of_address" and value in {"formal", "informal"}:
        return True
    quote = memory["quote"].casefold()
    return bool(value.strip()) and all(word in quote for word in value.casefold().split())


def test_the_files_have_the_sizes_of_the_readme() -> None:
    """Each file has as many conversations as the README says, and no id occurs twice."""
    assert {name: len(items) for name, items in _FILES.items()} == {"dev": 180, "held": 180, "held2": 160}
    assert re.findall(r"^\| `utterances\.(\w+)\.jsonl[.gz]*` \| (\d+) \|", _README, re.MULTILINE) == [
        (name, str(len(items))) for name, items in _FILES.items()
    ]
    assert [key for key, times in Counter(item["id"] for item in _ALL).items() if times > 1] == []


@pytest.mark.parametrize("name", _FILES)
def test_at_least_half_are_traps(name: str) -> None:
    """At least half of the conversations teach nothing."""
    traps = sum(not item["expected"] for item in _FILES[name])
    assert traps * 2 >= len(_FILES[name])


def test_only_traps_have_no_memories() -> None:
    """Each category is in the README, either with memories or as a trap."""
    assert [
        item["id"] for item in _ALL if item["category"] not in (_TRAPS if not item["expected"] else _STATEMENTS)
    ] == []
    for items in _FILES.values():
        assert {item["category"] for item in items} == _STATEMENTS | _TRAPS


@pytest.mark.parametrize("field", ["category", "language"])
def test_both_halves_have_the_same_shares(field: str) -> None:
    """Each category and each language has as many conversations in both halves."""
    dev, held = (Counter(item[field] for item in half) for half in (_DEV, _HELD))
    assert {name: (dev[name], held[name]) for name in dev | held if abs(dev[name] - held[name]) > 1} == {}


@pytest.mark.parametrize("field", ["category", "language"])
def test_the_second_set_aside_file_has_the_shares_of_the_first(field: str) -> None:
    """Each category and each language has the share of the first set-aside file, give or take one conversation."""
    held, held2 = (Counter(item[field] for item in items) for items in (_HELD, _HELD2))
    scale = len(_HELD2) / len(_HELD)
    wrong = {name for name in held | held2 if abs(held[name] * scale - held2[name]) > 1 + scale}
    assert wrong == set()


def test_more_than_half_are_english() -> None:
    """English has about 55 % of the conversations, and 12 other languages have the rest."""
    languages = Counter(item["language"] for item in _ALL)
    assert 0.5 < languages["en"] / len(_ALL) < 0.6
    assert len(languages) == 13


def test_each_conversation_has_exchanges_in_order() -> None:
    """Each exchange has both texts and a time with a zone, later than the one before it."""
    wrong = []
    for item in _ALL:
        fields_agree = set(item) == {"id", "language", "category", "exchanges", "expected"}
        exchanges_agree = all(set(exchange) == {"user", "assistant", "created_at"} for exchange in item["exchanges"])
        texts_exist = all(exchange["user"].strip() and exchange["assistant"].strip() for exchange in item["exchanges"])
        times = [datetime.fromisoformat(exchange["created_at"]) for exchange in item["exchanges"]]
        in_order = all(first < second for first, second in pairwise(times)) and all(time.tzinfo for time in times)
        if not (fields_agree and exchanges_agree and texts_exist and in_order and times):
            wrong.append(item["id"])
    assert wrong == []


def test_each_quote_is_in_a_text_of_the_user() -> None:
    """A quote is an exact substring of what the user wrote."""
    assert [
        item["id"]
        for item in _ALL
        for memory in item["expected"]
        if not memory["quote"] or not any(memory["quote"] in text for text in _user_texts(item))
    ] == []


def test_each_memory_has_a_known_key_and_an_allowed_value() -> None:
    """Kinds, keys and values are those of the README."""
    memories = [(item["id"], memory) for item in _ALL for memory in item["expected"]]
    assert [key for key, memory in memories if _MEMORY_FIELDS - set(memory)] == []
    assert [key for key, memory in memories if set(memory) - _MEMORY_FIELDS - {"valid_from", "superseded"}] == []
    assert [key for key, memory in memories if _KINDS.get(memory["key"]) != memory["kind"]] == []
    assert [key for key, memory in memories if not _is_allowed(memory)] == []
    assert {memory["key"] for _, memory in memories} == set(_KINDS)


def test_each_goal_names_its_day() -> None:
    """A goal is due at least a week after the exchange, and other dates are days too."""
    wrong = []
    for item in _ALL:
        said = datetime.fromisoformat(item["exchanges"][-1]["created_at"]).date()
        for memory in item["expected"]:
            day = date.fromisoformat(memory["valid_from"]) if "valid_from" in memory else None
            if memory["key"] == "goal" and (day is None or (day - said).days < 7):
                wrong.append(item["id"])
    assert wrong == []


def test_what_is_superseded_has_a_current_successor() -> None:
    """A superseded memory has a current one of the same key in the same conversation."""
    wrong = []
    for item in _ALL:
        current = {memory["key"] for memory in item["expected"] if not memory.get("superseded")}
        old = {memory["key"] for memory in item["expected"] if memory.get("superseded")}
        if not old <= current or (item["category"] == "update") > bool(old):
            wrong.append(item["id"])
    assert wrong == []


@pytest.mark.parametrize(("one", "other"), list(combinations(_FILES, 2)))
def test_the_files_share_no_text(one: str, other: str) -> None:
    """No conversation of one file resembles one of another."""
    first_items, second_items = ([(item["id"], _trigrams(item)) for item in _FILES[name]] for name in (one, other))
    assert [
        (first, second)
        for (first, left), (second, right) in product(first_items, second_items)
        if len(left & right) * 2 >= len(left | right)
    ] == []
    texts = [{text.strip().casefold() for item in _FILES[name] for text in _user_texts(item)} for name in (one, other)]
    shared = len(texts[0] & texts[1])
    assert shared == 0
