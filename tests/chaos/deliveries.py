"""Makes messages arrive late, out of order, and more than once, as from a standard queue."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.journal import Journal
from tests.chaos.plan import Plan
from tests.chaos.targets import sqs_client

_MAX_BODIES: Final = 2_000
_BATCH_SIZE: Final = 10
_MAX_DELAY_SECONDS: Final = 15
_PAUSE_SECONDS: Final = (0.1, 0.8)
_MAX_RECEIVES: Final = 3
_DRAIN_PRIORITY_SECONDS: Final = 5.0


class Deliveries:
    """Receives messages without deleting them, so that they are delivered again later, and sends copies."""

    def __init__(self, info: dict[str, Any], plan: Plan, journal: Journal) -> None:
        self._sqs = sqs_client(info, read_seconds=10)
        self._url = info["queue_url"]
        self._random = plan.random("deliveries")
        self._journal = journal
        # A random sample of the bodies of all received messages.
        self._bodies: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Start the deliveries."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the deliveries. Hidden and delayed messages become visible by themselves."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._sqs.close()

    def _run(self) -> None:
        while not self._stopped.wait(self._random.uniform(*_PAUSE_SECONDS)):
            with suppress(BotoCoreError, ClientError):
                self._delay_messages()
                self._send_copies()

    def _delay_messages(self) -> None:
        response = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH_SIZE,
            WaitTimeSeconds=1,
            VisibilityTimeout=self._random.randint(1, _MAX_DELAY_SECONDS),
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages = response.get("Messages", [])
        if any(int(message["Attributes"]["ApproximateReceiveCount"]) > _MAX_RECEIVES for message in messages):
            # SQS limits the receives of a message, and the drain needs the remaining receives. Make the messages
            # visible, and receive nothing for a while.
            for message in messages:
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
            self._stopped.wait(_DRAIN_PRIORITY_SECONDS)
            return
        for message in messages:
            self._journal.deliveries_delayed += 1
            if len(self._bodies) < _MAX_BODIES:
                self._bodies.append(message["Body"])
            else:
                self._bodies[self._random.randrange(_MAX_BODIES)] = message["Body"]

    def _send_copies(self) -> None:
        chosen = self._random.sample(self._bodies, min(len(self._bodies), self._random.randint(0, _BATCH_SIZE)))
        if not chosen:
            return
        entries: Any = [
            {
                "Id": str(number),
                "MessageBody": body,
                "DelaySeconds": self._random.choice([0, 0, self._random.randint(1, _MAX_DELAY_SECONDS)]),
            }
            for number, body in enumerate(chosen)
        ]
        response = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        self._journal.copies_delivered += len(response.get("Successful", []))
