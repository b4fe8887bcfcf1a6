"""The tests import the derive function as Lambda does and invoke it with batches, on real servers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psycopg
import pytest

from functions.derive.derivations import Derivations
from shared.settings import DeriveSettings
from shared.stores.derivations import MEMORIES, VECTORS, DueThread
from shared.stores.sqs.derive_queue import DeriveQueue
from shared.stores.sqs.received import SqsQueues
from tests.support.exchanges import exchange
from tests.support.lambda_context import LambdaContext
from tests.support.queues import Queues
from tests.support.waiting import until

Import = Callable[[str], ModuleType]
HANDLER = "functions.derive.handler"
CONTEXT = LambdaContext(remaining_milliseconds=60_000)


@pytest.fixture
def derive(load: Import) -> ModuleType:
    """Return the derive function, whose logger does not use the stream of `capsys`."""
    return load(HANDLER)


@pytest.fixture
def written(derive: ModuleType) -> io.StringIO:
    """Return the stream that gets the function's log lines."""
    stream = io.StringIO()
    derive.logger.handlers[0].setStream(stream)
    return stream


def _sent(queues: Queues, *thread_ids: str) -> list[dict[str, Any]]:
    DeriveQueue(DeriveSettings(queue_url=queues.url, delay_seconds=0)).send(
        [DueThread(VECTORS, each) for each in thread_ids]
    )
    return queues.receive()


def _metrics(printed: str) -> dict[str, float]:
    """Return the metrics of the printed lines in the embedded metric format, without those with more dimensions."""
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return {
        name: value[0]
        for line in lines
        if "_aws" in line and "reason" not in line
        for name, value in line.items()
        if isinstance(value, list)
    }


def test_messages_are_dropped_without_embeddings(
    derive: ModuleType, written: io.StringIO, queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `SEARCH__EMBEDDINGS=off`, the function drops every message, and says so in its log."""
    assert derive.handler({"Records": _sent(queues, "a", "b")}, CONTEXT) == {"batchItemFailures": []}
    assert "because what they ask for is off" in written.getvalue()
    assert _metrics(capsys.readouterr().out) == {
        "Derived": 0,
        "DeriveFailed": 0,
        "DeriveUnfinished": 0,
        "DeriveDropped": 2,
        "DeadLettered": 0,
        "StatementsLearned": 0,
        "StatementsRefused": 0,
        "LearnSkipped": 0,
        "LearnPostponed": 0,
    }


def test_an_invalid_message_goes_to_its_dead_letter_queue(
    derive: ModuleType, queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dead letter has the reason in its attributes. The metric has the reason as a dimension."""
    queues.client.send_message(QueueUrl=queues.url, MessageBody="no json")
    assert derive.handler({"Records": queues.receive()}, CONTEXT) == {"batchItemFailures": []}
    ((body, attributes),) = queues.dead()
    assert (body, attributes["reason"]) == ("no json", "not_json")
    printed = capsys.readouterr().out
    assert _metrics(printed)["DeadLettered"] == 1
    assert '"reason":"not_json"' in printed


def test_a_thread_with_work_left_returns_to_the_queue(queues: Queues) -> None:
    """SQS delivers a thread with work left again, without a new message."""
    settings = DeriveSettings(queue_url=queues.url, dlq_url=queues.dlq_url)
    derivations = Derivations({VECTORS: lambda *_: False}, SqsQueues(settings))
    (record,) = _sent(queues, "long")
    assert derivations.run([record], 1).failed == [record["messageId"]]
    until(lambda: queues.waiting() == (1, 0, 0))
    assert [each["messageId"] for each in queues.receive()] == [record["messageId"]]


def test_a_drained_exchange_gets_its_vector(
    load: Import, queues: Queues, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain sends the thread of a stored exchange for each kind, and the function makes the exchange's vector."""
    monkeypatch.setenv("SEARCH__EMBEDDINGS", "local")
    monkeypatch.setenv("DERIVE__DELAY_SECONDS", "0")
    queues.client.send_message(QueueUrl=queues.url, MessageBody=exchange(1, user_id="ana").to_wire())
    (drained,) = queues.receive()
    assert load("functions.sync.handler").handler({"Records": [drained]}, CONTEXT) == {"batchItemFailures": []}
    due = queues.receive()
    bodies = [json.loads(record["body"]) for record in due]
    assert {(body["kind"], body["thread_id"]) for body in bodies} == {
        (kind, exchange(1).thread_id) for kind in (VECTORS, MEMORIES)
    }
    assert load(HANDLER).handler({"Records": due}, CONTEXT) == {"batchItemFailures": []}
    assert database.execute("select count(*) from exchange_vectors").fetchone() == (1,)


def test_the_function_handles_only_batches(derive: ModuleType) -> None:
    """An event without records is an error, because nothing else invokes the function."""
    for event in ({}, {"source": "aws.events"}, {"Records": None}):
        with pytest.raises(TypeError, match="Records"), pytest.warns(UserWarning, match="No application metrics"):
            derive.handler(event, CONTEXT)
