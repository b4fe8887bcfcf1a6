"""Terms of texts and of queries, in all scripts."""
# ruff: noqa: RUF001 - these are letters of other scripts

from __future__ import annotations

import re
import time
import unicodedata
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import search_terms, search_units
from shared.search_stems import stem
from shared.search_terms import Field, asked_terms, term_key, term_spans, text_keys, text_terms

# More than ten times what it takes on a slow machine.
_SECONDS_FOR_A_LONG_TEXT = 30
_LONGEST = 200_000

_FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", set()),
        (" \n\t…—!?*** “”", set()),
        ("Paris, PARIS; paris.", {"paris"}),
        ("42", {"42"}),
        ("room 7 at 10:30 on 2024-03-15", {"room", "7", "at", "10", "30", "on", "2024", "03", "15"}),
        ("conv_12345", {"conv", "12345"}),
        ("https://example.com/docs?id=9", {"http", "exampl", "com", "doc", "id", "9"}),
        ("ada.lovelace@example.org", {"ada", "lovelac", "exampl", "org"}),
        ("max_context_tokens", {"max", "context", "token"}),
        ("getUserName()", {"getusernam", "get", "user", "name"}),
        ("HTTPServer2", {"httpserver2", "http", "server", "2"}),
        ("iPhone", {"iphon", "i", "phon"}),
        ("Ada’s l'été", {"ada", "s", "l", "ete"}),
        ("co\u00adoperate", {"cooperat"}),
        ("ﬁne ＡＢＣ①", {"fine", "abc1"}),
        ("Straße STRASSE", {"strass"}),
        ("Привет, Мир", {"привет", "мир"}),
        ("İstanbul", {"istanbul"}),
    ],
)
def test_words(text: str, terms: set[str]) -> None:
    """Words are folded, stemmed and divided at everything that is no letter and no digit."""
    assert text_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("我养了一只猫", {"我", "养", "了", "一", "只", "猫", "我养", "养了", "了一", "一只", "只猫"}),
        ("猫", {"猫"}),
        ("猫。犬", {"猫", "犬"}),
        ("ガ", {"ガ"}),
        ("ｶﾞｽ", {"ガ", "ス", "ガス"}),
        ("東京タワー", {"東", "京", "タ", "ワ", "ー", "東京", "京タ", "タワ", "ワー"}),
        ("고양이", {"고", "양", "이", "고양", "양이"}),
        ("แมว", {"แ", "ม", "ว", "แม", "มว"}),
        ("ปู่", {"ปู่"}),
        ("ဗမာ", {"ဗ", "မာ", "ဗမာ"}),
        ("iOSアプリ", {"ios", "i", "os", "ア", "プ", "リ", "アプ", "プリ"}),
    ],
)
def test_scripts_without_spaces(text: str, terms: set[str]) -> None:
    """Each character and each pair of characters is a term, where words have no spaces between them."""
    assert text_terms(text) == terms


def test_a_query_asks_for_pairs() -> None:
    """A query asks for the pairs of characters, and for a character only if it stands alone."""
    assert asked_terms("只猫") == ["只猫"]
    assert asked_terms("猫") == ["猫"]
    assert set(asked_terms("猫")) <= text_terms("我养了一只猫")


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("हिन्दी में किताब", {"हिन्दी", "में", "किताब"}),
        ("தமிழ் மொழி", {"தமிழ்", "மொழி"}),
        ("كِتَابٌ", {"كتاب"}),
        ("שָׁלוֹם", {"שלום"}),
        ("کتاب\u200cخانه", {"کتابخانه"}),
    ],
)
def test_words_with_marks(text: str, terms: set[str]) -> None:
    """Marks that make another letter stay in a word; points and short vowels do not."""
    assert text_terms(text) == {unicodedata.normalize("NFC", term) for term in terms}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("🎉", {"🎉"}),
        ("nice🎉day", {"nice", "🎉", "day"}),
        ("❤️ 👍🏽", {"❤", "👍"}),
        (_FAMILY, {"\U0001f468", "\U0001f469", "\U0001f467"}),
        ("1️⃣", {"1"}),
        ("100 € + 5", {"100", "5"}),
    ],
)
def test_emoji(text: str, terms: set[str]) -> None:
    """An emoji is a term without its skin tone and its variation; joined emoji are a term each."""
    assert text_terms(text) == terms


@pytest.mark.parametrize(
    "text", ["Crème brûlée", "Ångström", "がぎぐ パピプ", "한국어 고양이", "कि़ताब", "Việt Nam", "ế", "ά Ώ", "عربيّ"]
)
def test_normalization_forms_have_the_same_terms(text: str) -> None:
    """Composed and decomposed characters are the same."""
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    assert {frozenset(text_terms(form)) for form in forms} == {frozenset(text_terms(text))}


@given(st.text(max_size=30))
def test_any_text(text: str) -> None:
    """Any text has terms whose places are within the text, and which its own query finds."""
    spans = list(term_spans(text))
    assert {span.term for span in spans} == text_terms(text)
    assert set(asked_terms(text)) <= text_terms(text)
    assert all(0 <= span.start < span.end <= len(text) and span.term for span in spans)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_decomposed_text(text: str) -> None:
    """NFC and NFD of a text have the same terms."""
    assert text_terms(unicodedata.normalize("NFD", text)) == text_terms(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("I like Paris.", {"i": "I", "like": "like", "paris": "Paris"}),
        ("🎉 cafe\u0301s!", {"🎉": "🎉", "cafe": "cafe\u0301s"}),
        ("我有猫", {"我": "我", "有": "有", "猫": "猫", "我有": "我有", "有猫": "有猫"}),
        ("userName", {"usernam": "userName", "user": "user", "name": "Name"}),
    ],
)
def test_places(text: str, places: dict[str, str]) -> None:
    """A term's place is counted in characters of the text as it was given."""
    assert {span.term: text[span.start : span.end] for span in term_spans(text)} == places


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("What did I tell you about my dog?", ["dog"]),
        ("Please remind me when we discussed the invoices", ["invoic"]),
        ("Wann habe ich den Zahnarzt besucht?", ["zahnarzt", "besucht"]),
        ("¿Cuándo fue mi cita con el médico?", ["cita", "medico"]),
        ("Когда я был в Париже?", ["париже"]),
        ("when did the war end", ["war", "end"]),
        ("What is it?", ["what", "is", "it"]),
        ("dog Dog dogs", ["dog"]),
        ("", []),
    ],
)
def test_stop_words(query: str, terms: list[str]) -> None:
    """A query leaves stop words out, unless it has nothing else."""
    assert asked_terms(query) == terms


@pytest.mark.parametrize(
    "words",
    [
        "cat cats",
        "party parties",
        "plan plans planned planning",
        "make makes made making",
        "use uses used using",
        "try tries tried trying",
        "go goes went gone going",
        "manage manages managed managing management",
        "inspire inspired inspiration",
        "quick quickly",
        "child children",
    ],
)
def test_stems(words: str) -> None:
    """The inflections of a word have the same stem."""
    assert len({stem(word) for word in words.split()}) == 1


@pytest.mark.parametrize("words", ["time tim", "sing sin", "need ne", "station stat", "same sam", "ring rings1"])
def test_other_words_have_other_stems(words: str) -> None:
    """Words that only look like an inflection of another keep their own stem."""
    assert len({stem(word) for word in words.split()}) == 2


def test_keys_are_stable() -> None:
    """The key of a term is the same on all machines, because the index stores it."""
    assert term_key("u", "dog") == 63467485
    assert term_key("a", "dog") == -592204011
    assert term_key("u", "猫") == 121300144
    assert all(-(2**31) <= term_key("u", str(number)) < 2**31 for number in range(1_000))


@pytest.mark.parametrize("unit", ["word ", "a", "猫犬", "a\u0301\u0302", "\U0001f468\u200d", "aB", "é中x"])
def test_a_long_text_takes_bounded_time(unit: str) -> None:
    """The longest message is divided in a time that grows with its length only."""
    text = (unit * _LONGEST)[:_LONGEST]
    started = time.monotonic()
    text_terms(text)
    assert sum(1 for _ in term_spans(text)) <= 2 * _LONGEST
    assert time.monotonic() - started < _SECONDS_FOR_A_LONG_TEXT


_UNSPACED = "".join(filter(re.compile(f"[{search_units._LETTERS}]").match, map(chr, range(0x0E00, 0xD7B0))))
_OFTEN_MIXED = (
    "".join(filter(search_units._MARK.match, map(chr, range(0x0E00, 0x3100)))) + "abAZ09é。、！ \u00ad\u200d\u0301猫🎉"
)


def test_the_letters_and_marks_of_scripts_without_spaces() -> None:
    """The letters that have a faster way are letters or digits of scripts without spaces, and the marks are marks."""
    assert {unicodedata.category(letter)[0] for letter in _UNSPACED} == {"L", "N"}
    assert all(
        search_terms._unspaced().match(letter) and not search_terms._JOINED.match(letter) for letter in _UNSPACED
    )
    assert {unicodedata.category(mark)[0] for mark in map(chr, range(0x3100)) if search_units._MARK.match(mark)} == {
        "M"
    }


def test_a_run_ends_only_at_what_ends_every_term() -> None:
    """What is between two runs is no letter, digit or mark, and neither a symbol nor a character within terms."""
    between = [character for character in map(chr, range(0x110000)) if not search_terms._RUN.fullmatch(character)]
    categories = {unicodedata.category(character) for character in between if not character.isspace()}
    assert {each for each in categories if each[0] in "LNM" or each in {"So", "Cf"}} == set()


@pytest.mark.parametrize("field", ["u", "a"])
@given(text=st.text(st.sampled_from(_UNSPACED) | st.sampled_from(_OFTEN_MIXED), max_size=20))
def test_the_faster_way_finds_the_same_terms(field: Field, text: str) -> None:
    """Where a text is divided by regular expressions, its terms, places and keys are those of the scan by character."""
    for run in search_terms._RUN.findall(text):
        assert list(term_spans(run)) == search_terms._Scanner(run).spans()
    assert text_keys(field, text) == {term_key(field, term) for term in text_terms(text)}
    for wanted in text_terms(text) | {"none"}:
        assert list(term_spans(text, frozenset({wanted}))) == [span for span in term_spans(text) if span.term == wanted]


def test_keys_do_not_change_without_a_new_version() -> None:
    """The keys of a text in several scripts are those that are stored."""
    keys = text_keys("u", "Miso 我养了一只猫 ปู่ 고양이 がぎぐ e\u0301té iOSアプリ")
    assert zlib.crc32(repr(sorted(keys)).encode()) == 2349970385
