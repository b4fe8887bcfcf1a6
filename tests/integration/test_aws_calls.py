"""The tests record the functions' requests to SQS. The roles of the functions must permit these requests."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import InvalidRecord
from shared.settings import SyncSettings
from shared.sqs_record import SqsRecord
from shared.stores.sqs.client import sqs_client
from shared.stores.sqs.inspector import SqsInspector
from shared.stores.sqs.queue import SqsQueue
from shared.stores.sqs.received import SqsQueues
from tests.support.exchanges import exchange
from tests.support.queues import Queues


@pytest.fixture
def requests() -> list[str]:
    """Return the list of recorded requests."""
    return []


@pytest.fixture
def client(queues: Queues, requests: list[str]) -> Any:
    """Return the functions' own SQS client. It records its requests, and its endpoint is the test's SQS."""
    created = sqs_client()
    assert created.meta.endpoint_url == queues.client.meta.endpoint_url
    created.meta.events.register("before-call.sqs", lambda model, **_: requests.append(model.name))
    return created


def test_the_agent_function_only_sends_messages_and_reads_attributes(
    client: Any, queues: Queues, requests: list[str]
) -> None:
    """The agent function only sends messages and reads attributes of the queues."""
    queue = SqsQueue(SyncSettings(queue_url=queues.url, dlq_url=queues.dlq_url), client)
    queue.send(exchange(1))
    queue.ping()
    queue.depth()
    for url in (queues.url, queues.dlq_url):
        SqsInspector(url, client, None).waiting()
    assert set(requests) == {"SendMessage", "GetQueueAttributes"}


def test_the_sync_function_only_sends_dead_letters_and_changes_visibility(
    client: Any, queues: Queues, requests: list[str]
) -> None:
    """The sync function sends to the dead-letter queue and changes visibility."""
    primary_admin = SqsQueues(SyncSettings(queue_url=queues.url, dlq_url=queues.dlq_url), client)
    client.send_message(QueueUrl=queues.url, MessageBody="{}")
    (message,) = client.receive_message(QueueUrl=queues.url)["Messages"]
    requests.clear()
    received = SqsRecord(message["MessageId"], message["ReceiptHandle"], message["Body"], 1)
    primary_admin.dead_letter(received, "not_json", "why")
    primary_admin.dead_letter_body("{}", InvalidRecord("not_json", "why"))
    primary_admin.change_visibility([received], 5)
    assert set(requests) == {"SendMessage", "ChangeMessageVisibilityBatch"}
