"""Composes the `offline` model's answer in Markdown: an answer from memory, then the memory that the model was given.

The answer becomes part of the memory, so its quotes are limited, and it does not quote its own earlier answers.
Otherwise the length of the answers would grow with each turn.
"""

import re
from collections.abc import Sequence
from typing import Final

from functions.agent.agents.offline_memory import (
    QUESTION_MARKS,
    VisibleMemory,
    find_memory,
    find_name,
    find_sentences,
    keywords,
    name_in,
)

MAX_SENTENCE: Final = 200  # in characters, like all limits down to MAX_TOOL_RESULT
MAX_USER_QUOTE: Final = 2_000
MAX_ASSISTANT_QUOTE: Final = 120
MAX_PREFERENCE_QUOTE: Final = 500
MAX_TOOL_RESULT: Final = 4_000
MAX_MESSAGES: Final = 20
MAX_PREFERENCES: Final = 50

_REMEMBERED: Final = "From our conversation I remember"
_NOTHING: Final = f"{_REMEMBERED} nothing: no earlier messages were given to me."
_PREFERENCES: Final = "I keep your preferences in mind:"
_INTRODUCTION: Final = "I am the offline demo model: I need no key, and I know only what I remember."
_OWN: Final = re.compile(rf"^{_REMEMBERED}", re.MULTILINE)

_GREETING: Final = re.compile(r"(?:hello|hi|hey|good (?:morning|afternoon|evening))\b[^?]{0,40}$", re.IGNORECASE)
_THANKS: Final = re.compile(r"(?:thanks|thank you)\b[^?]{0,40}$", re.IGNORECASE)
_QUESTION: Final = re.compile(
    r"(?:what|who|where|when|why|how|which|do|does|did|is|am|are|was|can|could|tell me|remind me|list|show)\b",
    re.IGNORECASE,
)
_ASKS_NAME: Final = re.compile(r"\b(?:my name|who (?:am i|i am)|what am i called)\b", re.IGNORECASE)
_ASKS_COMPARISON: Final = re.compile(r"\blayers?\b.*\b(?:table|code)\b", re.IGNORECASE | re.DOTALL)
_COMPARISON: Final = """## Two layers, compared

Redis holds the **newest exchanges** of a thread, and PostgreSQL holds *everything*.

| Layer | Holds | If it is down |
|---|---|---|
| Redis | the newest 50 exchanges of a thread | PostgreSQL answers |
| PostgreSQL | every exchange | the queue keeps new exchanges |

```python
def load_history(thread_id: str) -> list[Message]:
    cached = redis.lrange(f"thread:{thread_id}:messages", 0, -1)
    if is_complete(cached):
        return parse(cached)
    return postgres.messages(thread_id)  # and Redis is refilled
```"""
_ASKS_MODEL: Final = re.compile(r"\b(?:who|what|how) are you\b|\bwhat can you do\b|\byour name\b", re.IGNORECASE)


def compose(prompt: str, instructions: str, tool_results: Sequence[tuple[str, str]]) -> str:
    """Return the answer. Equal arguments produce equal answers.

    Args:
        prompt: The user's message.
        instructions: The instructions with the memory.
        tool_results: The name and result of each tool call.
    """
    memory = find_memory(instructions)
    parts = [f"I used `{name}`: {_shorten(result, MAX_TOOL_RESULT)}" for name, result in tool_results]
    if not parts:
        parts.append(_reply(prompt.strip(), memory))
    parts.append(_list_messages(memory))
    if memory.preferences:
        quotes = [f"- {_shorten(line, MAX_PREFERENCE_QUOTE)}" for line in memory.preferences[:MAX_PREFERENCES]]
        parts.append("\n".join([_PREFERENCES, "", *quotes]))
    if not any(_INTRODUCTION in content for role, content in memory.messages if role == "assistant"):
        parts.append(_INTRODUCTION)
    return "\n\n".join(parts)


def _reply(prompt: str, memory: VisibleMemory) -> str:
    """Return the first part of the answer, in the words of a person."""
    if _ASKS_COMPARISON.search(prompt):
        return _COMPARISON
    name = find_name(memory)
    to_name = f", {name}" if name else ""
    if new_name := name_in(prompt):
        return f"Nice to meet you, {new_name}!" if new_name != name else f"Yes, {new_name}, I remember your name."
    if _GREETING.match(prompt):
        return f"Hello{to_name}! What would you like to tell me, or to ask?"
    if _THANKS.match(prompt):
        return f"You are welcome{to_name}!"
    if prompt.endswith(QUESTION_MARKS) or _QUESTION.match(prompt):
        return _reply_to_question(prompt, memory, name)
    return f"Noted{to_name}: {_quote(prompt, MAX_SENTENCE)}"


def _reply_to_question(question: str, memory: VisibleMemory, name: str | None) -> str:
    if _ASKS_MODEL.search(question):
        return "I show what an agent remembers. Tell me something about you, then ask me about it."
    if _ASKS_NAME.search(question):
        return f"Your name is {name}." if name else "You have not told me your name yet."
    if not memory.user_messages and not memory.preferences:
        return f"I cannot answer {_quote(question, MAX_SENTENCE)}, because I know nothing about you yet."
    if not keywords(question):
        return "Here is what I know."
    sentences = find_sentences(question, [*memory.user_messages, *memory.preferences])
    if not sentences:
        return f"I remember nothing that answers {_quote(question, MAX_SENTENCE)}"
    from_messages = [_quote(each, MAX_SENTENCE) for each in sentences if each not in memory.preferences]
    preferred = [_quote(each, MAX_SENTENCE) for each in sentences if each in memory.preferences]
    answers = [f"You told me: {' '.join(from_messages)}"] if from_messages else []
    answers += [f"Your preferences say: {' '.join(preferred)}"] if preferred else []
    return "\n\n".join(answers)


def _list_messages(memory: VisibleMemory) -> str:
    """Return a list of the user's messages, and of the answers that another model wrote."""
    count = len(memory.user_messages)
    latest = memory.messages[-MAX_MESSAGES:]
    quotes = [_list_item(role, content) for role, content in latest if role == "user" or not _OWN.search(content)]
    if not quotes:
        return _NOTHING
    if len(latest) < len(memory.messages):
        return "\n".join([f"{_REMEMBERED} {count} messages of yours. The latest:", "", *quotes])
    return "\n".join([f"{_REMEMBERED}:", "", *quotes])


def _list_item(role: str, content: str) -> str:
    if role == "user":
        return f"- {_quote(content, MAX_USER_QUOTE)}"
    return f"- I answered: {_quote(content.split(chr(10), 1)[0], MAX_ASSISTANT_QUOTE)}"


def _quote(text: str, length: int) -> str:
    return f"“{_shorten(text, length)}”"


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
