"""How a framework's own items lie in an exchange: its texts for every reader, the items whole in its metadata.

A long text of an item that is also the exchange's text is not kept twice: the item refers to it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from hybrid_memory_client.errors import CannotBeKept, HistoryDegraded
from hybrid_memory_client.models import Message

# The service takes 100,000 bytes; what surrounds the items has its share.
_MOST_BYTES: Final = 99_000
_SHORT: Final = 40
_REFERENCE: Final = "$exchange"
ITEMS: Final = "items"
RETRACTED: Final = "retracted"


@dataclass(frozen=True, slots=True)
class Texts:
    """What other readers of the thread see of an exchange; '' for a side that says nothing."""

    user: str = ""
    assistant: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """An exchange to be kept."""

    texts: Texts
    metadata: dict[str, Any]


@dataclass(slots=True)
class Entry:
    """An exchange as it was read.

    Attributes:
        kept: What a framework keeps under its name in the metadata; None in an exchange of another writer.
    """

    exchange_id: UUID | None
    texts: Texts
    kept: dict[str, Any] | None

    def items(self) -> list[Any]:
        """Return the framework's items, oldest first."""
        return [_restored(item, self.texts) for item in (self.kept or {}).get(ITEMS, [])]


def drafts(kind: str, items: Sequence[tuple[Any, Texts]]) -> list[Draft]:
    """Return the exchanges that hold the items: one, or as many as their size asks for.

    Args:
        kind: The framework's name, under which the items lie.
        items: Each with what it says to other readers.

    Raises:
        CannotBeKept: An item is no JSON, or too large; nothing was sent.
    """
    made: list[Draft] = []
    rest = list(items)
    while rest:
        count = len(rest)
        while (draft := _draft(kind, rest[:count])) is None:
            if count == 1:
                raise CannotBeKept(
                    f"an item is larger than the {_MOST_BYTES:,} bytes that an exchange can carry beside its texts"
                )
            count = (count + 1) // 2
        made.append(draft)
        rest = rest[count:]
    return made


def retraction(kind: str, count: int) -> Draft:
    """Return the exchange that takes the newest items back: nothing is removed, readers of this kind skip them."""
    return Draft(Texts(), {kind: {RETRACTED: count}})


def _draft(kind: str, items: Sequence[tuple[Any, Texts]]) -> Draft | None:
    texts = Texts(_joined([each.user for _, each in items]), _joined([each.assistant for _, each in items]))
    metadata = {kind: {ITEMS: [_referring(_checked(item), texts) for item, _ in items]}}
    size = len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())
    return Draft(texts, metadata) if size <= _MOST_BYTES else None


def _joined(texts: Sequence[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def _checked(item: Any) -> Any:
    """Return the item as JSON holds it, if that is the same item."""
    try:
        made = json.loads(json.dumps(item, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise CannotBeKept(f"an item is no JSON: {error}") from error
    if made != item:
        raise CannotBeKept("an item would come back changed: JSON has no tuples, and only texts for keys")
    return made


def _referring(value: Any, texts: Texts) -> Any:
    if isinstance(value, str) and len(value) > _SHORT:
        if value == texts.user:
            return {_REFERENCE: "user"}
        return {_REFERENCE: "assistant"} if value == texts.assistant else value
    if isinstance(value, list):
        return [_referring(each, texts) for each in value]
    if isinstance(value, dict):
        if _REFERENCE in value:
            raise CannotBeKept(f"an item has a key {_REFERENCE!r}, which means something else here")
        return {key: _referring(each, texts) for key, each in value.items()}
    return value


def _restored(value: Any, texts: Texts) -> Any:
    if isinstance(value, list):
        return [_restored(each, texts) for each in value]
    if isinstance(value, dict):
        if _REFERENCE in value:
            return texts.user if value[_REFERENCE] == "user" else texts.assistant
        return {key: _restored(each, texts) for key, each in value.items()}
    return value


@dataclass(slots=True)
class NewestFirst:
    """Makes entries of messages that come newest first, and applies retractions to items.

    Attributes:
        retracted: How many of the items still to come are taken back.
    """

    kind: str
    retracted: int = 0
    _open: list[Message] = field(default_factory=list)

    def feed(self, message: Message) -> Entry | None:
        """Take the next message; return the exchange that it shows to be complete."""
        done = None
        if self._open and (message.exchange_id is None or message.exchange_id != self._open[0].exchange_id):
            done = self.end()
        self._open.append(message)
        return done

    def end(self) -> Entry | None:
        """Return the last exchange."""
        sides, self._open = self._open, []
        if not sides:
            return None
        by_role = {message.role: message for message in sides}
        texts = Texts(*(by_role[role].content if role in by_role else "" for role in ("user", "assistant")))
        user = by_role.get("user")
        kept = user.metadata.get(self.kind) if user is not None and user.metadata else None
        return Entry(sides[0].exchange_id, texts, kept if isinstance(kept, dict) else None)

    def left_of(self, entry: Entry, items: Sequence[Any]) -> list[Any]:
        """Return those of an entry's items that were not taken back, oldest first."""
        if entry.kept is not None:
            self.retracted += int(entry.kept.get(RETRACTED, 0))
        gone = min(self.retracted, len(items))
        self.retracted -= gone
        return list(items[: len(items) - gone])


def require_whole(degraded: Sequence[str], *, allow_degraded: bool) -> None:
    """Check what a page says of layers that did not answer.

    Without PostgreSQL the API answers only with what it knows to be whole; without Redis the newest exchanges may be
    missing, those that are not drained yet.

    Raises:
        HistoryDegraded: The page may lack messages.
    """
    missing = [layer for layer in degraded if layer != "postgres"]
    if missing and not allow_degraded:
        raise HistoryDegraded(degraded)
