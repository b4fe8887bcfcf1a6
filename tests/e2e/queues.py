"""Reads and writes the exchange queue and the dead-letter queue with boto3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.deployment import Aws, Deployment
from tests.e2e.waiting import eventually


@dataclass(frozen=True)
class DeadLetter:
    """A message of the dead-letter queue."""

    body: str
    attributes: dict[str, str]


class Queues:
    """Sends messages, finds dead letters, and pauses the drain."""

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._aws = aws
        self._deployment = deployment

    def put(self, *bodies: str) -> None:
        """Send messages to the exchange queue."""
        entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        response = self._aws.sqs.send_message_batch(QueueUrl=self._deployment.queue_url, Entries=entries)
        assert "Failed" not in response or not response["Failed"]

    def depth(self) -> int:
        """Return the number of messages in the exchange queue that are visible or in flight."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        response = self._aws.sqs.get_queue_attributes(QueueUrl=self._deployment.queue_url, AttributeNames=names)
        return sum(int(response["Attributes"][name]) for name in names)

    def wait_empty(self) -> None:
        """Wait until the exchange queue is empty."""
        eventually(lambda: self.depth() == 0, 90)

    def wait_for_dead_letters(self, matches: Callable[[str], bool], count: int) -> list[DeadLetter]:
        """Wait for a number of dead letters with a matching body, and delete them from the queue."""
        found: list[DeadLetter] = []

        def has_received() -> bool:
            response = self._aws.sqs.receive_message(
                QueueUrl=self._deployment.dlq_url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=1,
                MessageAttributeNames=["All"],
            )
            for message in response.get("Messages", []):
                if not matches(message["Body"]):
                    continue
                values = {
                    name: attribute["StringValue"] for name, attribute in message.get("MessageAttributes", {}).items()
                }
                found.append(DeadLetter(message["Body"], values))
                self._aws.sqs.delete_message(QueueUrl=self._deployment.dlq_url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        eventually(has_received)
        return found

    @contextmanager
    def paused_drain(self) -> Iterator[None]:
        """Pause the drain until the end of the block."""
        functions, name = self._aws.functions, self._deployment.sync_function
        mapping = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"][0]["UUID"]
        self.wait_empty()
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        try:
            eventually(lambda: functions.get_event_source_mapping(UUID=mapping)["State"] == "Disabled", 90)
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping, Enabled=True)
