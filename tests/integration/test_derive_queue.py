"""The tests send due derivations with moto's SQS over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

import pytest

from shared.errors import StoreUnavailable
from shared.settings import DeriveSettings
from shared.stores.derivations import MEMORIES, VECTORS, DueThread
from shared.stores.sqs.derive_queue import DeriveQueue
from shared.testing.derivations import InMemoryDueQueue
from tests.support.queues import Queues
from tests.support.sqs_server import SqsServer

IDS = ["ada", "a\x01b", "\ufffe\uffff", "क्षि", "\udc80", '"}', "x" * 255]


def _queue(queues: Queues, delay_seconds: int = 0) -> DeriveQueue:
    return DeriveQueue(DeriveSettings(queue_url=queues.url, delay_seconds=delay_seconds))


def _due(thread_ids: Iterable[str]) -> list[DueThread]:
    return [DueThread(VECTORS, thread_id) for thread_id in thread_ids]


def _received(queues: Queues) -> list[dict[str, object]]:
    return [json.loads(record["body"]) for record in queues.receive()]


def test_each_thread_and_kind_has_one_message(queues: Queues) -> None:
    """Each thread and kind has one message in the documented format, whatever characters the thread's id has."""
    in_memory = InMemoryDueQueue()
    for queue in (_queue(queues), in_memory):
        queue.send([*_due(IDS), DueThread(MEMORIES, "ada")])
    expected = [{"version": 1, "kind": "vectors", "thread_id": thread_id} for thread_id in IDS]
    expected.append({"version": 1, "kind": "memories", "thread_id": "ada"})
    assert sorted(_received(queues), key=str) == sorted(expected, key=str)
    assert in_memory.sent == [*_due(IDS), ("memories", "ada")]


def test_a_request_sends_ten_messages(queues: Queues, sqs: SqsServer) -> None:
    """One SQS request sends at most ten messages. Without a thread there is no request."""
    _queue(queues).send(_due(map(str, range(21))))
    _queue(queues).send([])
    assert sqs.requests == ["SendMessageBatch"] * 3
    assert queues.waiting() == (21, 0, 0)


def test_messages_become_visible_after_the_debounce(queues: Queues) -> None:
    """The messages are delayed by the debounce."""
    _queue(queues, delay_seconds=900).send(_due(IDS))
    assert queues.waiting() == (0, 0, len(IDS))


@pytest.mark.parametrize("outage", ["stopped", "refused", "missing", "not set"])
def test_an_unavailable_queue_is_an_error_of_the_queue(queues: Queues, sqs: SqsServer, outage: str) -> None:
    """A queue that does not respond, refuses, is missing or is not configured is an outage of the queue."""
    url: str | None = queues.url
    if outage == "stopped":
        sqs.stop()
    elif outage == "refused":
        sqs.refused.add("SendMessageBatch")
    else:
        url = f"{queues.url}-not" if outage == "missing" else None
    queue = DeriveQueue(DeriveSettings(queue_url=url))
    with pytest.raises(StoreUnavailable) as caught:
        queue.send(_due(IDS))
    assert caught.value.layer == "queue"


class _RefusingClient:
    """A client of an SQS that refuses every first message of a batch."""

    def __init__(self) -> None:
        self.accepted: list[str] = []

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        """Accept all messages except the first."""
        first, *others = request["Entries"]
        self.accepted += [entry["MessageBody"] for entry in others]
        return {"Failed": [{"Id": first["Id"], "Code": "InternalError", "SenderFault": False}]}


def test_a_refused_message_does_not_stop_the_others() -> None:
    """If SQS refuses single messages, the queue sends the others and then raises an error."""
    client = _RefusingClient()
    queue = DeriveQueue(DeriveSettings(queue_url="http://sqs/q"), cast("Any", client))
    with pytest.raises(StoreUnavailable, match="2 messages were refused: InternalError"):
        queue.send(_due(map(str, range(20))))
    assert len(client.accepted) == 18
