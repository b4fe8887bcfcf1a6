"""`read.lua` and `merge.lua` in Python. Tests compare the scripts with this module, and the in-memory cache uses it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.ids import acceptance_key
from shared.models import Exchange, format_time
from shared.stores.redis.entries import (
    OWN_ENTRY,
    PLACEHOLDER,
    encode,
    encode_seal_or_token,
    seal_of,
    seal_or_token_of,
    token_of,
    without_placeholder,
    without_seal_or_token,
)

_OBJECT: Final = re.compile(rb"\{.*[^\s{,]\}", re.DOTALL)
_SealOrToken = tuple[str, str] | None


def add_token(entries: Sequence[bytes], max_messages: int, generation: str, token: str) -> list[bytes]:
    """Return a list after `read.lua`, which adds a token to an unsealed list."""
    if not entries:
        return [PLACEHOLDER + encode_seal_or_token("asked", token)]
    sealed = seal_of(entries[0])
    covers_window = sealed is not None and (sealed[0] == "first" or len(entries) >= max_messages)
    if token_of(entries) or (covers_window and sealed is not None and float(sealed[1]) >= float(generation)):
        return list(entries)
    return [_with_seal_or_token(entries[0], ("asked", token)), *entries[1:]]


def merge(
    entries: Sequence[bytes],
    exchanges: Sequence[Exchange] = (),
    *,
    max_messages: int,
    refill: tuple[str, str, str] | None = None,
    cutoff: UUID | None = None,
    deleted: Collection[UUID] = (),
    is_stored: bool = False,
) -> list[bytes] | None:
    """Return a list after `merge.lua`; None for a refill if the list does not have its token.

    Args:
        entries: The list, oldest first.
        exchanges: The exchanges to merge.
        max_messages: Maximum number of messages.
        refill: The token that the list must have, the seal that replaces it (`first` or `whole`), and its generation.
        cutoff: Entries up to this acceptance key are removed, and so are the entries of other programs.
        deleted: Exchanges whose entries are removed.
        is_stored: Whether these are PostgreSQL's exchanges. They also replace entries with the same revision and time
            of acceptance.
    """
    if refill is not None and token_of(entries) != refill[0]:
        return None
    if not entries:
        return []
    is_deletion = cutoff is not None or bool(deleted)
    head, field = without_seal_or_token(entries[0]), seal_or_token_of(entries[0])
    if refill is None and not is_deletion and _is_newest(entries, exchanges):
        pushed = [*without_placeholder(entries), *encode(exchanges[0])]
        trimmed = pushed[-max_messages:]
        if field is not None and len(pushed) > max_messages:
            return [
                _with_seal_or_token(trimmed[0], ("whole" if field[0] == "first" else field[0], field[1])),
                *trimmed[1:],
            ]
        is_moved = field is not None and entries[0] is not trimmed[0]
        return [_with_seal_or_token(trimmed[0], field), *trimmed[1:]] if is_moved else trimmed
    deleted_ids = {str(exchange_id) for exchange_id in deleted}
    others, own = _merged_entries(entries, exchanges, cutoff, deleted_ids, is_stored=is_stored)
    untrimmed = [*others, *own]
    merged = untrimmed[-max_messages:]
    if refill is not None:
        field = ("whole" if len(untrimmed) > max_messages else refill[1], refill[2])
    elif field is not None and (field[0] == "asked" or cutoff is not None):
        field = None if is_deletion else field
    elif field is not None and field[0] == "first":
        is_all = not others or untrimmed[0] == head
        field = ("whole" if len(untrimmed) > max_messages else "first", field[1]) if is_all else None
    elif not merged or _comes_before(merged[0], head):
        field = None
    if not merged:
        return [_with_seal_or_token(PLACEHOLDER + b"}", field)] if field and (refill or not is_deletion) else []
    return [_with_seal_or_token(merged[0], field), *merged[1:]]


def _comes_before(entry: bytes, sealed: bytes) -> bool:
    """Return whether an entry may sort before the sealed entry."""
    if entry == sealed:
        return False
    own_entry, own_sealed = OWN_ENTRY.match(entry), OWN_ENTRY.match(sealed)
    return own_entry is None or own_sealed is None or (own_entry[2], own_entry[1]) < (own_sealed[2], own_sealed[1])


def _merged_entries(
    entries: Sequence[bytes],
    exchanges: Sequence[Exchange],
    cutoff: UUID | None,
    deleted_ids: Collection[str],
    *,
    is_stored: bool,
) -> tuple[list[bytes], list[bytes]]:
    """Return the entries of other programs (foreign entries), and this project's entries in thread order."""
    others: list[bytes] = []
    pairs: dict[str, tuple[str, tuple[int, str], list[bytes], str]] = {}
    for entry in without_placeholder(entries):
        head = OWN_ENTRY.match(entry)
        if head is None:
            others.append(without_seal_or_token(entry))
            continue
        exchange_id, order, created_at, revision, accepted_at = (part.decode() for part in head.groups(b""))
        # The highest revision sorts first. Among equal revisions, the exchange that was accepted first sorts first.
        rank = -int(revision or 0), accepted_at or created_at
        acceptance = str(acceptance_key(UUID(order), datetime.fromisoformat(accepted_at))) if accepted_at else order
        pairs.setdefault(exchange_id, (order, rank, [], acceptance))[2].append(without_seal_or_token(entry))
    for exchange in exchanges:
        exchange_id, rank = str(exchange.exchange_id), (-exchange.revision, format_time(exchange.acceptance_time))
        stored = pairs[exchange_id][1] if exchange_id in pairs else None
        if stored is None or rank < stored or (is_stored and rank == stored):
            pairs[exchange_id] = (str(exchange.order), rank, list(encode(exchange)), str(exchange.acceptance))
    in_order = sorted(
        (order, exchange_id, sides)
        for exchange_id, (order, _, sides, acceptance) in pairs.items()
        if exchange_id not in deleted_ids and acceptance > str(cutoff or "")
    )
    if cutoff is not None:
        others = []
    return others, [entry for _, _, sides in in_order for entry in sides]


def _is_newest(entries: Sequence[bytes], exchanges: Sequence[Exchange]) -> bool:
    """Return whether `exchanges` is one new exchange that sorts after all exchanges of the list."""
    if len(exchanges) != 1:
        return False
    exchange_entries = without_placeholder(entries)
    if len(exchange_entries) != len(entries):
        return not exchange_entries
    tail = OWN_ENTRY.match(exchange_entries[-1])
    if tail is None or str(exchanges[0].order) <= tail[2].decode():
        return False
    ids = {found[1].decode() for entry in exchange_entries if (found := OWN_ENTRY.match(entry))}
    return str(exchanges[0].exchange_id) not in ids


def _with_seal_or_token(entry: bytes, field: _SealOrToken) -> bytes:
    without_field = without_seal_or_token(entry)
    return (
        without_field[:-1] + encode_seal_or_token(*field)
        if field and _OBJECT.fullmatch(without_field)
        else without_field
    )


def set_tombstone(tombstones: dict[str, UUID], name: str, cutoff: UUID) -> None:
    """Store a tombstone, unless a later one is known."""
    tombstones[name] = max(cutoff, tombstones.get(name, cutoff))
