"""Selects the part of a window for an agent: whole exchanges, newest first, within limits on tokens, number and bytes.

Refill, seal and order always use the whole window; this module only limits a response or a model's context.
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

# A response contains each text twice. This limit assumes each character's longest form and leaves a fifth for the rest.
_SURELY_SHORT: Final = MAX_BYTES // 30


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the selection.

    Attributes:
        tokens: Maximum tokens of the context; 0 for no limit.
        exchanges: Maximum number of exchanges; None for no limit.
        has_bytes: Whether the response's size limit on Lambda applies.
    """

    tokens: int = 0
    exchanges: int | None = None
    has_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """The selected part of a window.

    Attributes:
        tokens: Upper bound of the tokens in `context`.
        omitted_exchanges: Number of exchanges of the window that are not selected.
    """

    messages: Sequence[Message]
    preferences: dict[str, str]
    context: str
    tokens: int
    omitted_exchanges: int


def smaller(*most: int | None) -> int:
    """Return the smallest limit on tokens; 0 and None mean no limit."""
    return min((each for each in most if each), default=0)


class ShownMemory:
    """A turn's memory for a model, which may be shortened repeatedly.

    Attributes:
        shown: The last selection.
    """

    def __init__(self, recall: Recall, most_tokens: int) -> None:
        self._recall = recall
        self._most_tokens = most_tokens
        self.shown = self.at_most(None)

    def at_most(self, tokens: int | None) -> Shown:
        """Return a selection within this number of tokens; None for the limits of the request and the setting."""
        messages, preferences = self._recall.messages, self._recall.preferences
        if tokens is not None and tokens <= 0:
            self.shown = Shown([], {}, "", 0, len(_exchanges(messages)))
        else:
            self.shown = show(messages, preferences, Limits(smaller(self._most_tokens, tokens)))
        return self.shown


def show(messages: Sequence[Message], preferences: Mapping[str, str], limits: Limits) -> Shown:
    """Return a selection within the limits: preferences by name, then the newest exchanges. All are complete."""
    chosen_preferences, tokens = _first_preferences(preferences, limits.tokens)
    exchanges = _exchanges(messages)
    newest: Sequence[list[Fields]] = exchanges[-limits.exchanges :] if limits.exchanges is not None else exchanges
    if limits.has_bytes:
        newest = _fitting(newest, chosen_preferences)
    lines, tokens = _newest(list(map(lines_of, newest)), tokens, limits.tokens)
    chosen = newest[len(newest) - len(lines) :]
    shown = messages[len(messages) - sum(map(len, chosen)) :]
    context = join_parts(conversation("".join(lines)), preferences_text(chosen_preferences))
    return Shown(shown, chosen_preferences, context, tokens, len(exchanges) - len(chosen))


def _exchanges(messages: Sequence[Message]) -> list[list[Fields]]:
    """Return the messages by exchange; another program's messages form exchanges that start at each `user`."""
    exchanges: list[list[Fields]] = []
    last: object = ""
    for message in fields_of(messages):
        exchange_id = message.get("exchange_id")
        if exchange_id != last or (exchange_id is None and message["role"] == "user"):
            exchanges.append([])
        exchanges[-1].append(message)
        last = exchange_id
    return exchanges


def _first_preferences(preferences: Mapping[str, str], most: int) -> tuple[dict[str, str], int]:
    """Return the first complete preferences by name, and the number of tokens of their part of the context."""
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
    # A blank line separates the conversation from the preferences. Line ends are counted with the preceding text.
    prefix_tokens, end = count_tokens("Previous conversation:\n"), "\n" if tokens else ""
    for place in range(len(exchanges) - 1, -1, -1):
        if lines := exchanges[place]:
            cost = prefix_tokens + count_tokens(lines + end)
            if most and tokens + cost > most:
                return exchanges[place + 1 :], tokens
            tokens, prefix_tokens, end = tokens + cost, 0, ""
    return exchanges, tokens


def _fitting(exchanges: Sequence[list[Fields]], preferences: Mapping[str, str]) -> Sequence[list[Fields]]:
    """Return the newest exchanges that fit into a response, which contains each text twice."""
    characters = sum(len(name) + len(value) for name, value in preferences.items())
    characters += sum(len(each["content"]) for exchange in exchanges for each in exchange)
    characters += sum(
        metadata_size(each["metadata"]) for exchange in exchanges for each in exchange if "metadata" in each
    )
    if characters < _SURELY_SHORT:
        return exchanges
    bytes_left = MAX_BYTES - 2 * size_in_event(preferences)
    count = fit_to_event(reversed(exchanges), _as_sent, bytes_left)
    return exchanges[len(exchanges) - count :]


def _as_sent(exchange: list[Fields]) -> object:
    return [[shown, shown["role"], shown["content"]] for shown in ListedMessages(exchange).to_json()]
