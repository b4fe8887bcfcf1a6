"""The queue of due derivations in SQS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import StoreUnavailable
from shared.settings import DeriveSettings
from shared.stores.derivations import DueThread
from shared.stores.sqs.queue import lazy_sqs_client

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient  # a development package
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH: Final = 10


class DeriveQueue:
    """Sends threads with due derivations; the event source mapping receives them."""

    def __init__(self, settings: DeriveSettings, client: SQSClient | None = None) -> None:
        self._url = settings.queue_url
        self._delay_seconds = settings.delay_seconds
        self._client = client or lazy_sqs_client()

    def send(self, threads: Sequence[DueThread]) -> None:
        """Send one message for each thread and kind, in as few requests as possible.

        If SQS refuses single messages, the others are sent. If SQS does not respond, no further request is sent.
        """
        if self._url is None:
            raise StoreUnavailable("queue", "DERIVE__QUEUE_URL is not set")
        refused: list[str] = []
        try:
            for entries in _batches(threads, self._delay_seconds):
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
                refused += [failure["Code"] for failure in answer.get("Failed", [])]
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable("queue", type(error).__name__) from error
        if refused:
            raise StoreUnavailable("queue", f"{len(refused)} messages were refused: {', '.join(sorted(set(refused)))}")


def _batches(threads: Sequence[DueThread], delay_seconds: int) -> Iterator[list[SendMessageBatchRequestEntryTypeDef]]:
    for start in range(0, len(threads), _BATCH):
        yield [
            {"Id": str(index), "MessageBody": thread.to_wire(), "DelaySeconds": delay_seconds}
            for index, thread in enumerate(threads[start : start + _BATCH])
        ]
