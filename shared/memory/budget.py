"""What of a window an agent is shown: whole exchanges, the newest first to stay, within tokens, number and bytes.

Refill, seal and order always use the whole window; this decides only what an answer or a model is given of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.listed_messages import Fields, ListedMessages, fields_of
from shared.memory.context import conversation, join_parts, lines_of, preferences_text
from shared.memory.recall import Recall
from shared.memory.sizes import MAX_BYTES, fit_to_event, size_in_event
from shared.memory.token_count import count_tokens
from shared.metadata import metadata_size
from shared.models import Message

# So many characters fit an answer twice, each at its longest; a fifth is left for what stands around them.
_SURELY_SHORT: Final = MAX_BYTES // 30


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is shown.

    Attributes:
        tokens: Of the context; 0 for as many as there are.
        exchanges: None for as many as there are.
        has_bytes: Whether the answer is one that Lambda returns.
    """

    tokens: int = 0
    exchanges: int | None = None
    has_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a window.

    Attributes:
        tokens: How many `context` has at most.
        omitted_exchanges: Exchanges of the window that are not shown.
    """

    messages: Sequence[Message]
    preferences: dict[str, str]
    context: str
    tokens: int
    omitted_exchanges: int


def smaller(*most: int | None) -> int:
    """Return the smallest bound of tokens; one of 0 or None is none."""
    return min((each for each in most if each), default=0)


class ShownMemory:
    """What a model is shown of a turn's memory, as often as it has to be less.

    Attributes:
        shown: What it was shown last.
    """

    def __init__(self, recall: Recall, most_tokens: int) -> None:
        self._recall = recall
        self._most_tokens = most_tokens
        self.shown = self.at_most(None)

    def at_most(self, tokens: int | None) -> Shown:
        """Return as much as has so many tokens; None for as many as the request and the setting allow."""
        messages, preferences = self._recall.messages, self._recall.preferences
        if tokens is not None and tokens <= 0:
            self.shown = Shown([], {}, "", 0, len(_exchanges(messages)))
        else:
            self.shown = show(messages, preferences, Limits(smaller(self._most_tokens, tokens)))
        return self.shown


def show(messages: Sequence[Message], preferences: Mapping[str, str], limits: Limits) -> Shown:
    """Return as much as the limits allow: preferences by name, then the newest exchanges, none cut in two."""
    known, tokens = _first_preferences(preferences, limits.tokens)
    exchanges = _exchanges(messages)
    newest: Sequence[list[Fields]] = exchanges[-limits.exchanges :] if limits.exchanges is not None else exchanges
    if limits.has_bytes:
        newest = _fitting(newest, known)
    lines, tokens = _newest(list(map(lines_of, newest)), tokens, limits.tokens)
    chosen = newest[len(newest) - len(lines) :]
    shown = messages[len(messages) - sum(map(len, chosen)) :]
    context = join_parts(conversation("".join(lines)), preferences_text(known))
    return Shown(shown, known, context, tokens, len(exchanges) - len(chosen))


def _exchanges(messages: Sequence[Message]) -> list[list[Fields]]:
    """Return the messages by exchange; of what another program put in the list, each `user` begins one."""
    found: list[list[Fields]] = []
    last: object = ""
    for message in fields_of(messages):
        exchange_id = message.get("exchange_id")
        if exchange_id != last or (exchange_id is None and message["role"] == "user"):
            found.append([])
        found[-1].append(message)
        last = exchange_id
    return found


def _first_preferences(preferences: Mapping[str, str], most: int) -> tuple[dict[str, str], int]:
    """Return the first preferences by name, each whole, and the tokens of their part of the context."""
    shown: dict[str, str] = {}
    total, next_total = 0, count_tokens("User preferences:\n")
    for name in sorted(preferences):
        next_total += count_tokens(f"{name}: {preferences[name]}\n")
        if most and next_total > most:
            break
        shown[name], total = preferences[name], next_total
    return shown, total


def _newest(exchanges: Sequence[str], tokens: int, most: int) -> tuple[Sequence[str], int]:
    """Return the lines of the newest exchanges that fit, oldest first, and the tokens of the whole context."""
    # A blank line parts the conversation from the preferences. Line ends are counted with what they end.
    beside, end = count_tokens("Previous conversation:\n"), "\n" if tokens else ""
    for place in range(len(exchanges) - 1, -1, -1):
        if lines := exchanges[place]:
            cost = beside + count_tokens(lines + end)
            if most and tokens + cost > most:
                return exchanges[place + 1 :], tokens
            tokens, beside, end = tokens + cost, 0, ""
    return exchanges, tokens


def _fitting(exchanges: Sequence[list[Fields]], preferences: Mapping[str, str]) -> Sequence[list[Fields]]:
    """Return the newest exchanges that an answer can hold, which says each text twice."""
    characters = sum(len(name) + len(value) for name, value in preferences.items())
    characters += sum(len(each["content"]) for exchange in exchanges for each in exchange)
    characters += sum(
        metadata_size(each["metadata"]) for exchange in exchanges for each in exchange if "metadata" in each
    )
    if characters < _SURELY_SHORT:
        return exchanges
    left = MAX_BYTES - 2 * size_in_event(preferences)
    count = fit_to_event(reversed(exchanges), _said_twice, left)
    return exchanges[len(exchanges) - count :]


def _said_twice(exchange: list[Fields]) -> object:
    return [[shown, shown["role"], shown["content"]] for shown in ListedMessages(exchange).to_json()]
