"""The exchange queue in SQS."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import TooLargeForQueue
from shared.models import Exchange
from shared.request_ids import REQUEST_ID
from shared.settings import SyncSettings
from shared.stores.breaker import CircuitBreaker
from shared.traceparent import TRACEPARENT, traceparent

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient  # a development package
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

# SQS accepts 1 MiB including attributes. The subtracted bytes are for the attributes: the ids of request and trace, and
# the dead-letter attributes.
_MAX_BYTES: Final = 1_048_576 - 4_096
_COUNTS: Final[
    list[
        Literal[
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"
        ]
    ]
] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
# SQS' error codes for a message that it will never accept; all other errors concern the queue.
_MESSAGE_ERRORS: Final = {"InvalidParameterValue", "InvalidMessageContents"}
# The probe's delay exceeds SQS' maximum by one second, and its body has a forbidden character. LocalStack checks only
# the body.
_REFUSED_DELAY: Final = 901
_REFUSED_BODY: Final = "probe\x01"


class _LazyClient:
    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @cached_property
    def _client(self) -> SQSClient:
        from shared.stores.sqs.client import sqs_client  # noqa: PLC0415 - imports botocore's client

        return sqs_client()


def lazy_sqs_client() -> SQSClient:
    """Return a client that is created at its first call: the drain calls SQS only for messages that it cannot store."""
    return cast("SQSClient", _LazyClient())


def text_attributes(values: Mapping[str, str | None]) -> dict[str, MessageAttributeValueTypeDef]:
    """Return message attributes of the values that are not None."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value is not None}


class SqsQueue:
    """Sends exchanges; the event source mapping receives them.

    Attributes:
        breaker: The circuit breaker of sending. If a request other than a send fails, messages are still sent.
    """

    def __init__(self, settings: SyncSettings, client: SQSClient | None = None) -> None:
        self._url = settings.queue_url
        self._client = client or lazy_sqs_client()
        # A healthy SQS responds within tens of milliseconds, which is slower than Redis.
        self.breaker = CircuitBreaker("queue", self._probe_sending, grace=0.1)
        self._counts = CircuitBreaker("queue", self._probe, grace=0.1)
        self._checks = CircuitBreaker("queue", self._probe_all, grace=0.1)

    def _probe(self) -> None:
        self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])

    def _probe_sending(self) -> None:
        """Send an invalid message: SQS refuses it, so nothing of it stays."""
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=_REFUSED_BODY, DelaySeconds=_REFUSED_DELAY)
        except ClientError as error:
            if not _is_message_error(error):
                raise

    def _probe_all(self) -> None:
        self._probe()
        self._probe_sending()

    def send(self, exchange: Exchange) -> None:
        """Send an exchange to the queue.

        Raises:
            TooLargeForQueue: The message exceeds SQS' limit.
            StoreUnavailable: SQS does not respond, or has no such queue.
        """
        body = exchange.to_wire()
        if len(body.encode()) > _MAX_BYTES:
            raise TooLargeForQueue(f"{len(body.encode())} bytes")

        attributes = text_attributes({REQUEST_ID: exchange.request_id, TRACEPARENT: traceparent.get()})

        def put() -> None:
            try:
                self._client.send_message(QueueUrl=self._url, MessageBody=body, MessageAttributes=attributes)
            except ClientError as error:
                if _is_message_error(error):
                    raise TooLargeForQueue(error.response["Error"]["Code"]) from error
                raise

        def probe() -> None:
            # The probe may send the message again, because a duplicate is stored once. If SQS refuses the message
            # itself, SQS has responded.
            with suppress(TooLargeForQueue):
                put()

        with self.breaker.guard((BotoCoreError, ClientError), probe=probe):
            put()

    def depth(self) -> int:
        """Return the number of waiting, in-flight and delayed messages; SQS counts approximately."""
        with self._counts.guard((BotoCoreError, ClientError)):
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=_COUNTS)
        return sum(int(count) for count in answer.get("Attributes", {}).values())

    def ping(self) -> None:
        """Return if the queue accepts messages. Only a send can show this."""
        # An open circuit of `send` is reported, too.
        with self.breaker.guard(()), self._checks.guard((BotoCoreError, ClientError)):
            self._probe_all()


def _is_message_error(error: ClientError) -> bool:
    return error.response["Error"]["Code"].rpartition(".")[2] in _MESSAGE_ERRORS
