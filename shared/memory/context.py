"""The text that memory adds to an agent's instructions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.listed_messages import Fields, fields_of
from shared.models import Message


def conversation_text(messages: Sequence[Message]) -> str:
    """Return `Previous conversation:` and a line for each message that is not empty, or '' without any."""
    return conversation(lines_of(fields_of(messages)))


def lines_of(messages: Iterable[Fields]) -> str:
    """Return a line for each message that is not empty, with its line end."""
    return "".join([f"{each['role']}: {each['content']}\n" for each in messages if each["content"]])


def conversation(lines: str) -> str:
    """Return `Previous conversation:` and the lines, or '' without any."""
    return f"Previous conversation:\n{lines[:-1]}" if lines else ""


def preferences_text(preferences: Mapping[str, str]) -> str:
    """Return `User preferences:` and a line for each preference, or ''.

    The preferences are sorted by name, so that data from either layer gives the same text.
    """
    if not preferences:
        return ""
    return "\n".join(["User preferences:", *(f"{name}: {preferences[name]}" for name in sorted(preferences))])


def known_line(memory: Mapping[str, Any]) -> str:
    """Return the line of a memory. White space is collapsed, so that a memory cannot begin another line."""
    text = " ".join(str(memory["text"]).split())
    return f"{memory['key']}: {text}" if memory.get("key") else text


def join_parts(*parts: str) -> str:
    """Return the parts that are not empty, separated by a blank line."""
    return "\n\n".join(part for part in parts if part)
