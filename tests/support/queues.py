"""A pair of SQS queues for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.models import Exchange
from shared.settings import SyncSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Queues:
    """The exchange queue and its dead-letter queue.

    Attributes:
        client: The test's client.
    """

    client: SQSClient
    url: str
    dlq_url: str

    def settings(self) -> SyncSettings:
        """Return the functions' settings of the queues."""
        return SyncSettings(queue_url=self.url, dlq_url=self.dlq_url)

    def receive(self, visibility: int = 30) -> list[dict[str, Any]]:
        """Receive from the exchange queue, and return the records of a Lambda event."""
        records: list[dict[str, Any]] = []
        while messages := self._receive(self.url, visibility):
            records += [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "messageAttributes": {
                        name: {"dataType": value["DataType"], "stringValue": value["StringValue"]}
                        for name, value in message.get("MessageAttributes", {}).items()
                    },
                }
                for message in messages
            ]
            if not visibility:
                # The messages stay visible, so another request would receive the same messages.
                break
        return records

    def exchanges(self) -> list[Exchange]:
        """Remove and return all messages of the exchange queue."""
        records = self.receive()
        for record in records:
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=record["receiptHandle"])
        return [Exchange.from_wire(record["body"]) for record in records]

    def dead(self, visibility: int = 0) -> list[tuple[str, dict[str, str]]]:
        """Return body and attributes of up to ten dead letters, and hide them for `visibility` seconds."""
        return [
            (message["Body"], {name: value["StringValue"] for name, value in message["MessageAttributes"].items()})
            for message in self._receive(self.dlq_url, visibility)
        ]

    def waiting(self) -> tuple[int, int, int]:
        """Return the numbers of visible, in-flight and delayed messages of the exchange queue."""
        names: list[Any] = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        attributes: dict[Any, str] = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)[
            "Attributes"
        ]
        visible, in_flight, delayed = (int(attributes[name]) for name in names)
        return visible, in_flight, delayed

    def _receive(self, url: str, visibility: int) -> list[Any]:
        response = self.client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=visibility,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return list(response.get("Messages", []))
