"""Messages arrive late, out of order, and more than once, as from a standard queue."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from tests.chaos.journal import Journal
from tests.chaos.plan import Plan
from tests.chaos.targets import sqs_of

_MAX_BODIES: Final = 2_000
_BATCH: Final = 10
_MAX_DELAY: Final = 15
_PAUSE: Final = (0.1, 0.8)
_MAX_RECEIVES: Final = 3
_STEP_BACK_SECONDS: Final = 5.0


class Deliveries:
    """Receives messages without deleting them, so that they are delivered again later, and sends copies."""

    def __init__(self, info: dict[str, Any], plan: Plan, journal: Journal) -> None:
        self._sqs = sqs_of(info, read_seconds=10)
        self._url = info["queue_url"]
        self._draw = plan.random("deliveries")
        self._journal = journal
        # Bodies of messages from the queue: the newest bodies, and a random sample of old bodies.
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
        while not self._stopped.wait(self._draw.uniform(*_PAUSE)):
            with suppress(BotoCoreError, ClientError):
                self._hold_back()
                self._send_copies()

    def _hold_back(self) -> None:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=_BATCH,
            WaitTimeSeconds=1,
            VisibilityTimeout=self._draw.randint(1, _MAX_DELAY),
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        messages = answer.get("Messages", [])
        if any(int(message["Attributes"]["ApproximateReceiveCount"]) > _MAX_RECEIVES for message in messages):
            # Some receives must be left for the drain. Return the messages, and do not disturb the drain for a while.
            for message in messages:
                self._sqs.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
                )
            self._stopped.wait(_STEP_BACK_SECONDS)
            return
        for message in messages:
            self._journal.deliveries_delayed += 1
            if len(self._bodies) < _MAX_BODIES:
                self._bodies.append(message["Body"])
            else:
                self._bodies[self._draw.randrange(_MAX_BODIES)] = message["Body"]

    def _send_copies(self) -> None:
        chosen = self._draw.sample(self._bodies, min(len(self._bodies), self._draw.randint(0, _BATCH)))
        if not chosen:
            return
        entries: Any = [
            {
                "Id": str(place),
                "MessageBody": body,
                "DelaySeconds": self._draw.choice([0, 0, self._draw.randint(1, _MAX_DELAY)]),
            }
            for place, body in enumerate(chosen)
        ]
        answer = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries)
        self._journal.copies_delivered += len(answer.get("Successful", []))
