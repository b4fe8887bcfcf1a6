"""The inspector's view of a queue: its depth, and from an emulator also the oldest message's age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.stores.inspectors import QueueCounts
from shared.stores.sqs.admin import QueueAccess, QueueAdmin
from shared.stores.sqs.age import oldest_age

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient  # a development package


class SqsInspector:
    """One queue.

    Args:
        url: The queue's URL.
        client: A client with short timeouts.
        endpoint_url: The emulator's URL; None for AWS itself.
    """

    def __init__(self, url: str, client: SQSClient, endpoint_url: str | None) -> None:
        self._admin = QueueAdmin(url, QueueAccess(endpoint_url), client)

    def waiting(self) -> QueueCounts:
        """Count the queue's messages.

        AWS reports the oldest message's age only through CloudWatch, minutes late; an emulator is read directly.

        Raises:
            StoreUnavailable: SQS does not respond, or refuses.
        """
        depth, oldest = self._admin.depth(), None
        if self._admin.access.endpoint_url is not None and (age_and_time := oldest_age(self._admin, depth)) is not None:
            age, as_of = age_and_time
            oldest = as_of - timedelta(seconds=age)
        return QueueCounts(depth.visible, depth.in_flight, depth.delayed, oldest)
