"""SQS moves dead letters to their queue, and the command line moves them back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.local.client import StackProcess
from infra.local.environment import ACCESS_KEY
from shared.ids import ExchangeIds
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually

_IDS = ExchangeIds()
_SCRIPT = Path(sys.executable).with_name("hybrid-memory")
_RECEIVES = 10


def _body(thread_id: str, text: str) -> str:
    return json.dumps(
        {
            "version": 1,
            "exchange_id": str(_IDS.new()),
            "thread_id": thread_id,
            "user_id": None,
            "user_message": text,
            "assistant_message": "Hi",
            "document_ids": [],
            "created_at": "2026-01-01T00:00:00.000000Z",
        }
    )


@pytest.fixture
def operator(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs the command line with only the queues' addresses and returns its JSON."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", deployment.region)

    def run(*words: str) -> Any:
        addresses = {
            "--endpoint-url": deployment.endpoint_url,
            "--queue-url": deployment.queue_url,
            "--dlq-url": deployment.dlq_url,
        }
        command = [str(_SCRIPT), *(part for pair in addresses.items() for part in pair), *words, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture(autouse=True)
def _no_other_dead_letters(aws: Aws, deployment: Deployment, queues: Queues) -> None:
    """Start with an empty dead-letter queue, because a redrive moves all messages."""
    queues.wait_empty()
    eventually(
        lambda: (
            not aws.sqs.receive_message(QueueUrl=deployment.dlq_url, MaxNumberOfMessages=10, VisibilityTimeout=0).get(
                "Messages"
            )
            or aws.sqs.purge_queue(QueueUrl=deployment.dlq_url) is None
        )
    )


def test_redriven_dead_letters_are_stored(
    aws: Aws,
    deployment: Deployment,
    layers: Layers,
    queues: Queues,
    operator: Any,
    stack: StackProcess | None,
    thread_id: str,
) -> None:
    """The drain stores redriven dead letters that are valid now, in order.

    A dead letter that is still invalid becomes a dead letter again, with its reason and request id.
    """
    invalid_body = f"{thread_id} is not JSON"
    bodies = [_body(thread_id, f"question {number}") for number in range(12)]
    for body in bodies:
        aws.sqs.send_message(QueueUrl=deployment.dlq_url, MessageBody=body)
    request_id = str(uuid4())
    aws.sqs.send_message(
        QueueUrl=deployment.dlq_url,
        MessageBody=invalid_body,
        MessageAttributes={"request_id": {"DataType": "String", "StringValue": request_id}},
    )

    listed = operator("dlq", "list")
    shown = operator("dlq", "show", request_id)
    moved = operator("dlq", "redrive", "--yes")

    assert (listed["depth"], len(listed["items"])) == (13, 13)
    assert moved["moved"] == 13
    # LocalStack and SQS can move messages. The emulator cannot, so the command copies each message.
    assert moved["method"] == ("move_task" if stack is None else "copy")
    assert [row[1] for row in layers.wait_stored(thread_id, 24)[::2]] == [f"question {n}" for n in range(12)]
    dead_letters = queues.wait_for_dead_letters(lambda body: body == invalid_body, 1)
    assert (dead_letters[0].attributes["reason"], dead_letters[0].attributes["request_id"]) == ("not_json", request_id)
    assert (shown["body"], shown["request_id"]) == (invalid_body, request_id)
    assert [item["request_id"] for item in listed["items"] if item["request_id"]] == [request_id]
    assert operator("queue", "status")["dlq"]["depth"] == 0


def test_sqs_dead_letters_a_message_after_too_many_receives(
    aws: Aws, deployment: Deployment, queues: Queues, thread_id: str
) -> None:
    """After too many receives, the redrive policy moves a message to the dead-letter queue unchanged."""
    body = _body(f"{thread_id}_{uuid4().hex}", "never deleted")
    queue = aws.sqs.get_queue_attributes(QueueUrl=deployment.queue_url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(queue["Attributes"]["RedrivePolicy"])
    assert int(policy["maxReceiveCount"]) == 1_000
    # The test uses the same policy with fewer receives, because 1,000 receives take too long.
    queue["Attributes"]["RedrivePolicy"] = json.dumps({**policy, "maxReceiveCount": _RECEIVES})
    # The test uses a separate queue, because a drain that was just paused may still receive from the exchange queue.
    url = aws.sqs.create_queue(QueueName=f"policy-{uuid4().hex}", Attributes=queue["Attributes"])["QueueUrl"]
    try:
        aws.sqs.send_message(QueueUrl=url, MessageBody=body)
        received = 0

        def is_dead_letter() -> bool:
            nonlocal received
            response = aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0)
            received += len(response.get("Messages", []))
            return received >= _RECEIVES and not response.get("Messages")

        eventually(is_dead_letter)
        assert received == _RECEIVES
        dead_letters = queues.wait_for_dead_letters(lambda found: found == body, 1)
    finally:
        aws.sqs.delete_queue(QueueUrl=url)
    assert dead_letters[0].attributes == {}
