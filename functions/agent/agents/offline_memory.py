"""Finds the memory in the instructions of the `offline` model, and the facts in that memory."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_CONVERSATION: Final = "Previous conversation:"
_PREFERENCES: Final = "User preferences:"
_ROLE: Final = re.compile(r"^(user|assistant|system|tool): ")

_READ_LENGTH: Final = 2_000  # facts are searched in the first characters of each text
_MAX_SENTENCES: Final = 3
QUESTION_MARKS: Final = ("?", "\uff1f")
_GREETED: Final = r"(?P<short>call me|(?:hello|hi|hey)\b[,.! ]{1,3}i(?: am|['\u2019]m))"
_NAME_LEAD: Final = rf"\b(?:my name is|my name['\u2019]s|{_GREETED}) +"
# A name may have every character except spaces and punctuation, because combining marks do not count as letters.
_NAME_WORD: Final = r"[^\W\d_][^\s.,;:!?\"(){}<>\[\]*`\u3002\uff01\uff1f\uff0c]{0,40}"
_NAME: Final = re.compile(rf"{_NAME_LEAD}({_NAME_WORD}(?: {_NAME_WORD}){{0,3}})", re.IGNORECASE)
_NO_NAMES: Final = frozenset({"a", "an", "at", "hard", "in", "it", "not", "on", "secret", "the", "too", "what"})
_NAME_PREFERENCES: Final = frozenset({"name", "user_name", "first_name", "preferred_name", "display_name", "nickname"})
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\n+")
_WORD: Final = re.compile(r"[^\W_]+")
_ENDINGS: Final = ("ing", "ed", "es", "s", "e")
_MIN_STEM: Final = 3
_MIN_WORD: Final = 5
_SYNONYMS: Final = {"love": "like", "enjoy": "like", "adore": "like", "prefer": "like", "preferred": "like"} | {
    "favourite": "favorite",
    "colour": "color",
    "job": "work",
}
_STOP_WORDS: Final = frozenset(
    _WORD.findall(
        """a about all am an and anything any are as at be been but by call called can could d did do does everything
        for from had has have he her his how i if in is it its just know last ll m many me mention mentioned mine more
        much my name named of on or our please re recall remember remind said say she should so talk talked tell that
        the their them there they thing things this to told us ve was we were what when where which who why will with
        would you your"""
    )
)
_PLACE_OR_TIME: Final = {
    "where": re.compile(r"\b(?:in|at|near|from|to)\b", re.IGNORECASE),
    "when": re.compile(r"\d|\b(?:on|at|in|since|until|tomorrow|today|yesterday)\b", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class VisibleMemory:
    """The memory found in instructions.

    Attributes:
        messages: The role and content of each message, oldest first. A content may have several lines.
        preferences: Each as `key: value`.
    """

    messages: tuple[tuple[str, str], ...]
    preferences: tuple[str, ...]

    @property
    def user_messages(self) -> tuple[str, ...]:
        """The user's messages, oldest first."""
        return tuple(content for role, content in self.messages if role == "user")


def find_memory(instructions: str) -> VisibleMemory:
    """Return the memory that was appended to the instructions."""
    lines = instructions.split("\n")
    # A message may contain the same lines as the headings. The conversation begins at its first heading, and the
    # preferences begin at their last heading, because they are at the end.
    preferences_start = max((i for i, line in enumerate(lines) if line == _PREFERENCES), default=len(lines))
    start = next((i for i, line in enumerate(lines[:preferences_start]) if line == _CONVERSATION), preferences_start)
    messages: list[tuple[str, list[str]]] = []
    for line in lines[start + 1 : preferences_start]:
        if role := _ROLE.match(line):
            messages.append((role[1], [line[role.end() :]]))
        elif messages:
            messages[-1][1].append(line)
    return VisibleMemory(
        messages=tuple((role, "\n".join(content).rstrip("\n")) for role, content in messages),
        preferences=tuple(line for line in lines[preferences_start + 1 :] if line),
    )


def find_name(memory: VisibleMemory) -> str | None:
    """Return the user's name: the last one in the user's messages, otherwise one in the preferences."""
    for message in reversed(memory.user_messages):
        if name := name_in(message):
            return name
    pairs = (line.partition(": ") for line in memory.preferences)
    return next((value.strip()[:80] for key, _, value in pairs if key.lower() in _NAME_PREFERENCES), None) or None


def name_in(text: str) -> str | None:
    """Return the name that the user gives in a text; None if there is none."""
    for found in reversed(list(_NAME.finditer(text[:_READ_LENGTH]))):
        first, *others = found[2].split()
        # "Call me later" and "Hi, I am tired" have no name.
        if first.lower() in _NO_NAMES or (found["short"] and not first[0].isupper()):
            continue
        more = next((i for i, word in enumerate(others) if not word[0].isupper()), len(others))
        return " ".join([first, *others[:more]])
    return None


def keywords(text: str) -> frozenset[str]:
    """Return the stems of a text's words, without stop words, which any text may contain."""
    words = {word.lower() for word in _WORD.findall(text[:_READ_LENGTH])}
    return frozenset(_stem(word) for word in words - _STOP_WORDS)


def find_sentences(question: str, texts: Sequence[str]) -> list[str]:
    """Return the texts' sentences that have the most keywords of the question, oldest first, at most three.

    A sentence needs at least half of the keywords.
    """
    question_keywords = keywords(question)
    asks_for = next((_PLACE_OR_TIME[word] for word in question.lower().split()[:1] if word in _PLACE_OR_TIME), None)
    scores: dict[str, tuple[int, bool]] = {}
    for sentence in _sentences(texts):
        matching = len(question_keywords & keywords(sentence))
        if matching and 2 * matching >= len(question_keywords):
            scores[sentence] = (matching, bool(asks_for and asks_for.search(sentence)))
    best = max(scores.values(), default=None)
    return [sentence for sentence, score in scores.items() if score == best][-_MAX_SENTENCES:]


def _sentences(texts: Iterable[str]) -> list[str]:
    """Return the sentences that are no questions, without duplicates."""
    parts = (part.strip() for text in texts for part in _SENTENCE_END.split(text[:_READ_LENGTH]))
    return list(dict.fromkeys(part for part in parts if part and not part.endswith(QUESTION_MARKS)))


def _stem(word: str) -> str:
    """Return the word without its ending, so that "live" and "lives" are equal."""
    word = _SYNONYMS.get(word, word)
    if len(word) >= _MIN_WORD:
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM:
                return _SYNONYMS.get(word.removesuffix(ending), word.removesuffix(ending))
    return word.removesuffix("s").removesuffix("e") if len(word) > _MIN_STEM else word
