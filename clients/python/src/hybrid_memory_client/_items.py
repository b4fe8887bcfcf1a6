"""Stores a framework's own items in exchanges: texts for all readers, and the complete items in the metadata.

One exchange holds a turn: the user's message, the tool calls and their results, and the answer. A long text that occurs
both in an item and in the exchange's texts is stored once: the item refers to the text. An item that is too large for
one exchange is stored in parts, in exchanges of their own, and the turn refers to them.

In the metadata, `kind` and `steps` are for every reader of the thread. The value under the framework's name is for its
adapter only:

    {"kind": "step",                       only without texts: such an exchange is no turn, and readers skip it
     "steps": [{"type": "tool_call", "name": …, "id": …, "text": …}, {"type": "tool_result", …}],
     "<framework>": {"items": […], "ids": […]}, or {"part": […]}, or {"retracted": […], "by": …}}
"""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from hybrid_memory_client._texts import PARTS, Step, Texts, referring, reserved
from hybrid_memory_client._validation import json_error
from hybrid_memory_client.errors import CannotBeKept

# The service accepts 100,000 bytes; the rest is for the metadata around the items.
_MOST_BYTES: Final = 99_000
# Larger items are stored in parts, which leaves space for the rest of the turn.
_MOST_ITEM_BYTES: Final = 64_000
_MOST_PARTS: Final = 200
_MOST_TEXT: Final = 200_000
# The metadata has three levels above an item: the metadata, the framework's object and its list.
_MOST_DEPTH: Final = 61
_MOST_STEPS_BYTES: Final = 8_000
ITEMS: Final = "items"
IDS: Final = "ids"
PART: Final = "part"
RETRACTED: Final = "retracted"
BY: Final = "by"
KIND: Final = "kind"
STEP: Final = "step"
STEPS: Final = "steps"

OnRefused = Callable[[Any, CannotBeKept], Any]
_Object = TypeVar("_Object")


@dataclass(frozen=True, slots=True)
class Record:
    """An item that can be stored.

    Attributes:
        id: Identifies the item. A retraction names this id. An item in two exchanges is read once because of its id.
        parts: The parts of an item that is too large for one exchange; `item` then refers to them.
    """

    id: str
    item: Any
    texts: Texts
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """An exchange to be stored."""

    texts: Texts
    metadata: dict[str, Any]
    records: tuple[Record, ...] = field(default=())


def pairs(
    objects: Sequence[_Object], pair: Callable[[_Object], tuple[Any, Texts]], on_refused: OnRefused | None
) -> list[tuple[Any, Texts]]:
    """Convert a framework's objects into items with their texts.

    Args:
        objects: The objects.
        pair: Converts one object, or raises `CannotBeKept`.
        on_refused: Returns a replacement for an object that cannot be stored; None skips the object. Without this
            function the error is raised.

    Raises:
        CannotBeKept: An object or its replacement cannot be stored.
    """
    items = []
    for each in objects:
        try:
            items.append(_paired(each, pair))
        except CannotBeKept as error:
            if on_refused is None:
                raise
            replacement = on_refused(each, error)
            if replacement is not None:
                items.append(_paired(replacement, pair))
    return items


def records(items: Sequence[tuple[Any, Texts]]) -> list[Record]:
    """Return records of the items; large items are split into parts.

    Raises:
        CannotBeKept: An item is not JSON, or too large even in parts; nothing was sent.
    """
    return [
        _record(checked(item), replace(texts, user=texts.user[:_MOST_TEXT], assistant=texts.assistant[:_MOST_TEXT]))
        for item, texts in items
    ]


def checked(item: Any) -> Any:
    """Return the item after a round trip through JSON.

    Raises:
        CannotBeKept: The round trip changed the item.
    """
    if reason := json_error(item, _MOST_DEPTH):
        raise CannotBeKept(f"an item is not JSON that the memory can store: {reason}")
    copied = json.loads(json.dumps(item))
    if copied != item:
        raise CannotBeKept("an item would come back changed: JSON has no tuples")
    if key := reserved(copied):
        raise CannotBeKept(f"an item has a key {key!r}, which means something else here")
    return copied


def drafts(kind: str, items: Sequence[Record]) -> list[Draft]:
    """Return the exchanges that hold the items: one, or more if their size requires it.

    Args:
        kind: The framework's name, under which the items are stored.
        items: The items.
    """
    exchanges: list[Draft] = []
    rest = list(items)
    while rest:
        count = len(rest)
        while (draft := combined_draft(kind, rest[:count])) is None:
            count = (count + 1) // 2
        exchanges.append(draft)
        rest = rest[count:]
    return exchanges


def combined_draft(kind: str, items: Sequence[Record]) -> Draft | None:
    """Return one exchange that holds all the items, or None if it would be too large."""
    texts = Texts(
        _joined([each.texts.user for each in items]),
        _joined([each.texts.assistant for each in items]),
        tuple(step for each in items for step in each.texts.steps),
        any(each.texts.begins for each in items),
    )
    if len(items) > 1 and max(len(texts.user), len(texts.assistant)) > _MOST_TEXT:
        return None
    own_part = {ITEMS: [referring(each.item, texts) for each in items], IDS: [each.id for each in items]}
    is_step = not (texts.is_prompt or texts.user or texts.assistant)
    metadata: dict[str, Any] = {**({KIND: STEP} if is_step else {}), kind: own_part}
    if (steps := _steps(texts.steps)) and _size({**metadata, STEPS: steps}) <= _MOST_BYTES:
        metadata[STEPS] = steps
    if _size(metadata) > _MOST_BYTES and len(items) > 1:
        return None
    return Draft(texts, metadata, tuple(items))


def part_drafts(kind: str, record: Record) -> list[Draft]:
    """Return the exchanges that hold the parts of a large item."""
    return [
        Draft(Texts(), {KIND: STEP, kind: {PART: [record.id, number, part]}})
        for number, part in enumerate(record.parts)
    ]


def retraction(kind: str, name: str, by: str) -> Draft:
    """Return the exchange that retracts an item. The item stays stored, but readers of this kind skip it.

    Args:
        kind: The framework's name.
        name: The item's id.
        by: Identifies the caller. If several callers retract one item, only the first succeeds.
    """
    return Draft(Texts(), {KIND: STEP, kind: {RETRACTED: [name], BY: by}})


def joined_parts(parts: Sequence[str]) -> Any:
    """Return the item that the parts contain."""
    return json.loads(zlib.decompress(base64.b64decode("".join(parts))))


def _paired(each: _Object, pair: Callable[[_Object], tuple[Any, Texts]]) -> tuple[Any, Texts]:
    try:
        item, texts = pair(each)
    except (ValueError, TypeError, RecursionError) as error:
        # Raised by the framework's own conversions.
        raise CannotBeKept(f"an item is not JSON: {error}") from error
    return checked(item), texts


def _record(item: Any, texts: Texts) -> Record:
    name = secrets.token_hex(6)
    if _size(referring(item, texts)) <= _MOST_ITEM_BYTES:
        return Record(name, item, texts)
    packed = base64.b64encode(zlib.compress(json.dumps(item, ensure_ascii=False).encode())).decode()
    parts = tuple(packed[start : start + _MOST_BYTES - 1_000] for start in range(0, len(packed), _MOST_BYTES - 1_000))
    if len(parts) > _MOST_PARTS:
        raise CannotBeKept(f"an item is larger than {_MOST_PARTS} exchanges can carry beside their texts")
    return Record(name, {PARTS: [name, len(parts)]}, texts, parts)


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _joined(texts: Sequence[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def _steps(steps: Sequence[Step]) -> list[dict[str, str]]:
    """Return as many steps as fit. They are for display only; the items are complete."""
    shown: list[dict[str, str]] = []
    for step in steps:
        shown.append(step.to_json())
        if _size(shown) > _MOST_STEPS_BYTES:
            return shown[:-1]
    return shown
