"""The log lines of both functions contain a request's id. The tests run the functions on real servers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

from cli.redrive import RedriveResult, copy_messages
from infra.local.servers import PostgresServer
from shared.stores.sqs.admin import QueueAccess, QueueAdmin
from tests.support.exchanges import exchange
from tests.support.lambda_context import LambdaContext
from tests.support.queues import Queues
from tests.support.sqs_server import REGION, SqsServer

Import = Callable[[str], ModuleType]
_UNUSUAL_IDS = ["a\nb", "x" * 10_240, "\N{SNOWMAN}", "\x00", "Root=1-67891233-abcdef012345678912345678"]


class Function:
    """A function of the project and the log lines that it writes."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._written = io.StringIO()

    def invoke(self, event: object) -> tuple[str, Any]:
        """Invoke the function. Return Lambda's id of the invocation, and the result."""
        request_id = str(uuid4())
        # Both functions share one log handler, because the test runs them in one process.
        self._module.logger.handlers[0].setStream(self._written)
        return request_id, self._module.handler(event, LambdaContext(request_id))

    def ask(self, method: str, path: str, body: object = None, **more: Any) -> tuple[str, dict[str, Any]]:
        """Send a request. Return the gateway's request id, and the response with lowercase header names."""
        named = str(uuid4())
        _, answer = self.invoke(_event(named, method, path, body, **more))
        headers = dict(answer.get("headers") or {})
        headers |= {name: values[0] for name, values in (answer.get("multiValueHeaders") or {}).items()}
        return named, {**answer, "headers": {name.lower(): value for name, value in headers.items()}}

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines since the last call."""
        lines = [json.loads(line) for line in self._written.getvalue().splitlines()]
        self._written.seek(0)
        self._written.truncate()
        return lines


def _event(named: object, method: str, path: str, body: object = None, **more: Any) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "api", **more.pop("headers", {})},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"requestId": named, "stage": "local", "identity": {"sourceIp": "127.0.0.1"}},
        "body": body if isinstance(body, str) else None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        **more,
    }


@pytest.fixture
def agent(load: Import) -> Function:
    """Return the agent function."""
    return Function(load("functions.agent.handler"))


@pytest.fixture
def sync(load: Import) -> Function:
    """Return the sync function."""
    return Function(load("functions.sync.handler"))


_INVOKED = {"thread_id": "conv 1", "user_id": "ana", "user_message": "q", "assistant_message": "a"}
_PREFLIGHT = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "route"),
    [
        ("POST", "/run", {"prompt": "q", "thread_id": "conv 1"}, {}, 200, "/run"),
        ("POST", "/invoking", {"thread_id": "conv 1"}, {}, 200, "/invoking"),
        ("POST", "/invoked", _INVOKED, {}, 202, "/invoked"),
        ("DELETE", "/users/ana/preferences", None, {}, 204, "/users/{user_id}/preferences"),
        ("GET", "/", None, {}, 200, "/"),
        ("GET", "/health", None, {}, 200, "/health"),
        ("GET", "/openapi.json", None, {}, 200, "/openapi.json"),
        ("GET", "/assets/none.js", None, {}, 404, "/assets/{name}"),
        ("GET", "/threads/conv%202", None, {}, 404, "/threads/{thread_id}"),
        ("GET", "/nothing/conv%202", None, {}, 404, None),
        ("PUT", "/run", {}, {}, 405, "/run"),
        ("POST", "/run", "no json", {}, 400, "/run"),
        ("POST", "/run", {"prompt": "q"}, {"Content-Encoding": "gzip"}, 415, "/run"),
        ("POST", "/invoking", {"thread_id": ""}, {}, 422, "/invoking"),
        ("OPTIONS", "/run", None, _PREFLIGHT, 200, None),
        ("OPTIONS", "/run", None, {}, 405, "/run"),
    ],
)
def test_every_response_has_the_id(
    agent: Function, method: str, path: str, body: object, headers: dict[str, str], status: int, route: str | None
) -> None:
    """The request's id is in a header, in a problem's body, and in the log line. The line has no thread or user id."""
    named, answer = agent.ask(method, path, body, headers=headers)
    assert answer["statusCode"] == status
    assert answer["headers"]["x-request-id"] == named
    if answer["headers"].get("content-type") == "application/problem+json":
        assert json.loads(answer["body"])["request_id"] == named
    lines = agent.lines()
    assert {line["correlation_id"] for line in lines} == {named}
    (line,) = (each for each in lines if each["message"] == "request")
    assert (line["level"], line["method"], line.get("route"), line["status"]) == ("INFO", method, route, status)
    assert 0 <= line["milliseconds"] < 60_000
    assert "conv" not in json.dumps(lines)


def test_a_page_of_another_origin_may_read_the_id(agent: Function) -> None:
    """The CORS headers let a page of another origin read the header with the id."""
    _, answer = agent.ask("GET", "/health", headers={"Origin": "http://localhost:3000"})
    assert "x-request-id" in answer["headers"]["access-control-expose-headers"].lower()


def test_unexpected_errors_have_the_id(agent: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response and the log line of an unexpected error have the id, inside and outside of a route."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("functions.agent.health.Health.to_json", fail)
    named, answer = agent.ask("GET", "/health")
    assert (answer["statusCode"], answer["headers"]["x-request-id"]) == (500, named)
    lines = agent.lines()
    assert [line["message"] for line in lines] == ["unexpected error", "request"]
    assert {line["correlation_id"] for line in lines} == {named}

    monkeypatch.setattr("functions.agent.http.gateway._check_query", fail)
    named, answer = agent.ask("GET", "/threads/x")
    assert (answer["statusCode"], json.loads(answer["body"])["request_id"]) == (500, named)
    assert {line["correlation_id"] for line in agent.lines()} == {named}


def test_an_invocation_that_raises_has_one_log_line_with_both_ids(agent: Function) -> None:
    """An invocation raises an exception. One log line has the gateway's id and Lambda's id of the invocation."""
    request_id = str(uuid4())
    with pytest.raises(AttributeError):
        # This event is invalid, so the handler raises.
        agent.invoke(_event(request_id, "GET", "/health", queryStringParameters="conv"))
    (line,) = agent.lines()
    assert (line["correlation_id"], line["error"]) == (request_id, "AttributeError")
    assert line["function_request_id"] != request_id


@pytest.mark.parametrize("hostile", _UNUSUAL_IDS)
def test_a_clients_id_is_ignored(agent: Function, queues: Queues, hostile: str) -> None:
    """A client's header does not set the id. Its text is in no log line, header or message."""
    sent_headers = dict.fromkeys(["X-Request-Id", "X-Amzn-Trace-Id", "x-amzn-requestid", "X-Correlation-Id"], hostile)
    named, answer = agent.ask("POST", "/invoked", _INVOKED, headers=sent_headers)
    assert (answer["statusCode"], answer["headers"]["x-request-id"]) == (202, named)
    assert {line["correlation_id"] for line in agent.lines()} == {named}
    (record,) = queues.receive()
    assert record["messageAttributes"]["request_id"]["stringValue"] == named


@pytest.mark.parametrize("hostile", [*_UNUSUAL_IDS[:4], "", None, 7, ["r"]])
def test_an_invalid_gateway_id_is_replaced(agent: Function, queues: Queues, hostile: object) -> None:
    """A caller of the function may send any gateway id. Lambda's id replaces an invalid gateway id."""
    named, answer = agent.invoke(_event(hostile, "POST", "/invoked", _INVOKED))
    assert answer["statusCode"] == 202
    assert {line["correlation_id"] for line in agent.lines()} == {named}
    (record,) = queues.receive()
    assert record["messageAttributes"]["request_id"]["stringValue"] == named


@pytest.mark.parametrize(
    ("event", "route", "status"),
    [
        ({"action": "invoked", **_INVOKED}, "invoked", 200),
        ({"action": "run", "prompt": ""}, "run", 422),
        ({"action": "conv"}, None, 422),
        ({"action": ["conv"]}, None, 422),
        ([], None, 422),
    ],
)
def test_a_direct_invocation_has_lambdas_request_id(
    agent: Function, event: object, route: str | None, status: int
) -> None:
    """The log line of a direct invocation has Lambda's id."""
    named, answer = agent.invoke(event)
    assert answer.get("request_id", named) == named
    (line,) = agent.lines()
    assert line["correlation_id"] == named
    assert (line["method"], line.get("route"), line["status"]) == ("invoke", route, status)
    assert "conv" not in json.dumps(line)


def test_the_drain_logs_the_id_of_a_direct_invocation(agent: Function, sync: Function, queues: Queues) -> None:
    """The drain logs the id of a direct invocation as it logs the id of an HTTP request."""
    named, _ = agent.invoke({"action": "invoked", **_INVOKED})
    sync.invoke({"Records": queues.receive()})
    (line,) = sync.lines()
    assert line["correlation_ids"] == [named]


def test_each_request_of_a_process_has_its_own_id(agent: Function, sync: Function, queues: Queues) -> None:
    """Each request has its own id, in both functions. Log lines between requests have no id."""
    ids = [agent.ask("POST", "/invoked", {**_INVOKED, "thread_id": f"t{number}"})[0] for number in range(3)]
    refused, _ = agent.ask("POST", "/invoked", {})
    assert [line["correlation_id"] for line in agent.lines()] == [*ids, refused]
    sync.invoke({"Records": queues.receive()})
    sync.invoke({"source": "aws.events"})
    drained, swept = sync.lines()
    assert sorted(drained["correlation_ids"]) == sorted(ids)
    assert (drained["stored"], "correlation_id" in drained, "correlation_id" in swept) == (3, False, False)


def test_a_record_without_an_id_is_stored(sync: Function, queues: Queues) -> None:
    """An earlier release's record has no id. The drain stores it."""
    queues.client.send_message(QueueUrl=queues.url, MessageBody=exchange().to_wire())
    _, answer = sync.invoke({"Records": queues.receive()})
    (line,) = sync.lines()
    assert (answer, line["stored"], line["correlation_ids"]) == ({"batchItemFailures": []}, 1, [])


def test_a_dead_letter_keeps_its_id_after_a_redrive(agent: Function, sync: Function, queues: Queues) -> None:
    """A dead letter keeps its record's id. The record also has this id after a redrive."""
    named, _ = agent.ask("POST", "/invoked", _INVOKED)
    (record,) = queues.receive()
    sync.invoke({"Records": [{**record, "body": "no json"}]})
    given_up, drained = sync.lines()
    assert (given_up["level"], given_up["correlation_id"], given_up["reason"]) == ("ERROR", named, "not_json")
    assert drained["correlation_ids"] == []
    ((body, attributes),) = queues.dead()
    assert (body, attributes["request_id"], attributes["reason"]) == ("no json", named, "not_json")

    queues.client.purge_queue(QueueUrl=queues.url)
    access = QueueAccess(region=REGION)
    dead_letter_queue, exchange_queue = (QueueAdmin(url, access, queues.client) for url in (queues.dlq_url, queues.url))
    copy_messages(dead_letter_queue, exchange_queue, 1, None, RedriveResult(), lambda *_: None)
    (record,) = queues.receive()
    assert {name: value["stringValue"] for name, value in record["messageAttributes"].items()} == {"request_id": named}
    sync.invoke({"Records": [record]})
    assert sync.lines()[0]["correlation_id"] == named


def test_the_sweep_logs_the_id_of_an_exchange_in_the_outbox(
    agent: Function, sync: Function, postgres: PostgresServer, sqs: SqsServer
) -> None:
    """The sweep stores an exchange of the outbox and logs its request's id."""
    sqs.stop()
    postgres.kill()
    named, answer = agent.ask("POST", "/invoked", _INVOKED)
    assert json.loads(answer["body"])["durability"] == "redis"
    assert named in {line["correlation_id"] for line in agent.lines() if line["message"] == "request"}
    postgres.start()
    sync.invoke({"source": "aws.events"})
    assert [line["correlation_ids"] for line in sync.lines() if line["message"] == "outbox drained"] == [[named]]


def test_each_attempt_of_the_drain_logs_the_ids(
    agent: Function, sync: Function, queues: Queues, postgres: PostgresServer
) -> None:
    """PostgreSQL is down. Each attempt of the drain logs the ids of the records that wait."""
    named, _ = agent.ask("POST", "/invoked", _INVOKED)
    records = queues.receive()
    postgres.kill()
    _, answer = sync.invoke({"Records": records})
    assert answer["batchItemFailures"]
    waits = [line["correlation_ids"] for line in sync.lines() if line["message"] == "messages wait for postgres"]
    assert waits == [[named]]


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_failed_batch_logs_the_ids_of_its_records(sync: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error fails a batch, so SQS delivers its records again. The log has their ids."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("functions.sync.drain.Drain.run", fail)
    attribute = {"request_id": {"dataType": "String", "stringValue": "r-1"}}
    with pytest.raises(RuntimeError):
        sync.invoke({"Records": [{"messageAttributes": attribute}, None]})
    (line,) = sync.lines()
    assert (line["message"], line["correlation_ids"]) == ("batch failed", ["r-1"])
