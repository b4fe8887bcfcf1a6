"""Ids with a special meaning in paths, keys and patterns."""

from typing import Final

SPECIAL_IDS: Final = (
    "conv_12345",
    "a/b",
    "a//b/",
    "/",
    "messages",
    "a/messages",
    "a/preferences",
    "../threads",
    "%",
    "%2F",
    "100%25",
    "a+b&c=d?e#f;g",
    "with space",
    "\\",
    '"quoted"',
    "'; drop table messages; --",
    "{thread_id}",
    "*[a-z]?",
    "Zoë-名前-🧠",
    "שלום",
    "e\u0301",
    "x" * 255,
    "🧠" * 255,
)
