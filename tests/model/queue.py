"""The exchange queue and its dead-letter queue, in this process, every message in the test's hands."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from functions.sync.received import SqsRecord
from shared.errors import InvalidRecord
from shared.models import Exchange
from tests.model.faults import Faults

_MAX_RECEIVES: Final = 1_000
_numbers = itertools.count(1)


@dataclass
class Letter:
    """A message.

    Attributes:
        receives: How often it was delivered.
    """

    body: str
    name: str
    receives: int = 0

    def record(self) -> dict[str, Any]:
        """Return it as a Lambda event has it."""
        return {
            "messageId": self.name,
            "receiptHandle": self.name,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.receives)},
        }


class ControlledQueue:
    """What `SqsQueue` and `SqsQueues` are to the product.

    Attributes:
        waiting: Not drained yet; also what is being drained.
        history: Everything that ever was delivered: a standard queue may deliver it again.
        dead: The dead-letter queue.
        near_max_receives: Messages that the queue itself gave up on, after too many receives.
        on_send: Told of each exchange before it is sent.
    """

    def __init__(self, faults: Faults, on_send: Callable[[Exchange], None]) -> None:
        self._faults = faults
        self._on_send = on_send
        self.waiting: list[Letter] = []
        self.history: list[Letter] = []
        self.dead: list[Letter] = []
        self.near_max_receives: list[Letter] = []

    def put(self, body: str) -> None:
        """Put a body on the queue."""
        self.waiting.append(Letter(body, f"message-{next(_numbers)}"))

    def receive(self, letters: Sequence[Letter]) -> list[dict[str, Any]]:
        """Return an event of the letters; those that came too often go to the dead-letter queue instead."""
        event = []
        for letter in letters:
            letter.receives += 1
            if letter.receives > _MAX_RECEIVES:
                self.waiting.remove(letter)
                self.near_max_receives.append(letter)
                self.dead.append(letter)
            else:
                event.append(letter.record())
        return event

    def delete(self, letters: Sequence[Letter], failed: Sequence[str]) -> None:
        """Do what the event source mapping does with the answer."""
        for letter in letters:
            if letter.name not in failed and letter in self.waiting:
                self.waiting.remove(letter)
                self.history.append(letter)

    def kill(self, letter: Letter) -> None:
        """Move a waiting message to the dead-letter queue."""
        self.waiting.remove(letter)
        self.dead.append(letter)

    def redrive(self, letter: Letter) -> None:
        """Move a dead message back, as a fresh one."""
        self.dead.remove(letter)
        self.put(letter.body)

    # --- what the agent function asks ---

    def send(self, exchange: Exchange) -> None:
        """Put an exchange on the queue."""
        self._on_send(exchange)
        self._faults.hit_queue(lambda: self.put(exchange.to_wire()))

    def depth(self) -> int:
        """Return how many messages wait."""
        return self._faults.hit_queue(lambda: len(self.waiting))

    def ping(self) -> None:
        """Return if it answers."""
        self._faults.hit_queue(lambda: None)

    # --- what the sync function asks ---

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Put a message on the dead-letter queue."""
        del detail
        self._faults.hit_queue(lambda: self.dead.append(Letter(message.body, reason)))

    def dead_letter_body(self, body: str, error: InvalidRecord, _: str | None) -> None:
        """Put a body on the dead-letter queue."""
        self._faults.hit_queue(lambda: self.dead.append(Letter(body, error.reason)))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Hide messages; here they wait until they are chosen anyway."""
        del messages, seconds
        self._faults.hit_queue(lambda: None)


class HonestQueue:
    """The same queue for whoever only looks at it: it answers."""

    def __init__(self, queue: ControlledQueue) -> None:
        self._queue = queue

    def send(self, exchange: Exchange) -> None:
        """Refuse: who looks sends nothing."""
        raise NotImplementedError(exchange.exchange_id)

    def depth(self) -> int:
        """Return how many messages wait."""
        return len(self._queue.waiting)

    def ping(self) -> None:
        """Return."""
