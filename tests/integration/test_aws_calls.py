"""What the functions ask SQS for, recorded while they ask: what their roles have to allow."""

from __future__ import annotations

from typing import Any

import pytest

from functions.sync.queues import SqsQueues
from functions.sync.received import SqsRecord
from shared.errors import InvalidRecord
from shared.settings import SyncSettings
from shared.stores.sqs.inspector import SqsInspector
from shared.stores.sqs.queue import SqsQueue, sqs_client
from tests.support.exchanges import exchange
from tests.support.queues import Queues


@pytest.fixture
def asked() -> list[str]:
    """Return what was asked for so far."""
    return []


@pytest.fixture
def client(queues: Queues, asked: list[str]) -> Any:
    """Return the functions' own client, overheard; the queues' server is where the environment says then."""
    made = sqs_client()
    assert made.meta.endpoint_url == queues.client.meta.endpoint_url
    made.meta.events.register("before-call.sqs", lambda model, **_: asked.append(model.name))
    return made


def test_what_the_agent_function_asks(client: Any, queues: Queues, asked: list[str]) -> None:
    """It sends, and counts what waits."""
    queue = SqsQueue(SyncSettings(queue_url=queues.url, dlq_url=queues.dlq_url), client)
    queue.send(exchange(1))
    queue.ping()
    queue.depth()
    for url in (queues.url, queues.dlq_url):
        SqsInspector(url, client, None).waiting()
    assert set(asked) == {"SendMessage", "GetQueueAttributes"}


def test_what_the_sync_function_asks(client: Any, queues: Queues, asked: list[str]) -> None:
    """It sends to the dead-letter queue, and hides what it received."""
    ours = SqsQueues(SyncSettings(queue_url=queues.url, dlq_url=queues.dlq_url), client)
    client.send_message(QueueUrl=queues.url, MessageBody="{}")
    (message,) = client.receive_message(QueueUrl=queues.url)["Messages"]
    asked.clear()
    received = SqsRecord(message["MessageId"], message["ReceiptHandle"], message["Body"], 1)
    ours.dead_letter(received, "not_json", "why")
    ours.dead_letter_body("{}", InvalidRecord("not_json", "why"))
    ours.change_visibility([received], 5)
    assert set(asked) == {"SendMessage", "ChangeMessageVisibilityBatch"}
