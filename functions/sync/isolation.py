"""Finds the record that ends the process through its memory, its time or a crash, which no code can catch.

SQS redelivers a batch whose process has ended. Messages of unfinished attempts are then stored one by one, beginning
with the fewest attempts, so that all other records are stored. The record that ends the process has three unfinished
attempts on it alone.
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
    """Records attempts. Without Redis nothing is recorded, and a batch stays together.

    Args:
        attempts: The store of attempts; None to record nothing.
    """

    def __init__(self, attempts: Attempts | None) -> None:
        self._attempts = attempts
        self._noted: set[str] = set()

    def split(self, messages: Sequence[SqsRecord]) -> tuple[list[SqsRecord], list[SqsRecord]]:
        """Return the messages to store together, and those to store one by one, in this order.

        A message gets an error if too many attempts on it have ended the process. Only redelivered messages are
        recorded, so a first delivery costs nothing.
        """
        self._noted.clear()
        again = [message for message in messages if message.receive_count > 1]
        ends = dict(zip((message.message_id for message in again), self._note(again), strict=True))
        together, alone = [], []
        for message in messages:
            if (attempts := ends.get(message.message_id)) is None:
                together.append(message)
            elif attempts < MAX_ENDS:
                alone.append(message)
            else:
                together.append(replace(message, fault=ENDED))
        alone.sort(key=lambda message: ends[message.message_id] or 0)
        return together, alone

    def _note(self, again: Sequence[SqsRecord]) -> list[int | None]:
        if self._attempts is None or not again:
            return [None] * len(again)
        try:
            attempts = self._attempts.note([message.message_id for message in again])
        except StoreUnavailable:
            return [None] * len(again)
        self._noted.update(message.message_id for message in again)
        return attempts

    def note_alone(self, message: SqsRecord) -> None:
        """Count an attempt on one message, before it is stored."""
        if self._attempts is None:
            return
        # Without Redis the message is stored anyway. If the process ends, the message's count is unchanged.
        with suppress(StoreUnavailable):
            self._attempts.note_alone(message.message_id)

    def forget(self, messages: Sequence[SqsRecord]) -> None:
        """Delete the records of these messages' attempts, whatever their result was."""
        noted = [message.message_id for message in messages if message.message_id in self._noted]
        if self._attempts is None or not noted:
            return
        # If Redis does not respond, the records stay. Messages that are redelivered are then stored one by one, and
        # their records are deleted.
        with suppress(StoreUnavailable):
            self._attempts.forget(noted)
