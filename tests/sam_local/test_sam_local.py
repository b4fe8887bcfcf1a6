"""`sam local invoke` works as in the README, with its environment file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.stores import Layers
from tests.events.content import BATCH, RUN, THREAD
from tests.support.sqs_server import SqsServer


def test_the_agent_function_reaches_redis_and_the_queue(
    invoke: Callable[[str, str], Any], layers: Layers, running_sqs: SqsServer, sqs_queues: dict[str, str]
) -> None:
    """The agent function's container answers an API event and reaches Redis and the queue."""
    answer = invoke("AgentFunction", "api-run.json")
    body = json.loads(answer["body"])

    assert answer["statusCode"] == 200
    result = {"source": "none", "degraded": [], "durability": "queue", "cached": True}
    assert body["memory"] == result | {"context_tokens": 0, "omitted_exchanges": 0}
    assert layers.cached_contents(THREAD) == [RUN["prompt"], body["response"]]
    queued = running_sqs.client().receive_message(QueueUrl=sqs_queues["SYNC__QUEUE_URL"])["Messages"]
    assert [json.loads(message["Body"])["exchange_id"] for message in queued] == [body["exchange_id"]]


def test_the_sync_function_stores_a_batch(invoke: Callable[[str, str], Any], layers: Layers) -> None:
    """The sync function's container stores the sample batch in PostgreSQL."""
    assert invoke("SyncFunction", "sync-batch.json") == {"batchItemFailures": []}

    for body in map(json.loads, BATCH):
        stored = {row[1] for row in layers.stored(body["thread_id"]) if row[2] == body["exchange_id"]}
        assert stored == {body["user_message"], body["assistant_message"]}
