"""The exchange queue's circuit breaker handles an SQS that refuses a message. The emulators never refuse a message."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shared.errors import StoreUnavailable, TooLargeForQueue
from shared.settings import SyncSettings
from shared.stores.sqs.queue import SqsQueue
from tests.support.exchanges import exchange


class _FakeSqsClient:
    """A client that accepts only messages with the text `small`, and times out while it is frozen."""

    is_frozen = True

    def send_message(self, **request: Any) -> None:
        """Accept a message, refuse it, or time out."""
        if self.is_frozen:
            raise ReadTimeoutError(endpoint_url="sqs")
        if "small" not in request["MessageBody"]:
            raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "SendMessage")


def test_a_refusal_after_an_outage_closes_the_circuit() -> None:
    """SQS refuses the message that was sent during the freeze. The refusal is a response, so it closes the circuit."""
    sqs = _FakeSqsClient()
    queue = SqsQueue(SyncSettings(queue_url="http://q"), cast("Any", sqs))
    large, small = exchange(1), exchange(2, thread_id="small")
    with pytest.raises(StoreUnavailable):
        queue.send(large)
    sqs.is_frozen = False
    queue.send(small)
    with pytest.raises(TooLargeForQueue):
        queue.send(large)
    queue.send(small)
