"""SQS invokes the derive function with the messages of its own queue."""

import json
from dataclasses import replace
from uuid import uuid4

import pytest

from tests.e2e.deployment import Aws, Deployment
from tests.e2e.queues import Queues


@pytest.fixture
def derive_queues(aws: Aws, deployment: Deployment) -> Queues:
    """Return the derive queue and its dead-letter queue."""
    return Queues(aws, replace(deployment, queue_url=deployment.derive_queue_url, dlq_url=deployment.derive_dlq_url))


def test_invalid_messages_become_dead_letters_of_the_derive_queue(derive_queues: Queues) -> None:
    """A valid message leaves the queue. Invalid and unknown ones go to the queue's own dead-letter queue."""
    marker = f"derive-{uuid4().hex}"
    valid = {"version": 1, "kind": "vectors", "thread_id": marker}
    reasons = {
        f"{marker} is not JSON": "not_json",
        json.dumps(valid | {"version": 2}): "unknown_version",
        json.dumps(valid | {"kind": "summaries"}): "unknown_kind",
    }
    derive_queues.put(json.dumps(valid), *reasons)
    dead_letters = derive_queues.wait_for_dead_letters(lambda body: marker in body, len(reasons))
    assert {dead_letter.body: dead_letter.attributes["reason"] for dead_letter in dead_letters} == reasons
    derive_queues.wait_empty()
