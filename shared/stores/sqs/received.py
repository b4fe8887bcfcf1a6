"""What a function does with messages that it received: it dead-letters them, or lets them wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import InvalidRecord, StoreUnavailable
from shared.request_ids import REQUEST_ID
from shared.settings import DeriveSettings, SyncSettings
from shared.sqs_record import SqsRecord
from shared.stores.sqs.queue import lazy_sqs_client, text_attributes
from shared.traceparent import TRACEPARENT

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient  # a development package

_BATCH: Final = 10
# A long attribute could make the message too large. SQS also refuses attributes with control characters.
_MAX_DETAIL: Final = 200
_UNSUPPORTED_CHARACTERS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_T = TypeVar("_T")


class SqsQueues:
    """A function's queue and its dead-letter queue in SQS."""

    def __init__(self, settings: SyncSettings | DeriveSettings, client: SQSClient | None = None) -> None:
        self._queue_url = settings.queue_url
        self._dlq_url = settings.dlq_url
        self._prefix = settings.model_config["env_prefix"]
        self._client = client or lazy_sqs_client()

    def dead_letter(self, message: SqsRecord, reason: str, detail: str) -> None:
        """Send a message to the dead-letter queue.

        The dead letter has the attributes `reason`, `detail`, `original_message_id`, and the message's `request_id` and
        `traceparent`.
        """
        attributes = {
            "original_message_id": message.message_id,
            REQUEST_ID: message.request_id,
            TRACEPARENT: message.traceparent,
        }
        self._dead_letter(message.body, reason, detail, attributes)

    def dead_letter_body(self, body: str, error: InvalidRecord, request_id: str | None = None) -> None:
        """Send a body from the outbox to the dead-letter queue, with `reason`, `detail` and `request_id`.

        Characters that SQS does not accept (SendMessage, "Unicode characters") are replaced by question marks.
        """
        self._dead_letter(
            _UNSUPPORTED_CHARACTERS.sub("?", body) or "?", error.reason, error.detail, {REQUEST_ID: request_id}
        )

    def _dead_letter(self, body: str, reason: str, detail: str, attributes: Mapping[str, str | None]) -> None:
        if self._dlq_url is None:
            raise StoreUnavailable("queue", f"{self._prefix}DLQ_URL is not set")
        dlq_url = self._dlq_url
        values = text_attributes({"reason": reason, "detail": _printable(detail), **attributes})
        _call_sqs(lambda: self._client.send_message(QueueUrl=dlq_url, MessageBody=body, MessageAttributes=values))

    def change_visibility(self, messages: Sequence[SqsRecord], seconds: int) -> None:
        """Set the messages' visibility timeout to `seconds`."""
        if self._queue_url is None:
            raise StoreUnavailable("queue", f"{self._prefix}QUEUE_URL is not set")
        queue_url = self._queue_url
        for batch in _batches(messages):
            entries: Any = [
                {"Id": str(index), "ReceiptHandle": message.receipt_handle, "VisibilityTimeout": seconds}
                for index, message in enumerate(batch)
            ]
            _call_sqs(
                lambda entries=entries: self._client.change_message_visibility_batch(  # type: ignore[misc]
                    QueueUrl=queue_url, Entries=entries
                )
            )


def _call_sqs(call: Callable[[], _T]) -> _T:
    try:
        return call()
    except (BotoCoreError, ClientError) as error:
        raise StoreUnavailable("queue", type(error).__name__) from error


def _batches(messages: Sequence[SqsRecord]) -> Iterator[Sequence[SqsRecord]]:
    """Split messages into batches of the size that SQS accepts."""
    for start in range(0, len(messages), _BATCH):
        yield messages[start : start + _BATCH]


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:_MAX_DETAIL] or "-"
