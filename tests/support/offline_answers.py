"""Reads the answers of the `offline` model, which show the memory that the model was given."""

from __future__ import annotations

import re
from typing import Final

_OPENING: Final = "From our conversation I remember"
NO_MESSAGES: Final = f"{_OPENING} nothing: no earlier messages were given to me."
TOOL_PREFIX: Final = "I used `"
INTRODUCTION: Final = "I am the offline demo model: I need no key, and I know only what I remember."

_MESSAGES: Final = re.compile(r"^From our conversation I remember.*:\n\n((?:- .*\n?)(?:.*\n?)*)", re.MULTILINE)
_MESSAGE: Final = re.compile(r"^- (?:I answered: )?“(.*?)”(?=\n|\Z)", re.MULTILINE | re.DOTALL)
_PREFERENCES: Final = re.compile(r"^I keep your preferences in mind:\n\n((?:- .*\n?)+)", re.MULTILINE)


def is_offline_answer(text: str) -> bool:
    """Return whether a text is an answer of the `offline` model."""
    return _OPENING in text


def remembered(response: str) -> list[str]:
    """Return the messages that an answer quotes, oldest first, without the model's own answers."""
    assert is_offline_answer(response), response
    if NO_MESSAGES in response:
        return []
    match = _MESSAGES.search(response)
    assert match, response
    return _MESSAGE.findall(match[1])


def followed_preferences(response: str) -> list[str]:
    """Return the preferences that an answer lists, each as `name: value`."""
    match = _PREFERENCES.search(response)
    return [line.removeprefix("- ") for line in match[1].splitlines()] if match else []


def used_tool(name: str, result: str = "") -> str:
    """Return the text with which an answer reports a tool's result."""
    return f"{TOOL_PREFIX}{name}`: {result}"
