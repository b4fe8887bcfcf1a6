"""Finds the record that ends the process: by memory, by time, or by a crash, which no code can catch.

SQS brings a batch back whose process has ended, again and again. What an attempt did not come back from is stored
alone, the least suspect first, so that all but the record that ends the process are stored. Three attempts show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from functions.sync.received import SqsRecord
from shared.errors import InvalidRecord, StoreUnavailable
from shared.stores.attempts import Attempts

MAX_ENDS: Final = 3
ENDED: Final = InvalidRecord("process_ended", "the process ended three times while this record alone was stored")


class Isolation:
    """Notes attempts. Without Redis nothing is noted, and a batch stays together.

    Args:
        attempts: Where; None to note nothing.
    """

    def __init__(self, attempts: Attempts | None) -> None:
        self._attempts = attempts
        self._noted: set[str] = set()

    def split(self, messages: Sequence[SqsRecord]) -> tuple[list[SqsRecord], list[SqsRecord]]:
        """Return what is stored together, and what is stored alone, in this order.

        For which the process has ended often enough has a fault. Only what was received before is noted: all else
        costs nothing.
        """
        self._noted.clear()
        again = [message for message in messages if message.receive_count > 1]
        ends = dict(zip((message.message_id for message in again), self._note(again), strict=True))
        together, alone = [], []
        for message in messages:
            if (known := ends.get(message.message_id)) is None:
                together.append(message)
            elif known < MAX_ENDS:
                alone.append(message)
            else:
                together.append(replace(message, fault=ENDED))
        alone.sort(key=lambda message: ends[message.message_id] or 0)
        return together, alone

    def _note(self, again: Sequence[SqsRecord]) -> list[int | None]:
        if self._attempts is None or not again:
            return [None] * len(again)
        try:
            found = self._attempts.note([message.message_id for message in again])
        except StoreUnavailable:
            return [None] * len(again)
        self._noted.update(message.message_id for message in again)
        return found

    def note_alone(self, message: SqsRecord) -> None:
        """Count an attempt on one message, before it is stored."""
        if self._attempts is None:
            return
        # Without Redis it is stored all the same: should the process end, it is as suspect as it was.
        with suppress(StoreUnavailable):
            self._attempts.note_alone(message.message_id)

    def forget(self, messages: Sequence[SqsRecord]) -> None:
        """Forget the attempts on these, whatever came of them."""
        noted = [message.message_id for message in messages if message.message_id in self._noted]
        if self._attempts is None or not noted:
            return
        # Without Redis they are stored alone should they come again, and then forgotten.
        with suppress(StoreUnavailable):
            self._attempts.forget(noted)
