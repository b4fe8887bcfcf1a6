"""The plain model of `merge.lua`: what the script is checked against, and what the in-memory cache runs on."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from shared.models import Exchange, format_time
from shared.stores.redis_entries import OWN, encode, seal, seal_of, unsealed

_OBJECT: Final = re.compile(rb"\{.*[^\s{,]\}", re.DOTALL)
_PAIR: Final = 2


def merge(
    entries: Sequence[bytes],
    exchanges: Sequence[Exchange] = (),
    *,
    most: int,
    only_existing: bool = False,
    mark: str = "",
    cutoff: UUID | None = None,
    deleted: Collection[UUID] = (),
    is_stored: bool = False,
) -> list[bytes]:
    """Return what `merge.lua` makes of a list: the plain model that the script is checked against.

    Args:
        entries: The list, oldest first.
        exchanges: What to merge into it.
        most: The most messages to keep.
        only_existing: Whether to leave an empty list alone.
        mark: As the script's: `whole G`, `ID G`, either with `:older` before the blank, `unknown` or ''.
        cutoff: Order key up to which everything is dropped.
        deleted: Exchanges whose entries are dropped.
        is_stored: Whether the exchanges are PostgreSQL's, which decides between two that share a revision.
    """
    if only_existing and not entries:
        return []
    if cutoff is None and not exchanges and not deleted:
        return _marked(list(entries), mark, most)
    if cutoff is None and not deleted and _is_newest(entries, exchanges):
        return _marked(_appended(entries, exchanges[0], most), mark, most)
    gone = {str(exchange_id) for exchange_id in deleted}
    return _marked(_rebuilt(entries, exchanges, most, cutoff, gone, is_stored=is_stored), mark, most)


def _appended(entries: Sequence[bytes], exchange: Exchange, most: int) -> list[bytes]:
    pushed = [*entries, *encode(exchange)][-most:]
    sealed = seal_of(entries[0]) if entries else None
    if len(entries) + _PAIR > most and sealed is not None:
        pushed[0] = _with(pushed[0], seal("whole", sealed[1]))
    return pushed


def _rebuilt(
    entries: Sequence[bytes],
    exchanges: Sequence[Exchange],
    most: int,
    cutoff: UUID | None,
    gone: Collection[str],
    *,
    is_stored: bool,
) -> list[bytes]:
    strangers: list[bytes] = []
    pairs: dict[str, tuple[str, tuple[int, str], list[bytes]]] = {}
    first: tuple[str, str, tuple[str, str]] | None = None
    for entry in entries:
        head = OWN.match(entry)
        if head is None:
            strangers.append(entry)
            continue
        exchange_id, order, created_at, revision = (part.decode() for part in head.groups(b"0"))
        if sealed := seal_of(entry):
            first = first or (order, exchange_id, sealed)
        # The highest revision sorts first, then the earliest.
        rank = -int(revision), created_at
        pairs.setdefault(exchange_id, (order, rank, []))[2].append(unsealed(entry))
    for exchange in exchanges:
        exchange_id, rank = str(exchange.exchange_id), (-exchange.revision, format_time(exchange.created_at))
        known = pairs[exchange_id][1] if exchange_id in pairs else None
        if known is None or rank < known or (is_stored and rank == known):
            pairs[exchange_id] = (str(exchange.order), rank, list(encode(exchange)))
    in_order = sorted(
        (order, exchange_id, sides) for exchange_id, (order, _, sides) in pairs.items() if exchange_id not in gone
    )
    if cutoff is not None:
        strangers = []
        in_order = [pair for pair in in_order if pair[0] > str(cutoff)]
    untrimmed = strangers + [entry for _, _, sides in in_order for entry in sides]
    merged = untrimmed[-most:]
    if first is not None and first[1] in gone:
        _inherit(merged, first, is_trimmed=len(untrimmed) > most)
    elif first is not None and pairs[first[1]][0] == first[0] and merged:
        _pass_on(merged, first, most)
    return merged


def _inherit(merged: list[bytes], first: tuple[str, str, tuple[str, str]], *, is_trimmed: bool) -> None:
    """Seal what follows a sealed entry that was deleted."""
    order, exchange_id, (claim, generation) = first
    for at, entry in enumerate(merged):
        head = OWN.match(entry)
        if head is not None and (head[2].decode(), head[1].decode()) > (order, exchange_id):
            merged[at] = _with(entry, seal("whole" if at or is_trimmed else claim, generation))
            return


def _is_newest(entries: Sequence[bytes], exchanges: Sequence[Exchange]) -> bool:
    """Return whether this is one exchange that comes after all others, under an id that is its order key."""
    if len(exchanges) != 1 or exchanges[0].order != exchanges[0].exchange_id:
        return False
    tail = OWN.match(entries[-1]) if entries else None
    return not entries or (tail is not None and str(exchanges[0].order) > tail[2].decode())


def _pass_on(merged: list[bytes], first: tuple[str, str, tuple[str, str]], most: int) -> None:
    """Seal the entry from which on nothing is missing, now that others may have come before it or it may have left."""
    order, exchange_id, (claim, generation) = first
    head = OWN.match(merged[0])
    at = 0
    if head is not None and head[1].decode() == exchange_id:
        pass
    elif head is not None and (head[2].decode(), head[1].decode()) > (order, exchange_id):
        claim = "first" if len(merged) < most else "whole"
    else:
        ids = [found[1].decode() if (found := OWN.match(entry)) else "" for entry in merged]
        at, claim = ids.index(exchange_id), "whole"
    merged[at] = _with(merged[at], seal(claim, generation))


def _with(entry: bytes, ending: bytes) -> bytes:
    bare = unsealed(entry)
    return bare[:-1] + ending if _OBJECT.fullmatch(bare) else entry


def _marked(entries: list[bytes], mark: str, most: int) -> list[bytes]:
    if not entries:
        return entries
    target, _, generation = mark.partition(" ")
    has_older, target = target.endswith(":older"), target.removesuffix(":older")
    head = OWN.match(entries[0])
    if generation and (target == "whole" or (head is not None and head[1].decode() == target)):
        claim = "first" if len(entries) < most and not has_older else "whole"
        entries[0] = _with(entries[0], seal(claim, generation))
    elif mark == "unknown":
        entries[0] = unsealed(entries[0])
    return entries
