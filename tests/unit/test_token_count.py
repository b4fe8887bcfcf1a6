"""The upper bound of tokens is at least each real vocabulary's count, and close to this count in English."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import string
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.build.token_table import ENCODINGS
from shared.memory.token_count import count_tokens

ROOT = Path(__file__).parents[2]
ENGLISH = ("README.md", "docs/faq.md", "docs/operating.md", "SECURITY.md")
_WORDS = ("the", " The", "don't", "DON'T", "it's", " well-known", "(self", "_id", "PostgreSQL", " internationalization")
_TEXTS = st.one_of(
    st.sampled_from(_WORDS),
    st.text(max_size=8),
    st.text(string.printable, max_size=20),
    st.text(string.ascii_lowercase, max_size=20),
    st.text(string.ascii_letters + string.digits + "+/=", max_size=60),
    st.text(string.digits, max_size=40),
    st.text(" \t\r\n\u00a0\u3000", max_size=20),
    st.text(string.punctuation + " \n", max_size=12),
    st.text(st.characters(min_codepoint=0x80, max_codepoint=0x2FFF), max_size=8),
    st.text(st.characters(min_codepoint=0x3000, max_codepoint=0xD7FF), max_size=8),
    st.text(st.characters(min_codepoint=0x1F000, max_codepoint=0x1FAFF), max_size=4),
    st.text(st.characters(min_codepoint=0xE000, max_codepoint=0x10FFFF, exclude_categories=["Cs"]), max_size=4),
    st.sampled_from(
        ["\u200d", "\ufe0f", "\u0301", "\u2019s", "\u201c", "\u2014", "'\u017f", "\ufeff", "\u0e01", "\x80"]
    ),
    st.builds(
        lambda text, times: text * times, st.sampled_from([" ", "\n", "=", "-", "a", "\t", "é"]), st.integers(0, 300)
    ),
)


def real_counts(text: str) -> list[int]:
    """Return the number of tokens in each vocabulary."""
    return [len(each.encode_ordinary(text)) for each in ENCODINGS]


@settings(max_examples=1_500, deadline=None)
@given(st.lists(_TEXTS, max_size=8).map("".join))
@example("待 ++++++++")
@example("'sophisticated x'sophisticated 5'sophisticated Dog'Sophisticated")
@example(".\n\n//// \n \n    return")
def test_the_bound_is_at_least_the_real_count(text: str) -> None:
    """The bound is never lower than the real count, for any combination of texts."""
    assert count_tokens(text) >= max(real_counts(text))


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(bytes(range(256)) * 40).decode(),
        "Привет, как дела? Сегодня хорошая погода. " * 20,
        "今日は天気がいいですね。散歩に行きましょう。" * 20,
        "สวัสดีครับ วันนี้อากาศดี" * 20,
        "مرحبا كيف حالك اليوم؟ " * 20,
        "안녕하세요 오늘 날씨가 좋네요 " * 20,
        "👩‍👩‍👧‍👦🏳️‍🌈 " * 50,
        "e\u0301a\u0308\u0323" * 100,
        "1234567890" * 500,
        "".join(map(chr, range(1, 128))) * 5,
        "".join(chr(code) for code in range(0x80, 0x110000, 37) if not 0xD800 <= code < 0xE000),
        Path(__file__).read_text(),
    ],
    ids=[
        "base64",
        "cyrillic",
        "japanese",
        "thai",
        "arabic",
        "korean",
        "emoji",
        "marks",
        "digits",
        "ascii",
        "all",
        "code",
    ],
)
def test_the_bound_is_correct_for_scripts_and_codes(text: str) -> None:
    """The bound is at least the real count for scripts, emoji, base64, digits, control characters and code."""
    assert count_tokens(text) >= max(real_counts(text))


def test_the_bound_is_correct_for_random_letters() -> None:
    """The bound is at least the real count for random letters that resemble words."""
    source = random.Random(0)  # noqa: S311 - not for security
    for letters in (string.ascii_lowercase, "bcdfghjklmnpqrstvwxz", string.ascii_letters, "QXZJ", "eaiou"):
        text = " ".join("".join(source.choices(letters, k=source.randrange(1, 30))) for _ in range(2_000))
        assert count_tokens(text) >= max(real_counts(text)), letters


def test_the_bound_is_close_in_english() -> None:
    """The bound is at most 1.6 times the real count, for each document."""
    for name in ENGLISH:
        text = (ROOT / name).read_text()
        assert count_tokens(text) <= 1.6 * min(real_counts(text)), name


@pytest.mark.skipif("RECALL_DATA" not in os.environ, reason="RECALL_DATA names no folder of conversations")
def test_the_bound_is_close_in_conversations() -> None:
    """The bound is at least the real count and at most 1.6 times the real count, for each thread."""
    for path in sorted(Path(os.environ["RECALL_DATA"]).glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            for line in lines:
                for thread in json.loads(line)["threads"]:
                    text = "\n".join(f"{each['user']}\n{each['assistant']}" for each in thread["exchanges"])
                    assert max(real_counts(text)) <= count_tokens(text) <= 1.6 * min(real_counts(text)), thread[
                        "thread"
                    ]


@pytest.mark.parametrize("text", ["a1", "=", "=é", " ", "\n", "' ", "ab'", "é(", "x\u0301", ".\n/"])
def test_the_counting_time_is_linear(text: str) -> None:
    """The counting time is linear, so two million characters take seconds at most."""
    started = time.perf_counter()
    count_tokens(text * (2_000_000 // len(text)))
    assert time.perf_counter() - started < 20


def test_a_text_with_a_lone_surrogate_is_counted() -> None:
    """A text with a lone surrogate can be counted, although no encoding accepts a lone surrogate."""
    assert count_tokens("a\ud800b") >= 3
