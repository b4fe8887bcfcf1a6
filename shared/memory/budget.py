"""Selects the part of a window for an agent: whole exchanges, newest first, within limits on tokens, number and bytes.

Refill, seal and order always use the whole window; this module only limits a response or a model's context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from shared.listed_messages import Fields, ListedMessages, fields_of
from shared.memory.context import conversation, join_parts, known_line, lines_of, preferences_text
from shared.memory.known import NOTHING_KNOWN, KnownMemories
from shared.memory.recall import Recall
from shared.memory.search.related import Related
from shared.memory.search.results import SearchItem
from shared.memory.sizes import MAX_BYTES, fit_to_event, size_in_event
from shared.memory.token_count import count_tokens
from shared.metadata import metadata_size
from shared.models import Message

# If the texts have fewer characters, they fit in every encoding. A response contains each text twice, a character takes
# at most twelve bytes, and a fifth of the response is left for other fields.
KNOWN_TITLE: Final = "Known about the user:"
SUMMARY_TITLE: Final = "Summary of the earlier conversation:"
_MAX_UNCHECKED_CHARACTERS: Final = MAX_BYTES // 30


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
class Selection:
    """The selected part of a window.

    Attributes:
        tokens: Upper bound of the tokens in `context`.
        omitted_exchanges: Number of exchanges of the window that are not selected.
        related: The selected related exchanges, the best first.
        known: The selected memories of the user.
    """

    messages: Sequence[Message]
    preferences: dict[str, str]
    context: str
    tokens: int
    omitted_exchanges: int
    related: Sequence[SearchItem] = ()
    known: Sequence[Mapping[str, Any]] = ()

    def add_known(self, known: KnownMemories, max_tokens: int) -> Selection:
        """Return this selection with the memories that fit into the rest of the limit, the newest first."""
        if known is NOTHING_KNOWN:
            return self
        left = max_tokens - self.tokens if max_tokens else None
        lines = [f"{known_line(each)}\n" for each in known.items]
        memories = _fitting_part(f"{KNOWN_TITLE}\n", lines, left)
        summary = [] if known.summary is None else [f"{known_line(known.summary)}\n"]
        left = None if left is None else left - memories.tokens
        summarized = _fitting_part(f"{SUMMARY_TITLE}\n", summary, left)
        chosen = [*known.items[: memories.size], *([known.summary] if known.summary and summarized.size else [])]
        context = join_parts(self.context, memories.text, summarized.text)
        tokens = self.tokens + memories.tokens + summarized.tokens
        return replace(self, context=context, tokens=tokens, known=chosen)

    def add_related(self, related: Related, max_tokens: int) -> Selection:
        """Return this selection with the related exchanges that fit into the rest of the limit; 0 for no limit."""
        if not related.items:
            return self
        shown = {message.exchange_id for message in self.messages}
        selected = related.select(self.tokens, max_tokens, shown)
        context = join_parts(self.context, selected.text)
        return replace(self, context=context, tokens=self.tokens + selected.tokens, related=selected.items)


class _Part(NamedTuple):
    """A part of the context: its text, the number of lines without the title, and its tokens."""

    text: str
    size: int
    tokens: int


def _fitting_part(title: str, lines: Sequence[str], max_tokens: int | None) -> _Part:
    """Return a part with its first lines that fit; None for no limit."""
    # A blank line separates the parts of the context.
    tokens, count = count_tokens(title + "\n"), 0
    for line in lines:
        tokens += count_tokens(line)
        if max_tokens is not None and tokens > max_tokens:
            tokens -= count_tokens(line)
            break
        count += 1
    return _Part(title + "".join(lines[:count])[:-1], count, tokens) if count else _Part("", 0, 0)


def lowest_limit(*limits: int | None) -> int:
    """Return the smallest limit on tokens; 0 and None mean no limit."""
    return min((each for each in limits if each), default=0)


class SelectedMemory:
    """A turn's memory for a model, which may be shortened repeatedly.

    Attributes:
        selection: The last selection.
        related: The exchanges that fill the rest of the limit.
    """

    def __init__(self, recall: Recall, max_tokens: int, related: Related | None = None) -> None:
        self._recall = recall
        self.related = related or Related()
        self._max_tokens = max_tokens
        self.selection = self.select(None)

    def select(self, max_tokens: int | None) -> Selection:
        """Return a selection within this number of tokens; None for the limits of the request and the setting."""
        messages, preferences = self._recall.messages, self._recall.preferences
        if max_tokens is not None and max_tokens <= 0:
            self.selection = Selection([], {}, "", 0, len(_exchanges(messages)))
        else:
            limit = lowest_limit(self._max_tokens, max_tokens)
            selection = select(messages, preferences, Limits(limit)).add_known(self._recall.known, limit)
            self.selection = selection.add_related(self.related, limit)
        return self.selection


def select(messages: Sequence[Message], preferences: Mapping[str, str], limits: Limits) -> Selection:
    """Return a selection within the limits: first whole preferences by name, then whole exchanges, newest first."""
    chosen_preferences, tokens = _fitting_preferences(preferences, limits.tokens)
    exchanges = _exchanges(messages)
    newest: Sequence[list[Fields]] = exchanges[-limits.exchanges :] if limits.exchanges is not None else exchanges
    if limits.has_bytes:
        newest = _fitting_exchanges(newest, chosen_preferences)
    lines, tokens = _fitting_lines(list(map(lines_of, newest)), tokens, limits.tokens)
    chosen = newest[len(newest) - len(lines) :]
    selected = messages[len(messages) - sum(map(len, chosen)) :]
    context = join_parts(conversation("".join(lines)), preferences_text(chosen_preferences))
    return Selection(selected, chosen_preferences, context, tokens, len(exchanges) - len(chosen))


def _exchanges(messages: Sequence[Message]) -> list[list[Fields]]:
    """Return the messages grouped by exchange.

    A message that another program wrote has no exchange id. Such messages form groups that start with a user message.
    """
    exchanges: list[list[Fields]] = []
    last: object = ""
    for message in fields_of(messages):
        exchange_id = message.get("exchange_id")
        if exchange_id != last or (exchange_id is None and message["role"] == "user"):
            exchanges.append([])
        exchanges[-1].append(message)
        last = exchange_id
    return exchanges


def _fitting_preferences(preferences: Mapping[str, str], max_tokens: int) -> tuple[dict[str, str], int]:
    """Return the preferences that fit, in the order of their names, and the number of tokens of their text."""
    chosen: dict[str, str] = {}
    total, next_total = 0, count_tokens("User preferences:\n")
    for name in sorted(preferences):
        next_total += count_tokens(f"{name}: {preferences[name]}\n")
        if max_tokens and next_total > max_tokens:
            break
        chosen[name], total = preferences[name], next_total
    return chosen, total


def _fitting_lines(exchanges: Sequence[str], tokens: int, max_tokens: int) -> tuple[Sequence[str], int]:
    """Return the lines of the newest exchanges that fit, oldest first, and the tokens of the context."""
    # A blank line separates the conversation from the preferences. Line ends are counted with the preceding text.
    prefix_tokens, end = count_tokens("Previous conversation:\n"), "\n" if tokens else ""
    for index in range(len(exchanges) - 1, -1, -1):
        if lines := exchanges[index]:
            cost = prefix_tokens + count_tokens(lines + end)
            if max_tokens and tokens + cost > max_tokens:
                return exchanges[index + 1 :], tokens
            tokens, prefix_tokens, end = tokens + cost, 0, ""
    return exchanges, tokens


def _fitting_exchanges(exchanges: Sequence[list[Fields]], preferences: Mapping[str, str]) -> Sequence[list[Fields]]:
    """Return the newest exchanges that fit into a response, which contains each text twice."""
    characters = sum(len(name) + len(value) for name, value in preferences.items())
    characters += sum(len(each["content"]) for exchange in exchanges for each in exchange)
    characters += sum(
        metadata_size(each["metadata"]) for exchange in exchanges for each in exchange if "metadata" in each
    )
    if characters < _MAX_UNCHECKED_CHARACTERS:
        return exchanges
    bytes_left = MAX_BYTES - 2 * size_in_event(preferences)
    count = fit_to_event(reversed(exchanges), _in_response, bytes_left)
    return exchanges[len(exchanges) - count :]


def _in_response(exchange: list[Fields]) -> object:
    """Return the JSON values of an exchange in a response: each message, and its texts in the context."""
    return [[message, message["role"], message["content"]] for message in ListedMessages(exchange).to_json()]
