"""Finds the record that ends the process: it needs too much memory or time, or causes a crash. No code can catch this.

If the process ends, SQS redelivers the batch. Messages with unfinished attempts are then stored one by one, beginning
with the fewest attempts, so that all other records are stored. The record that ends the process is the one with three
unfinished attempts to store it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from shared.errors import InvalidRecord, StoreUnavailable
from shared.sqs_record import SqsRecord
from shared.stores.attempts import Attempts

MAX_PROCESS_ENDS: Final = 3
PROCESS_ENDED: Final = InvalidRecord(
    "process_ended", "the process ended three times while this record alone was stored"
)


class Isolation:
    """Counts the attempts to store a message. If Redis is down, it counts nothing, and a batch is stored as a whole.

    Args:
        attempts: The store of counts; None to count nothing.
    """

    def __init__(self, attempts: Attempts | None) -> None:
        self._attempts = attempts
        self._recorded_ids: set[str] = set()

    def split(self, messages: Sequence[SqsRecord]) -> tuple[list[SqsRecord], list[SqsRecord]]:
        """Return the messages to store in one batch, and those to store one by one, fewest attempts first.

        A message gets an error if too many attempts to store it have ended the process. Only attempts on redelivered
        messages are recorded, so a first delivery needs no call.
        """
        self._recorded_ids.clear()
        redelivered = [message for message in messages if message.receive_count > 1]
        attempts_by_id = dict(
            zip((message.message_id for message in redelivered), self._count_attempts(redelivered), strict=True)
        )
        in_batch, one_by_one = [], []
        for message in messages:
            if (attempts := attempts_by_id.get(message.message_id)) is None:
                in_batch.append(message)
            elif attempts < MAX_PROCESS_ENDS:
                one_by_one.append(message)
            else:
                in_batch.append(replace(message, error=PROCESS_ENDED))
        one_by_one.sort(key=lambda message: attempts_by_id[message.message_id] or 0)
        return in_batch, one_by_one

    def _count_attempts(self, redelivered: Sequence[SqsRecord]) -> list[int | None]:
        if self._attempts is None or not redelivered:
            return [None] * len(redelivered)
        try:
            attempts = self._attempts.note([message.message_id for message in redelivered])
        except StoreUnavailable:
            return [None] * len(redelivered)
        self._recorded_ids.update(message.message_id for message in redelivered)
        return attempts

    def note_alone(self, message: SqsRecord) -> None:
        """Count an attempt on one message, before it is stored."""
        if self._attempts is None:
            return
        # If Redis is down, the message is stored without a count.
        with suppress(StoreUnavailable):
            self._attempts.note_alone(message.message_id)

    def forget(self, messages: Sequence[SqsRecord]) -> None:
        """Delete the counts of these messages' attempts, which have ended with any result."""
        recorded = [message.message_id for message in messages if message.message_id in self._recorded_ids]
        if self._attempts is None or not recorded:
            return
        # If Redis does not respond, the counts stay. Redelivered messages are then stored one by one, and their counts
        # are deleted.
        with suppress(StoreUnavailable):
            self._attempts.forget(recorded)
