"""Composes the `offline` model's answer: the prompt, the tools' results, and the memory found in the instructions.

The answer becomes part of the memory, so its quotes are limited. It quotes a user's message almost completely, but only
the start of an assistant's message. Otherwise the length of the answers would double with each turn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_PROMPT: Final = 10_000  # in characters, like all limits down to MAX_TOOL_RESULT
MAX_USER_QUOTE: Final = 2_000
MAX_ASSISTANT_QUOTE: Final = 120
MAX_PREFERENCE_QUOTE: Final = 500
MAX_TOOL_RESULT: Final = 4_000
MAX_MESSAGES: Final = 20
MAX_PREFERENCES: Final = 50

_CONVERSATION: Final = "Previous conversation:"
_PREFERENCES: Final = "User preferences:"
_ROLE: Final = re.compile(r"^(?:user|assistant|system|tool): ")


@dataclass(frozen=True, slots=True)
class VisibleMemory:
    """The memory found in instructions.

    Attributes:
        messages: Each as `role: content`, oldest first; a content may have several lines.
        preferences: Each as `key: value`.
    """

    messages: tuple[str, ...]
    preferences: tuple[str, ...]


def find_memory(instructions: str) -> VisibleMemory:
    """Return the memory that was appended to the instructions."""
    lines = instructions.split("\n")
    # A message may contain the same lines as the headings. The conversation begins at its first heading, and the
    # preferences begin at their last heading, because they are at the end.
    cut = max((i for i, line in enumerate(lines) if line == _PREFERENCES), default=len(lines))
    start = next((i for i, line in enumerate(lines[:cut]) if line == _CONVERSATION), cut)
    messages: list[list[str]] = []
    for line in lines[start + 1 : cut]:
        if _ROLE.match(line):
            messages.append([line])
        elif messages:
            messages[-1].append(line)
    return VisibleMemory(
        messages=tuple("\n".join(message).rstrip("\n") for message in messages),
        preferences=tuple(line for line in lines[cut + 1 :] if line),
    )


def compose(prompt: str, instructions: str, tool_results: Sequence[tuple[str, str]]) -> str:
    """Return the answer. Equal arguments produce equal answers.

    Args:
        prompt: The user's message.
        instructions: The instructions with the memory.
        tool_results: The name and result of each tool call.
    """
    memory = find_memory(instructions)
    lines = [f"You said: {_shorten(prompt, MAX_PROMPT)}"]
    lines += [f"{name} answered: {_shorten(result, MAX_TOOL_RESULT)}" for name, result in tool_results]
    if memory.messages:
        lines.append(f"I remember {_count(len(memory.messages), 'message')} of this conversation:")
        lines += [f"- {_quote(message)}" for message in memory.messages[-MAX_MESSAGES:]]
    else:
        lines.append("I remember nothing of this conversation: no earlier messages were given to me.")
    if memory.preferences:
        lines.append(f"I know {_count(len(memory.preferences), 'preference')} of yours:")
        lines += [f"- {_shorten(line, MAX_PREFERENCE_QUOTE)}" for line in memory.preferences[:MAX_PREFERENCES]]
    else:
        lines.append("I know no preferences of yours.")
    return "\n".join(lines)


def _quote(message: str) -> str:
    if message.startswith("user: "):
        return _shorten(message, MAX_USER_QUOTE)
    return _shorten(message.split("\n", 1)[0], MAX_ASSISTANT_QUOTE)


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
