"""Keyed hashes of deleted memories, and the rule that decides which statements a deletion refuses."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.learning.memories import Forgotten, StoredStatement
from shared.learning.statements import ENDED

_FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=2**128 - 1)


def keyed_hash(key: bytes, *parts: str) -> bytes:
    """Return HMAC-SHA-256 of the parts (RFC 2104). Without the user's key, the parts cannot be guessed from it."""
    return hmac.digest(key, json.dumps(parts).encode(), hashlib.sha256)


class Forgetting:
    """The deleted memories of a user.

    Args:
        key: The user's key. It is deleted with the user.
        forgotten: The user's deleted memories.
    """

    def __init__(self, key: bytes, forgotten: Iterable[Forgotten] = ()) -> None:
        self._key = key
        self._by_slot: dict[bytes, list[Forgotten]] = {}
        for each in forgotten:
            self._by_slot.setdefault(each.slot_hash, []).append(each)

    def with_deletions(self, forgotten: Iterable[Forgotten]) -> Forgetting:
        """Return these deletions with the same key."""
        return Forgetting(self._key, forgotten)

    def of_slot(self, slot: str) -> Sequence[Forgotten]:
        """Return the deleted memories of a slot."""
        return self._by_slot.get(keyed_hash(self._key, slot), ()) if self._by_slot else ()

    def refuses(self, slot: str, value: str, order: UUID, accepted_at: datetime) -> bool:
        """Return whether a deletion refuses a statement of an exchange with this order key and time of acceptance."""
        reached = [each for each in self.of_slot(slot) if accepted_at <= each.deleted_at]
        if not reached:
            return False
        # What says that a deleted value has ended names it too.
        value_hash = keyed_hash(self._key, slot, value.removeprefix(ENDED))
        return any(each.value_hash == value_hash or each.first <= order <= each.last for each in reached)

    def of_run(self, slot: str, run: Sequence[StoredStatement], following: UUID | None, at: datetime) -> Forgotten:
        """Return the record of the deletion of a learned memory.

        Args:
            slot: The memory's slot.
            run: The statements that the memory is learned from, the first one first.
            following: The order key of the exchange that states the next value; None if there is none.
            at: The time of the deletion.
        """
        last = _LAST if following is None else UUID(int=following.int - 1)
        value_hash = keyed_hash(self._key, slot, run[0].statement.value)
        return Forgotten(keyed_hash(self._key, slot), value_hash, run[0].order, last, at)

    def of_slot_deletion(self, slot: str, at: datetime) -> Forgotten:
        """Return the record of the deletion of everything that is known of a slot."""
        return Forgotten(keyed_hash(self._key, slot), b"", _FIRST, _LAST, at)
