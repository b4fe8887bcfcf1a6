"""Derives from the threads of a batch. No record blocks another, and a thread that takes long is continued later."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.errors import InvalidRecord, StoreUnavailable
from shared.redelivery import MIN_JITTER, backoff
from shared.sqs_record import SqsRecord
from shared.stores.derivations import DueThread

_logger = logging.getLogger(__name__)
# SQS redelivers a thread with work left after this time.
_CONTINUE_SECONDS: Final = 1

Derivation = Callable[[str, float], bool]
"""Derives from one thread for a number of seconds, and returns whether nothing is left. Raises `StoreUnavailable`."""


class ReceivedQueue(Protocol):
    """The queues of the derive function. Methods raise `StoreUnavailable`."""

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Send a message to the dead-letter queue, with the reason and the detail as attributes."""
        ...

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Change the messages' visibility timeout."""
        ...


@dataclass(slots=True)
class DeriveResult:
    """The result of a batch.

    Attributes:
        derived: The number of threads with nothing left to derive.
        unfinished: The number of threads that are continued later.
        errors: The number of threads that could not be derived from now.
        dropped: The number of messages of a kind that is switched off.
        failed: Ids of the messages that stay in the queue.
        dead: The number of dead letters by reason.
    """

    derived: int = 0
    unfinished: int = 0
    errors: int = 0
    dropped: int = 0
    failed: list[str] = field(default_factory=list)
    dead: dict[str, int] = field(default_factory=dict)


class Derivations:
    """Derives from the threads that the queue delivers.

    Args:
        kinds: The derivation of each kind; None for a kind that is switched off.
        queue: The derive queue and its dead-letter queue.
        random: Random numbers from 0 to 1, for delays.
    """

    def __init__(
        self,
        kinds: Mapping[str, Derivation | None],
        queue: ReceivedQueue,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._kinds = kinds
        self._queue = queue
        self._random = random

    def run(self, records: Sequence[object], seconds: float) -> DeriveResult:
        """Derive from the batch's threads in about `seconds`."""
        outcome = DeriveResult()
        due: dict[DueThread, list[SqsRecord]] = {}
        for message in [SqsRecord.parse(record) for record in records]:
            try:
                thread = self._read(message)
            except InvalidRecord as error:
                self._dead_letter(message, error, outcome)
                continue
            due.setdefault(thread, []).append(message)
        deadline = time.monotonic() + seconds
        for number, (thread, messages) in enumerate(due.items()):
            # Each thread gets an equal share of the time that is left, so a long thread does not stop the others.
            share = (deadline - time.monotonic()) / (len(due) - number)
            derive = self._kinds[thread.kind]
            if derive is None:
                outcome.dropped += len(messages)
            elif share > 0:
                self._derive(derive, thread, messages, share, outcome)
            else:
                self._continue_later(messages, outcome)
        return outcome

    def _read(self, message: SqsRecord) -> DueThread:
        if message.error is not None:
            raise message.error
        thread = DueThread.from_wire(message.body)
        if thread.kind not in self._kinds:
            raise InvalidRecord("unknown_kind", f"nothing is derived as {thread.kind!r}")
        return thread

    def _derive(
        self,
        derive: Derivation,
        thread: DueThread,
        messages: Sequence[SqsRecord],
        seconds: float,
        outcome: DeriveResult,
    ) -> None:
        try:
            is_done = derive(thread.thread_id, seconds)
        except StoreUnavailable as error:
            _logger.warning("thread not derived from", extra={"kind": thread.kind, "error": str(error)})
            outcome.errors += 1
            self._retry(messages, outcome)
            return
        except Exception:
            # An unexpected error may concern this thread only, so the others are still derived from.
            _logger.exception("thread not derived from", extra={"kind": thread.kind})
            outcome.errors += 1
            self._retry(messages, outcome)
            return
        if is_done:
            outcome.derived += 1
        else:
            self._continue_later(messages, outcome)

    def _continue_later(self, messages: Sequence[SqsRecord], outcome: DeriveResult) -> None:
        outcome.unfinished += 1
        self._leave(messages, _CONTINUE_SECONDS, outcome)

    def _retry(self, messages: Sequence[SqsRecord], outcome: DeriveResult) -> None:
        """Leave messages in the queue, with a delay that grows with each receive."""
        jitter = MIN_JITTER + (1 - MIN_JITTER) * self._random()
        receives = max(message.receive_count for message in messages)
        self._leave(messages, math.ceil(backoff(receives) * jitter), outcome)

    def _leave(self, messages: Sequence[SqsRecord], seconds: int, outcome: DeriveResult) -> None:
        outcome.failed.extend(message.message_id for message in messages)
        try:
            self._queue.change_visibility(messages, seconds)
        except StoreUnavailable as error:
            # SQS redelivers the messages after their visibility timeout.
            _logger.warning("messages keep their visibility timeout", extra={"error": str(error)})

    def _dead_letter(self, message: SqsRecord, error: InvalidRecord, outcome: DeriveResult) -> None:
        fields = {"message_id": message.message_id, "reason": error.reason}
        try:
            self._queue.dead_letter(message, error.reason, error.detail)
        except StoreUnavailable:
            # The message stays in the queue, and SQS itself moves it after too many receives.
            outcome.failed.append(message.message_id)
            _logger.warning("message not sent to the dead-letter queue", extra=fields)
            return
        outcome.dead[error.reason] = outcome.dead.get(error.reason, 0) + 1
        _logger.error("message sent to the dead-letter queue", extra=fields)
