"""The built artifacts run as on Lambda against real servers, with the sample events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.artifacts.runtime_interface import Invocable
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.events.content import BATCH, DIRECT, POISON, RUN, THREAD
from tests.support.collector import Collector
from tests.support.issuer import Issuer
from tests.support.model_server import ModelServer
from tests.support.offline_answers import remembered

_EVENTS = Path(__file__).parents[1] / "events"


def _event(name: str) -> dict[str, Any]:
    return dict(json.loads((_EVENTS / name).read_text()))


def _batch(*bodies: str) -> dict[str, Any]:
    """Return the captured SQS event with other messages."""
    record = _event("sync-batch.json")["Records"][0]
    return {"Records": [record | {"messageId": f"m-{number}", "body": body} for number, body in enumerate(bodies)]}


def _receive_all(aws: Aws, queue_url: str) -> list[str]:
    bodies = []
    while messages := aws.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            aws.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(message["Body"])
    return bodies


def test_an_exchange_goes_from_the_api_to_postgresql(
    agent: Invocable, sync: Invocable, aws: Aws, deployment: Deployment, layers: Layers
) -> None:
    """The function answers an API event.

    The exchange is in Redis and in the queue, and the queue's batch becomes rows.
    """
    answer = agent.invoke(_event("api-run.json"))
    body = json.loads(answer["body"])
    queued = _receive_all(aws, deployment.queue_url)

    assert answer["statusCode"] == 200
    assert body["thread_id"] == THREAD
    assert RUN["prompt"] in body["response"]
    result = {"source": "none", "degraded": [], "durability": "queue", "cached": True}
    assert body["memory"] == result | {"context_tokens": 0, "omitted_exchanges": 0}
    assert [json.loads(message)["exchange_id"] for message in queued] == [body["exchange_id"]]
    assert layers.cached_contents(THREAD) == [RUN["prompt"], body["response"]]

    assert sync.invoke(_batch(*queued)) == {"batchItemFailures": []}
    assert [row[:3] for row in layers.stored(THREAD)] == [
        ("user", RUN["prompt"], body["exchange_id"]),
        ("assistant", body["response"], body["exchange_id"]),
    ]


def test_direct_events_are_answered(agent: Invocable, aws: Aws, deployment: Deployment) -> None:
    """Each direct sample event returns its route's object, and a stored exchange is in the queue."""
    appended = agent.invoke(_event("agent-invoked.json"))
    context = agent.invoke(_event("agent-invoking.json"))
    answer = agent.invoke(_event("agent-run.json"))
    queued = [json.loads(message)["exchange_id"] for message in _receive_all(aws, deployment.queue_url)]

    assert appended == {"exchange_id": DIRECT["invoked"]["exchange_id"], "durability": "queue", "cached": True}
    assert "user: Hello" in context["context"]
    assert remembered(answer["response"])[0] == "Hello"
    assert sorted(queued) == sorted([appended["exchange_id"], answer["exchange_id"]])


def test_the_documentation_page_is_in_the_artifact(agent: Invocable) -> None:
    """The artifact contains all files that the page loads."""
    event = _event("api-run.json") | {"httpMethod": "GET", "body": None}
    page = agent.invoke(event | {"path": "/docs", "pathParameters": {"proxy": "docs"}})
    files = [
        agent.invoke(event | {"path": f"/docs/{name}", "pathParameters": {"proxy": f"docs/{name}"}})
        for name in ("swagger-ui-bundle.js", "swagger-ui.css")
    ]

    assert page["statusCode"] == 200
    assert "docs/swagger-ui-bundle.js" in page["body"]
    assert [answer["statusCode"] for answer in files] == [200, 200]


def test_a_tool_is_called(agent: Invocable) -> None:
    """Tools work, although the artifact has no source files of the agent library."""
    answer = agent.invoke({"action": "run", "prompt": "What time is it in Europe/Paris?", "tools": ["current_time"]})

    # The tool's result has the time zone's difference from UTC, in winter or in summer.
    assert re.search(r"current_time`: \d{4}-\d\d-\d\dT[\d:]+\+0[12]:00", answer["response"])


def test_an_openai_model_answers(run: Callable[..., Invocable]) -> None:
    """The artifact contains all parts of the OpenAI client that a request to a model needs."""
    with ModelServer() as server:
        url = f"{server.url}/v1"
        agent = run("agent", AGENT__MODEL="openai:some-model", OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
        answer = agent.invoke(_event("agent-run.json") | {"thread_id": "conv_openai"})

    assert answer["response"] == server.answer
    assert [request.body["model"] for request in server.requests] == ["some-model"]


def test_a_bedrock_model_answers(run: Callable[..., Invocable]) -> None:
    """The runtime's own boto3 calls the emulator's Bedrock."""
    agent = run("agent", AGENT__MODEL="bedrock:anthropic.claude-3-haiku-20240307-v1:0")
    answer = agent.invoke(_event("agent-run.json") | {"thread_id": "conv_bedrock"})

    assert answer["response"]
    assert answer["memory"]["durability"] == "queue"


def test_traces_are_exported(run: Callable[..., Invocable], aws: Aws, deployment: Deployment, layers: Layers) -> None:
    """Both artifacts contain the OpenTelemetry modules. The batch's trace links to the request's trace."""
    with Collector() as collector:
        tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        assert run("agent", **tracing).invoke(_event("api-run.json"))["statusCode"] == 200
        ((body, attribute),) = _receive_traced(aws, deployment.queue_url)
        batch = _batch(body)
        batch["Records"][0]["messageAttributes"] = {"traceparent": {"dataType": "String", "stringValue": attribute}}
        assert run("sync", **tracing).invoke(batch) == {"batchItemFailures": []}
        (request,), (drained,) = collector.wait_for("POST /run"), collector.wait_for("process ExchangeQueue")

    assert [trace for trace, _ in drained.links] == [request.trace_id]
    assert layers.stored(THREAD)


def _receive_traced(aws: Aws, queue_url: str) -> list[tuple[str, str]]:
    """Return the queue's traced messages with their `traceparent`. Other tests' messages have no `traceparent`."""
    messages = []
    while received := aws.sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"]).get("Messages"):
        for message in received:
            aws.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            if attribute := message.get("MessageAttributes", {}).get("traceparent"):
                messages.append((message["Body"], attribute["StringValue"]))
    return messages


def test_a_token_is_checked(run: Callable[..., Invocable]) -> None:
    """The artifact contains all parts of cryptography that both algorithms need."""
    with Issuer() as issuer:
        agent = run("agent", **issuer.environment())
        event = _event("api-run.json") | {"httpMethod": "GET", "body": None, "path": "/threads/none"}
        event["pathParameters"] = {"proxy": "threads/none"}
        tokens = ("no.such.token", issuer.token(kid="one"), issuer.token(kid="two"))
        answers = [agent.invoke(_with_token(event, token)) for token in tokens]

    assert [answer["statusCode"] for answer in answers] == [401, 404, 404]


def _with_token(event: dict[str, Any], token: str) -> dict[str, Any]:
    value = f"Bearer {token}"
    headers = {"Authorization": value}, {"Authorization": [value]}
    return event | {"headers": headers[0], "multiValueHeaders": headers[1]}


def test_a_batch_is_stored(sync: Invocable, layers: Layers) -> None:
    """Every message of the sample batch becomes two rows."""
    assert sync.invoke(_event("sync-batch.json")) == {"batchItemFailures": []}

    for body in map(json.loads, BATCH):
        stored = {row[1] for row in layers.stored(body["thread_id"]) if row[2] == body["exchange_id"]}
        assert stored == {body["user_message"], body["assistant_message"]}


def test_invalid_messages_go_to_the_dead_letter_queue(sync: Invocable, layers: Layers, queues: Queues) -> None:
    """An invalid message becomes a dead letter with its reason. The rest of its batch is stored."""
    *invalid, valid = POISON
    assert sync.invoke(_event("sync-poison.json")) == {"batchItemFailures": []}

    dead_letters = queues.wait_for_dead_letters(lambda body: body in invalid, len(invalid))
    reasons = {dead_letter.body: dead_letter.attributes["reason"] for dead_letter in dead_letters}
    assert reasons == dict(zip(invalid, ("not_json", "unknown_version", "missing_field"), strict=True))
    stored = json.loads(valid)
    assert layers.stored_contents(stored["thread_id"]) == [stored["user_message"], stored["assistant_message"]]


@pytest.mark.parametrize("event", [{}, {"source": "aws.events"}], ids=["empty", "scheduled"])
def test_the_sweep_runs(sync: Invocable, event: dict[str, Any]) -> None:
    """The function answers the schedule's event."""
    assert sync.invoke(event).keys() >= {"stored", "repaired"}


def _due(*thread_ids: str) -> dict[str, Any]:
    """Return a batch of the derive queue."""
    return _batch(*(json.dumps({"version": 1, "kind": "vectors", "thread_id": each}) for each in thread_ids))


def test_the_derive_function_handles_a_batch(run: Callable[..., Invocable], queues: Queues) -> None:
    """Without embeddings, the artifact drops due threads. An invalid message becomes a dead letter."""
    derive = run("derive", SEARCH__EMBEDDINGS="off")
    assert derive.invoke(_due("a", "b")) == {"batchItemFailures": []}
    assert derive.invoke(_batch("no due thread")) == {"batchItemFailures": []}
    (dead_letter,) = queues.wait_for_dead_letters(lambda body: body == "no due thread", 1)
    assert dead_letter.attributes["reason"] == "not_json"


def test_vectors_are_made_with_the_local_model(
    run: Callable[..., Invocable], artifacts: dict[str, Path], layers: Layers
) -> None:
    """An artifact with the local model makes the vector of a drained exchange."""
    if not json.loads((artifacts["derive"] / "artifact.json").read_text())["embeddings"]:
        pytest.skip("the artifacts are built without EMBEDDINGS=local")
    embeddings = {"SEARCH__EMBEDDINGS": "local"}
    body = json.loads(BATCH[0]) | {"user_id": "ada", "thread_id": "embedded", "exchange_id": str(uuid4())}
    assert run("sync", **embeddings).invoke(_batch(json.dumps(body))) == {"batchItemFailures": []}
    assert run("derive", **embeddings).invoke(_due("embedded")) == {"batchItemFailures": []}
    assert layers.rows("select model, count(*) from exchange_vectors group by model") == [("local:all-MiniLM-L6-v2", 1)]
