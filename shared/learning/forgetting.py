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
from shared.learning.statements import ENDED, Statement

# Stands for the hash of every slot.
_EVERYTHING: Final = b""
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

    def refuses(
        self, statement: Statement, slot: str, exchange_id: UUID, revision: int, order: UUID, accepted_at: datetime
    ) -> bool:
        """Return whether a deletion refuses a statement.

        Args:
            statement: The statement.
            slot: Its slot among the user's memories.
            exchange_id: The exchange that makes it.
            revision: The revision of this exchange.
            order: The order key of this exchange.
            accepted_at: When this exchange was accepted.
        """
        if not self._by_slot:
            return False
        if any(accepted_at <= each.deleted_at for each in self._by_hash(_EVERYTHING)):
            return True
        of_exchange = self._by_hash(self._exchange_hash(exchange_id, revision))
        if of_exchange and self._statement_hash(slot, statement.value) not in {each.value_hash for each in of_exchange}:
            return True
        reached = [each for each in self.of_slot(slot) if accepted_at <= each.deleted_at]
        if not reached:
            return False
        # What says that a deleted value has ended names it too.
        value_hash = keyed_hash(self._key, slot, statement.value.removeprefix(ENDED))
        return any(each.value_hash == value_hash or each.first <= order <= each.last for each in reached)

    def _by_hash(self, slot_hash: bytes) -> Sequence[Forgotten]:
        return self._by_slot.get(slot_hash, ())

    def _exchange_hash(self, exchange_id: UUID, revision: int) -> bytes:
        return keyed_hash(self._key, "exchange", str(exchange_id), str(revision))

    def _statement_hash(self, slot: str, value: str) -> bytes:
        return keyed_hash(self._key, "statement", slot, value)

    def of_learned(
        self,
        run: Sequence[StoredStatement],
        following: UUID | None,
        at: datetime,
        others: Iterable[StoredStatement] = (),
    ) -> list[Forgotten]:
        """Return the records of the deletion of a learned memory.

        A run of similar free facts has several slots. Another deriver, or a model at its next answer, may say the same
        in another slot and with another quote. So the exchanges of the run teach nothing new: only what is known from
        them already, and stays.

        Args:
            run: The statements that the memory is learned from, the first one first.
            following: The order key of the exchange that states the next value; None if there is none.
            at: The time of the deletion.
            others: The user's other statements. Those of the run's exchanges stay, except for sentences that contain
                what is deleted.
        """
        runs: dict[str, list[StoredStatement]] = {}
        for each in run:
            runs.setdefault(each.statement.slot, []).append(each)
        forgotten = [self.of_run(slot, statements, following, at) for slot, statements in runs.items()]
        quotes: dict[bytes, list[str]] = {}
        for each in run:
            quotes.setdefault(self._exchange_hash(each.exchange_id, each.revision), []).append(each.statement.quote)
        hashes = {(exchange_hash, b"") for exchange_hash in quotes}
        for each in others:
            deleted = quotes.get(self._exchange_hash(each.exchange_id, each.revision))
            if deleted is not None and not (
                each.statement.kind == "summary" and any(quote in each.statement.text for quote in deleted)
            ):
                kept = self._statement_hash(each.slot, each.statement.value)
                hashes.add((self._exchange_hash(each.exchange_id, each.revision), kept))
        return [*forgotten, *(Forgotten(*pair, _FIRST, _LAST, at) for pair in sorted(hashes))]

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

    def of_everything(self, at: datetime) -> Forgotten:
        """Return the record of the deletion of everything that is known of the user."""
        return Forgotten(_EVERYTHING, b"", _FIRST, _LAST, at)
