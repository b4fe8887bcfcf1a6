"""The plain model of `merge.lua`: what the script is checked against, and what the in-memory cache runs on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal
from uuid import UUID

from shared.models import Exchange
from shared.stores.redis_entries import encode, is_first

_HEAD: Final = re.compile(rb'\{"exchange_id":"([0-9a-f-]+)","order":"([0-9a-f-]+)","created_at":"([^"]+)"')
_OBJECT: Final = re.compile(rb"\{.*[^\s{,]\}", re.DOTALL)
_FIRST: Final = b',"first":true}'


def merge(
    entries: Sequence[bytes],
    exchanges: Iterable[Exchange] = (),
    *,
    most: int,
    only_existing: bool = False,
    mark: Literal["whole", "unknown", ""] = "",
    cutoff: UUID | None = None,
) -> list[bytes]:
    """Return what `merge.lua` makes of a list: the plain model that the script is checked against.

    Args:
        entries: The list, oldest first.
        exchanges: What to merge into it.
        most: The most messages to keep.
        only_existing: Whether to leave an empty list alone.
        mark: As the script's: `whole`, `unknown` or ''.
        cutoff: Order key up to which everything is dropped.
    """
    if only_existing and not entries:
        return []
    strangers: list[bytes] = []
    pairs: dict[str, tuple[str, str, list[bytes]]] = {}
    for entry in entries:
        head = _HEAD.match(entry)
        if head is None:
            strangers.append(entry)
        else:
            exchange_id, order, created_at = (part.decode() for part in head.groups())
            pairs.setdefault(exchange_id, (order, created_at, []))[2].append(entry)
    for exchange in exchanges:
        user, assistant = encode(exchange)
        head = _HEAD.match(user)
        if head is None:
            raise ValueError("an entry of this project's making has no head")
        exchange_id, order, created_at = (part.decode() for part in head.groups())
        if exchange_id not in pairs or created_at < pairs[exchange_id][1]:
            pairs[exchange_id] = (order, created_at, [user, assistant])
    in_order = sorted((order, exchange_id, sides) for exchange_id, (order, _, sides) in pairs.items())
    if cutoff is not None:
        strangers = []
        in_order = [pair for pair in in_order if pair[0] > str(cutoff)]
    merged = (strangers + [entry for _, _, sides in in_order for entry in sides])[-most:]
    return _marked(merged, mark, most)


def _marked(entries: list[bytes], mark: str, most: int) -> list[bytes]:
    can_be_marked = bool(entries) and _OBJECT.fullmatch(entries[0]) is not None and not is_first(entries[0])
    if mark == "whole" and can_be_marked and len(entries) < most:
        return [entries[0][:-1] + _FIRST, *entries[1:]]
    if entries and mark == "unknown" and is_first(entries[0]):
        return [entries[0].removesuffix(_FIRST) + b"}", *entries[1:]]
    return entries
