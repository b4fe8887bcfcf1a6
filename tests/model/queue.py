"""An exchange queue and a dead-letter queue in memory. The test controls their deliveries."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import InvalidRecord
from shared.models import Exchange
from shared.sqs_record import SqsRecord
from tests.model.faults import Faults

_MAX_RECEIVES: Final = 1_000
_numbers = itertools.count(1)


@dataclass
class SqsMessage:
    """A message of the queue.

    Attributes:
        receives: The number of deliveries.
    """

    body: str
    name: str
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """Return the message as a record of a Lambda event."""
        return {
            "messageId": self.name,
            "receiptHandle": self.name,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
        }


class ControlledQueue:
    """A fake of `SqsQueue` and `SqsQueues`.

    Attributes:
        waiting: Undrained messages, including those that are being drained.
        history: All messages that were drained and deleted. A standard queue may deliver them again.
        dead: The dead-letter queue.
        over_received: Messages that the queue moved to the dead-letter queue after too many receives.
        on_send: A function that is called with each exchange before the exchange is sent.
    """

    def __init__(self, faults: Faults, on_send: Callable[[Exchange], None]) -> None:
        self._faults = faults
        self._on_send = on_send
        self.waiting: list[SqsMessage] = []
        self.history: list[SqsMessage] = []
        self.dead: list[SqsMessage] = []
        self.over_received: list[SqsMessage] = []

    def put(self, body: str) -> None:
        """Add a body to the queue."""
        self.waiting.append(SqsMessage(body, f"message-{next(_numbers)}"))

    def receive(self, sqs_messages: Sequence[SqsMessage]) -> list[dict[str, Any]]:
        """Return the records of an event. Messages with too many receives go to the dead-letter queue instead."""
        event = []
        for sqs_message in sqs_messages:
            sqs_message.receives += 1
            if sqs_message.receives > _MAX_RECEIVES:
                self.waiting.remove(sqs_message)
                self.over_received.append(sqs_message)
                self.dead.append(sqs_message)
            else:
                event.append(sqs_message.record())
        return event

    def delete(self, sqs_messages: Sequence[SqsMessage], failed: Sequence[str]) -> None:
        """Delete the messages that did not fail, as the event source mapping does."""
        for sqs_message in sqs_messages:
            if sqs_message.name not in failed and sqs_message in self.waiting:
                self.waiting.remove(sqs_message)
                self.history.append(sqs_message)

    def move_to_dead_letters(self, sqs_message: SqsMessage) -> None:
        """Move a waiting message to the dead-letter queue."""
        self.waiting.remove(sqs_message)
        self.dead.append(sqs_message)

    def redrive(self, sqs_message: SqsMessage) -> None:
        """Move a dead letter back as a new message."""
        self.dead.remove(sqs_message)
        self.put(sqs_message.body)

    # - the agent function's methods ---

    def send(self, exchange: Exchange) -> None:
        """Add an exchange to the queue."""
        self._on_send(exchange)
        self._faults.call_queue(lambda: self.put(exchange.to_wire()))

    def depth(self) -> int:
        """Return the number of waiting messages."""
        return self._faults.call_queue(lambda: len(self.waiting))

    def ping(self) -> None:
        """Raise an error unless the queue responds."""
        self._faults.call_queue(lambda: None)

    # - the sync function's methods ---

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Add a message to the dead-letter queue."""
        del detail
        self._faults.call_queue(lambda: self.dead.append(SqsMessage(message.body, reason)))

    def dead_letter_body(self, body: str, error: InvalidRecord, _: str | None) -> None:
        """Add a body to the dead-letter queue."""
        self._faults.call_queue(lambda: self.dead.append(SqsMessage(body, error.reason)))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Change nothing, because the test chooses the messages to deliver."""
        del messages, seconds
        self._faults.call_queue(lambda: None)


class FaultlessQueue:
    """A view of the queue without faults, for read-only processes."""

    def __init__(self, queue: ControlledQueue) -> None:
        self._queue = queue

    def send(self, exchange: Exchange) -> None:
        """Fail, because a read-only process sends nothing."""
        raise NotImplementedError(exchange.exchange_id)

    def depth(self) -> int:
        """Return the number of waiting messages."""
        return len(self._queue.waiting)

    def ping(self) -> None:
        """Return immediately, because this queue is always up."""
