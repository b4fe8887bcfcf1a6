"""Queue operations for operators: count, read, move, purge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import InvalidRecord, StoreUnavailable
from shared.stores.sqs import emulator as queue_emulator
from shared.stores.sqs.messages import QueueDepth, QueuedMessage
from shared.stores.sqs.queue import text_attributes

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient  # a development package
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_BATCH: Final = 10
_PEEK_SECONDS: Final = 30
# Long polling is needed, because a short poll asks only some of SQS's servers and may return nothing from a queue with
# messages.
_WAIT_SECONDS: Final = 1
_COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_MESSAGE_ERRORS: Final = {"InvalidParameterValue", "InvalidMessageContents"}
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class QueueAccess:
    """The access to SQS.

    Attributes:
        endpoint_url: None for AWS itself.
        region: None for boto3's default.
    """

    endpoint_url: str | None = None
    region: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the endpoint is on this machine, i.e. an emulator."""
        return self.endpoint_url is not None and urlsplit(self.endpoint_url).hostname in _LOOPBACK

    def client(self, service: str = "sqs") -> Any:
        """Return a boto3 client with short timeouts, without connecting.

        Raises:
            StoreUnavailable: boto3 cannot create a client, e.g. because the region is unknown.
        """
        import boto3  # noqa: PLC0415 - for operators; the function's inspector brings its client

        config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
        with translated_errors():
            session = boto3.Session(region_name=self.region)
            if not self.is_local:
                return session.client(service, endpoint_url=self.endpoint_url, config=config)  # type: ignore[call-overload]
            # An emulator accepts any credentials, and proxies cannot reach it.
            if session.get_credentials() is None:
                session = boto3.Session("test", "test", region_name=session.region_name or "us-east-1")
            return session.client(  # type: ignore[call-overload]
                service,
                region_name=session.region_name or "us-east-1",
                endpoint_url=self.endpoint_url,
                config=config.merge(Config(proxies={})),
            )


class QueueAdmin:
    """One queue. Methods raise `StoreUnavailable` if SQS does not respond or refuses."""

    def __init__(self, url: str, access: QueueAccess, client: SQSClient | None = None) -> None:
        self.url = url
        self.access = access
        self.client: SQSClient = client or access.client()

    def depth(self) -> QueueDepth:
        """Count the messages."""
        with translated_errors():
            counts = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(_COUNTS))["Attributes"]
        return QueueDepth(*(int(counts[name]) for name in _COUNTS))

    def arn(self) -> str:
        """Return the queue's ARN."""
        with translated_errors():
            return self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
                "QueueArn"
            ]

    def peek_without_receiving(self) -> list[QueuedMessage] | None:
        """Return every message unchanged, or None if the endpoint shows messages only by receiving them."""
        return queue_emulator.peek(self.access.endpoint_url, self.url)

    def peek(self, limit: int, is_wanted: Callable[[QueuedMessage], bool] | None = None) -> list[QueuedMessage]:
        """Return up to `limit` messages, or only the first one that `is_wanted` accepts.

        If messages must be received, other receivers do not see them until the end of the call, and their receive count
        rises by one.
        """
        messages = self.peek_without_receiving()
        if messages is None:
            messages = self._receive_and_release(limit, is_wanted)
        if is_wanted is not None:
            return [message for message in messages if is_wanted(message)][:1]
        return messages[:limit]

    def _receive_and_release(self, limit: int, is_last: Callable[[QueuedMessage], bool] | None) -> list[QueuedMessage]:
        received: dict[str, QueuedMessage] = {}
        try:
            while len(received) < limit:
                batch = self.receive(min(_BATCH, limit - len(received)), hide_seconds=_PEEK_SECONDS)
                # If a batch has only known messages, the search took longer than messages stay hidden, and has seen
                # every message.
                new_messages = [message for message in batch if message.message_id not in received]
                received.update((message.message_id, message) for message in batch)
                if not new_messages or (is_last is not None and any(map(is_last, new_messages))):
                    break
        finally:
            self.release(list(received.values()))
        return list(received.values())

    def receive(self, max_messages: int, *, hide_seconds: int) -> list[QueuedMessage]:
        """Receive up to ten messages, and hide them from other receivers for this time."""
        with translated_errors():
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(max_messages, _BATCH),
                VisibilityTimeout=hide_seconds,
                WaitTimeSeconds=_WAIT_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        return [_queued_message(message) for message in answer.get("Messages", [])]

    def release(self, messages: Sequence[QueuedMessage]) -> None:
        """Make received messages visible again. Failures are ignored: SQS makes the messages visible later."""
        with suppress(StoreUnavailable), translated_errors():
            for start in range(0, len(messages), _BATCH):
                entries: Any = [
                    {"Id": str(index), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
                    for index, message in enumerate(messages[start : start + _BATCH])
                ]
                self.client.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)

    def send(self, body: str, attributes: Mapping[str, str | None] | None = None) -> None:
        """Send a message to the queue, with those of the attributes that have a value.

        Raises:
            InvalidRecord: SQS will never accept it.
        """
        with translated_errors():
            try:
                self.client.send_message(
                    QueueUrl=self.url, MessageBody=body, MessageAttributes=text_attributes(attributes or {})
                )
            except ClientError as error:
                code = error.response["Error"]["Code"].rpartition(".")[2]
                if code in _MESSAGE_ERRORS:
                    raise InvalidRecord("refused_by_queue", code) from error
                raise

    def delete(self, message: QueuedMessage) -> None:
        """Delete a received message."""
        with translated_errors():
            self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt or "")

    def purge(self) -> None:
        """Delete every message. AWS takes up to a minute, and refuses a second purge within this minute."""
        with translated_errors():
            self.client.purge_queue(QueueUrl=self.url)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Translate boto3's exceptions.

    Raises:
        StoreUnavailable: SQS did not respond, or refused.
    """
    try:
        yield
    except ClientError as error:
        fault = error.response["Error"]
        raise StoreUnavailable("queue", f"{fault['Code']}: {fault.get('Message', '')}"[:200]) from error
    except (BotoCoreError, ValueError) as error:
        # ValueError: botocore's error for an endpoint that is not a URL.
        raise StoreUnavailable("queue", str(error)[:200]) from error


def _queued_message(message: MessageTypeDef) -> QueuedMessage:
    system: Any = message.get("Attributes", {})
    sent_milliseconds = system.get("SentTimestamp")
    return QueuedMessage(
        message_id=message["MessageId"],
        body=message["Body"],
        sent_at=datetime.fromtimestamp(int(sent_milliseconds) / 1000, UTC) if sent_milliseconds else None,
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        is_visible=True,  # set by receiving the message
        attributes={
            name: value["StringValue"]
            for name, value in message.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
        receipt=message["ReceiptHandle"],
    )
