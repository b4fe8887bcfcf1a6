"""The age of a queue's oldest message, which SQS does not report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import StoreUnavailable
from shared.stores.sqs.admin import QueueAccess, QueueAdmin
from shared.stores.sqs.messages import QueueDepth

# Peeking returns whole messages, so in a longer queue the traffic would be too large.
_MAX_PEEKED: Final = 1_000
_PERIOD: Final = timedelta(minutes=5)


def oldest_age(queue: QueueAdmin, depth: QueueDepth) -> tuple[float, datetime] | None:
    """Return the age in seconds and the time of that reading, or None if it is unknown.

    The emulator reports the current age. CloudWatch reports the age minutes late, if the caller may read the metric.
    """
    now = datetime.now(UTC)
    if depth.total == 0:
        return None
    if queue.access.endpoint_url is None:
        return _from_cloudwatch(queue.url, queue.access, now)
    messages = queue.peek_without_receiving() if depth.total <= _MAX_PEEKED else None
    sent_times = [message.sent_at for message in messages or () if message.sent_at is not None]
    return (max(0.0, (now - min(sent_times)).total_seconds()), now) if sent_times else None


def _from_cloudwatch(queue_url: str, access: QueueAccess, now: datetime) -> tuple[float, datetime] | None:
    try:
        points = access.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Dimensions=[{"Name": "QueueName", "Value": queue_url.rpartition("/")[2]}],
            StartTime=now - _PERIOD,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )["Datapoints"]
    except (BotoCoreError, ClientError, StoreUnavailable):
        return None
    if not points:
        return None
    newest = max(points, key=lambda point: point["Timestamp"])
    return float(newest["Maximum"]), newest["Timestamp"].astimezone(UTC)
