"""The rules find what users say about themselves, and nothing that only looks like it."""

# ruff: noqa: E501, RUF001 - pieces and units of texts in many scripts, as many as fit in a line

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.learning_score import main as score
from shared.learning.gates import kept, refusal
from shared.learning.rules.deriver import RuleDeriver
from shared.learning.rules.languages import LANGUAGES
from shared.learning.rules.own_words import own_words
from shared.learning.statements import SourceExchange, Statement
from shared.learning.summary import summary_statements

_DATA: Final = Path(__file__).resolve().parents[1] / "data/learning"
_CASES: Final = [
    (keys.split(), message.strip())
    for line in (_DATA / "rules.txt").read_text().splitlines()
    if not line.startswith("#")
    for keys, message in [line.split("|", 1)]
]
NOW: Final = datetime(2026, 3, 12, 9, 15, tzinfo=UTC)


def _derive(message: str, created_at: datetime = NOW) -> list[Statement]:
    return RuleDeriver().derive([SourceExchange(message, "", created_at)])[0]


def _one(message: str) -> Statement:
    [statement] = _derive(message)
    return statement


@pytest.mark.parametrize(("keys", "message"), _CASES)
def test_keys(keys: list[str], message: str) -> None:
    """The message has the statements of these keys only, and each quotes it."""
    text = message.replace("⏎", "\n")
    exchange = SourceExchange(text, "", NOW)
    statements = _derive(text)
    assert sorted(each.slot.partition(":")[0] for each in statements) == sorted(keys if keys != ["-"] else [])
    assert [refusal(each, exchange) for each in statements] == [None] * len(statements)


@pytest.mark.parametrize(
    ("message", "slot", "value", "text", "quote"),
    [
        ("Hi, I live in Rome now.", "home", "rome", "Lives in Rome", "I live in Rome"),
        ("I love sushi!", "likes:sushi", "like", "Likes sushi", "I love sushi"),
        ("I hate sushi!", "likes:sushi", "dislike", "Dislikes sushi", "I hate sushi"),
        ("please always answer in German", "language", "de", "de", "always answer in German"),
        ("I prefer amounts in US dollars", "currency", "USD", "USD", "I prefer amounts in US dollars"),
        ("no emojis in your replies please", "answer_style:emoji", "no emoji", "no emoji", "no emojis in your replies"),
        ("My wife's name is Ana", "family:wife", "ana wife", "Family: wife Ana", "My wife's name is Ana"),
        ("Ich heiße Anna.", "name", "anna", "Is called Anna", "Ich heiße Anna"),
    ],
)
def test_statements(message: str, slot: str, value: str, text: str, quote: str) -> None:
    """Statements."""
    statement = _one(message)
    assert (statement.slot, statement.value, statement.text, statement.quote) == (slot, value, text, quote)


@pytest.mark.parametrize(
    ("message", "slot", "value"),
    [
        ("I no longer live in Rome", "home", "!rome"),
        ("I don't live in Rome anymore", "home", "!rome"),
        ("I'm not vegetarian any more", "diet", "!vegetarian"),
        ("I no longer like sushi", "likes:sushi", "!like"),
        ("Ich wohne nicht mehr in Rom", "home", "!rom"),
    ],
)
def test_what_has_ended_names_its_value(message: str, slot: str, value: str) -> None:
    """What has ended names its value."""
    statement = _one(message)
    assert (statement.slot, statement.value) == (slot, value)


@pytest.mark.parametrize(
    ("message", "day"),
    [
        ("I moved to Milan last week", "2026-03-02"),
        ("I moved to Milan two weeks ago", "2026-02-26"),
        ("I've been living in Leeds since 2019", "2019-01-01"),
        ("I've been living in Leeds since May", "2025-05-01"),
        ("I'm moving to Berlin next month", "2026-04-01"),
        ("I'm running a marathon in October", "2026-10-01"),
        ("I have my thesis defence on 3 June", "2026-06-03"),
        ("I have my driving test in three weeks", "2026-04-02"),
        ("I want to have 6000 saved by the end of the year", "2026-12-31"),
        ("je passe le bac le 15 juin", "2026-06-15"),
    ],
)
def test_relative_dates_count_from_the_exchange(message: str, day: str) -> None:
    """Relative dates count from the exchange."""
    valid_from = _one(message).valid_from
    assert valid_from is not None
    assert valid_from.date().isoformat() == day


def test_the_last_statement_of_a_slot_counts() -> None:
    """The last statement of a slot counts."""
    assert [each.value for each in _derive("I live in Rome. Sorry, typo. I live in Bath.")] == ["bath"]


def test_the_development_half_keeps_its_score(capsys: pytest.CaptureFixture[str]) -> None:
    """The development half keeps its score."""
    assert score([str(_DATA / "utterances.dev.jsonl")]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("all "))
    words = line.split()
    assert float(words[words.index("precision") + 1]) >= 0.98
    assert float(words[words.index("recall") + 1]) >= 0.95


def test_own_words_keep_their_places() -> None:
    """Own words keep their places."""
    text = 'He said "I live in Rome".\n> I hate it\nI like tea ’'
    own = own_words(text)
    assert len(own) == len(text)
    assert own.endswith("I like tea '")
    assert "Rome" not in own
    assert "hate" not in own


_PIECES: Final = [
    "I live in", "Rome", "my name is", "Ana", "I", "am", "a", "nurse", "and", "if", "said", '"', "«", "```", "\n", ".", "?", ",", "12", "next month", "ich wohne in", "j'habite à",
    "vivo en", "我叫", "私は", "always", "emoji", "in German", "my dog", "named", "since 2019", "on", "May", "(", "—", "🙄", "’", "Translate", ":", "<0123456789abcdef>", "[", "{", "'",
]  # fmt: skip


@settings(deadline=None)
@given(st.one_of(st.text(max_size=400), st.lists(st.sampled_from(_PIECES), max_size=60).map(" ".join)), st.datetimes())
def test_any_message_gives_statements_that_quote_it(message: str, moment: datetime) -> None:
    """Any message gives statements that quote it."""
    exchange = SourceExchange(message, message[::-1], moment.replace(tzinfo=UTC))
    for deriver in (RuleDeriver().derive, RuleDeriver().summarize):
        [statements] = deriver([exchange])
        for each in statements:
            assert each.quote.strip()
            assert each.quote in (message if each.role == "user" else exchange.assistant_message)
        assert all(each in statements for each in kept(statements, exchange))
        assert deriver([exchange]) == [statements]


_LENGTH: Final = 200_000
_UNITS: Final = [
    "I live in ", "a", " ", "\n", '"', "'", "`", "«", "»", "‹", "„", "<", "</a", "[", "{", "(", ",", "-", "---\n", "> ", "name: ", "I ", "i i ", "am a ", "I have my ", "always ", "ich ", "in in ", "1 ",
    "12.", "+1 ", "我", "私は", "<0123456789abcdef>", "User preferences:\n", "translate ", "write ", "I'm a ", "my dog ", "if ", "A ", "Aa ", "a,b;", "=", "\0", "é", "e\u0301", "?", ". ", "I like ", "|", "_", "/",
]  # fmt: skip


@pytest.mark.parametrize("unit", _UNITS)
def test_the_time_is_linear(unit: str) -> None:
    """A pattern that is tried from each place to the end would take minutes."""
    message = (unit * (_LENGTH // len(unit) + 1))[:_LENGTH]
    exchange = SourceExchange(message, message, NOW)
    started = time.process_time()
    RuleDeriver().derive([exchange])
    RuleDeriver().summarize([exchange])
    for size in (10_000, 19_000):
        RuleDeriver().derive([SourceExchange(message[:size], "", NOW)])
    assert time.process_time() - started < 20


def test_each_language_has_rules_that_compile() -> None:
    """Each language has rules that compile."""
    assert {language.code for language in LANGUAGES} >= {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "zh", "ja"}
    assert all(len(language.rules) > 8 for language in LANGUAGES)


def test_a_short_exchange_has_no_summary() -> None:
    """A short exchange has no summary."""
    assert summary_statements(SourceExchange("Hello, how are you today?", "Fine.", NOW)) == []


def test_the_summary_quotes_the_central_sentence_of_each_side() -> None:
    """The summary quotes the central sentence of each side."""
    user = (
        "Thanks for yesterday. The invoice export fails whenever an invoice has a discount in the export settings. "
        "I tried another browser."
    )
    assistant = (
        "Sure, let me help. The export fails because discounts are stored as negative lines, which the invoice export "
        "does not accept. Update the settings of the export and run the invoice export again. Good luck!\n"
        "```\nexport --invoice --discount\n```\n" + "A discount line has a negative amount in the invoice. " * 4
    )
    exchange = SourceExchange(user, assistant, NOW)
    statements = summary_statements(exchange)
    assert [each.role for each in statements] == ["user", "assistant"]
    assert "invoice export" in statements[0].quote
    assert "export" in statements[1].quote or "invoice" in statements[1].quote
    assert [refusal(each, exchange) for each in statements] == [None, None]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("I don't eat pork", "Diet: no pork"),
        ("I never drink alcohol", "Diet: no alcohol"),
        ("Ich esse kein Fleisch", "Diet: no Fleisch"),
    ],
)
def test_what_somebody_does_not_eat_is_no_diet_of_that_name(message: str, text: str) -> None:
    """The text says no, and another diet of the user does not end."""
    statement = _one(message)
    assert statement.text == text
    assert statement.slot != _one("I'm vegan").slot


def test_a_birthday_is_a_day_and_not_a_relative_date() -> None:
    """`Tomorrow` would be another day whenever it is read."""
    assert _one("my birthday is tomorrow").text == "Birthday: 13 March"


@pytest.mark.parametrize(
    "message",
    [
        "I moved to Berlin but moved back to Hamburg last year",
        "I moved to Paris and then to Rome",
        "Ich bin nach Berlin gezogen, dann nach Hamburg",
        "My name is John in this story",
    ],
)
def test_what_the_same_sentence_ends_or_invents_is_not_learned(message: str) -> None:
    """Which of the two places holds, and whether the name is real, is not certain, so nothing is learned."""
    assert _derive(message) == []


def test_a_place_has_no_date() -> None:
    """The month behind a place is when the statement began."""
    (statement,) = _derive("I moved to San Francisco in May and love it")
    assert (statement.text, statement.quote) == ("Lives in San Francisco", "I moved to San Francisco in May")
    assert statement.valid_from == datetime(2025, 5, 1, tzinfo=UTC)


def test_a_plan_begins_with_a_word() -> None:
    """What stands between the date and the plan is no part of it."""
    (statement,) = _derive("来月、札幌に引っ越します。")
    assert statement.text == "Plan: 札幌に引っ越します"
