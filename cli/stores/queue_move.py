"""SQS's message move task, which moves dead letters without receiving them. Some endpoints do not support it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from shared.errors import StoreUnavailable
from shared.stores.sqs.admin import QueueAdmin, translated_errors

# Endpoints' error codes for an unknown action. AWS's UnsupportedOperation means that a task is already running.
_UNSUPPORTED_ACTION_CODES: Final = {"InvalidAction", "UnknownOperationException", "NotImplemented", "501", "404"}
_END_STATUSES: Final = {"COMPLETED", "FAILED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class MoveProgress:
    """A move task as SQS reports it.

    Attributes:
        total: Messages to move; None until SQS has counted them.
        failure: The reason of a failure; None if the task did not fail.
    """

    moved: int
    total: int | None
    is_ended: bool
    failure: str | None


class MoveTask:
    """A running message move task."""

    def __init__(self, source: QueueAdmin, arn: str, handle: str) -> None:
        self._client = source.client
        self._arn = arn
        self._handle = handle

    def progress(self) -> MoveProgress:
        """Read the task's progress."""
        with translated_errors():
            tasks = self._client.list_message_move_tasks(SourceArn=self._arn, MaxResults=1).get("Results", [])
        if not tasks:
            raise StoreUnavailable("queue", "the move task no longer exists")
        task: Any = tasks[0]
        status = task.get("Status", "")
        failure = task.get("FailureReason") or status if status == "FAILED" else None
        return MoveProgress(
            moved=task.get("ApproximateNumberOfMessagesMoved") or 0,
            total=task.get("ApproximateNumberOfMessagesToMove"),
            is_ended=status in _END_STATUSES,
            failure=failure,
        )

    def cancel(self) -> None:
        """Cancel the task. Messages that SQS has moved are not moved back."""
        with translated_errors():
            self._client.cancel_message_move_task(TaskHandle=self._handle)


def start_move(source: QueueAdmin, target: QueueAdmin, rate: int | None) -> MoveTask | None:
    """Start a move to `target`, or return None if the endpoint does not support moves.

    The request always names the target: the drain itself sends dead letters, so SQS does not know their source queue.
    """
    arn = source.arn()
    request: dict[str, Any] = {"SourceArn": arn, "DestinationArn": target.arn()}
    if rate is not None:
        request["MaxNumberOfMessagesPerSecond"] = rate
    with translated_errors():
        try:
            answer = source.client.start_message_move_task(**request)
        except ClientError as error:
            if error.response["Error"]["Code"].rpartition(".")[2] in _UNSUPPORTED_ACTION_CODES:
                return None
            raise
    return MoveTask(source, arn, answer["TaskHandle"])
