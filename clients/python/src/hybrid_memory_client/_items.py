"""Stores an agent framework's own items in exchanges: texts for all readers, and the complete items in the metadata.

An item is a message, a tool call or its result. One exchange contains the items of a turn: the user's message, the tool
calls and their results, and the answer. A long text that occurs both in an item and in the exchange's texts is stored
once: the item refers to the text. An item that is too large for one exchange is stored in parts. Each part has its own
exchange, and the turn refers to the parts.

In the metadata, `kind` and `steps` are for every reader of the thread. The value under the framework's name is for its
adapter only:

    {"kind": "step",                       only in an exchange without texts, which readers skip
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

from hybrid_memory_client._texts import PARTS, ExchangeTexts, ToolStep, find_reserved_key, insert_references
from hybrid_memory_client._validation import json_error
from hybrid_memory_client.errors import CannotBeKept

# The service accepts 100,000 bytes of metadata. The difference is a reserve.
_MAX_BYTES: Final = 99_000
# Larger items are stored in parts, which leaves space for the rest of the turn.
_MAX_ITEM_BYTES: Final = 64_000
_MAX_PARTS: Final = 200
_MAX_TEXT: Final = 200_000
# The metadata has three levels above an item: the metadata, the framework's object and its list.
_MAX_DEPTH: Final = 61
_MAX_STEPS_BYTES: Final = 8_000
ITEMS: Final = "items"
IDS: Final = "ids"
PART: Final = "part"
RETRACTED: Final = "retracted"
RETRACTED_BY: Final = "by"
KIND: Final = "kind"
STEP: Final = "step"
STEPS: Final = "steps"

OnRefused = Callable[[Any, CannotBeKept], Any]
_Object = TypeVar("_Object")


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item that can be stored.

    Attributes:
        id: Identifies the item. A retraction names this id. An item in two exchanges is read once because of its id.
        parts: The parts of an item that is too large for one exchange; `item` then refers to them.
    """

    id: str
    item: Any
    texts: ExchangeTexts
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExchangeDraft:
    """An exchange to be stored."""

    texts: ExchangeTexts
    metadata: dict[str, Any]
    records: tuple[ItemRecord, ...] = field(default=())


def items_from_objects(
    objects: Sequence[_Object], convert: Callable[[_Object], tuple[Any, ExchangeTexts]], on_refused: OnRefused | None
) -> list[tuple[Any, ExchangeTexts]]:
    """Convert a framework's objects into items with their texts.

    Args:
        objects: The objects.
        convert: Converts one object, or raises `CannotBeKept`.
        on_refused: Returns a replacement for an object that cannot be stored; None skips the object. Without this
            function the error is raised.

    Raises:
        CannotBeKept: An object or its replacement cannot be stored.
    """
    items = []
    for each in objects:
        try:
            items.append(_convert(each, convert))
        except CannotBeKept as error:
            if on_refused is None:
                raise
            replacement = on_refused(each, error)
            if replacement is not None:
                items.append(_convert(replacement, convert))
    return items


def make_records(items: Sequence[tuple[Any, ExchangeTexts]]) -> list[ItemRecord]:
    """Return records of the items; large items are split into parts.

    Raises:
        CannotBeKept: An item is not JSON, or too large even in parts; nothing was sent.
    """
    return [_make_record(validate_item(item), _cut(texts)) for item, texts in items]


def validate_item(item: Any) -> Any:
    """Return the item after a round trip through JSON.

    Raises:
        CannotBeKept: The item is not JSON, the round trip changed it, or it has a reserved key.
    """
    if reason := json_error(item, _MAX_DEPTH):
        raise CannotBeKept(f"an item is not JSON that the memory can store: {reason}")
    copied = json.loads(json.dumps(item))
    if copied != item:
        raise CannotBeKept("JSON would change an item: it has no tuples")
    if key := find_reserved_key(copied):
        raise CannotBeKept(f"an item has the reserved key {key!r}")
    return copied


def make_drafts(framework: str, items: Sequence[ItemRecord]) -> list[ExchangeDraft]:
    """Return the exchanges that hold the items: one, or more if their size requires it.

    Args:
        framework: The framework's name, under which the items are stored.
        items: The items.
    """
    exchanges: list[ExchangeDraft] = []
    rest = list(items)
    while rest:
        count = len(rest)
        while (draft := make_draft(framework, rest[:count])) is None:
            count = (count + 1) // 2
        exchanges.append(draft)
        rest = rest[count:]
    return exchanges


def make_draft(framework: str, items: Sequence[ItemRecord]) -> ExchangeDraft | None:
    """Return one exchange that contains all the items, or None if it would be too large."""
    texts = ExchangeTexts(
        _join_texts([each.texts.user for each in items]),
        _join_texts([each.texts.assistant for each in items]),
        tuple(step for each in items for step in each.texts.steps),
        any(each.texts.starts_turn for each in items),
    )
    if len(items) > 1 and max(len(texts.user), len(texts.assistant)) > _MAX_TEXT:
        return None
    framework_part = {ITEMS: [insert_references(each.item, texts) for each in items], IDS: [each.id for each in items]}
    is_step = not (texts.is_prompt or texts.user or texts.assistant)
    metadata: dict[str, Any] = {**({KIND: STEP} if is_step else {}), framework: framework_part}
    if (steps := _limit_steps(texts.steps)) and _json_size({**metadata, STEPS: steps}) <= _MAX_BYTES:
        metadata[STEPS] = steps
    if _json_size(metadata) > _MAX_BYTES and len(items) > 1:
        return None
    return ExchangeDraft(texts, metadata, tuple(items))


def make_part_drafts(framework: str, record: ItemRecord) -> list[ExchangeDraft]:
    """Return the exchanges that hold the parts of a large item."""
    return [
        ExchangeDraft(ExchangeTexts(), {KIND: STEP, framework: {PART: [record.id, number, part]}})
        for number, part in enumerate(record.parts)
    ]


def make_retraction(framework: str, item_id: str, caller_id: str) -> ExchangeDraft:
    """Return the exchange that retracts an item. The item stays stored, but readers of this framework skip it.

    Args:
        framework: The framework's name.
        item_id: The item's id.
        caller_id: Identifies the caller. If several callers retract one item, only the first succeeds.
    """
    return ExchangeDraft(ExchangeTexts(), {KIND: STEP, framework: {RETRACTED: [item_id], RETRACTED_BY: caller_id}})


def join_parts(parts: Sequence[str]) -> Any:
    """Return the item that the parts contain."""
    return json.loads(zlib.decompress(base64.b64decode("".join(parts))))


def _convert(each: _Object, convert: Callable[[_Object], tuple[Any, ExchangeTexts]]) -> tuple[Any, ExchangeTexts]:
    try:
        item, texts = convert(each)
    except (ValueError, TypeError, RecursionError) as error:
        # The framework's own conversion failed.
        raise CannotBeKept(f"an item is not JSON: {error}") from error
    return validate_item(item), texts


def _make_record(item: Any, texts: ExchangeTexts) -> ItemRecord:
    item_id = secrets.token_hex(6)
    if _json_size(insert_references(item, texts)) <= _MAX_ITEM_BYTES:
        return ItemRecord(item_id, item, texts)
    packed = base64.b64encode(zlib.compress(json.dumps(item, ensure_ascii=False).encode())).decode()
    parts = tuple(packed[start : start + _MAX_BYTES - 1_000] for start in range(0, len(packed), _MAX_BYTES - 1_000))
    if len(parts) > _MAX_PARTS:
        raise CannotBeKept(f"an item is larger than {_MAX_PARTS} exchanges can hold")
    return ItemRecord(item_id, {PARTS: [item_id, len(parts)]}, texts, parts)


def _cut(texts: ExchangeTexts) -> ExchangeTexts:
    return replace(texts, user=texts.user[:_MAX_TEXT], assistant=texts.assistant[:_MAX_TEXT])


def _json_size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _join_texts(texts: Sequence[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def _limit_steps(steps: Sequence[ToolStep]) -> list[dict[str, str]]:
    """Return as many steps as the limit allows. Steps are for display only; the stored items are complete."""
    steps_as_json: list[dict[str, str]] = []
    for step in steps:
        steps_as_json.append(step.to_json())
        if _json_size(steps_as_json) > _MAX_STEPS_BYTES:
            return steps_as_json[:-1]
    return steps_as_json
