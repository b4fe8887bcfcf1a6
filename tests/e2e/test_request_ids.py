"""A response's id finds the log lines of the agent function and the drain."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infra.local.client import StackProcess
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.invocation import Functions
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.embedded("which read the functions' log file")


class _Log:
    """The functions' log lines from now on."""

    def __init__(self, stack: StackProcess) -> None:
        self._file = stack.state_dir / "functions.log"

    def find(self, named: str, function: str, message: str) -> dict[str, Any]:
        """Wait for a function's line with an id, and return it."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            for line in self._file.read_text(errors="replace").splitlines():
                name, _, written = line.partition(" | ")
                if named in written and name.lower().startswith(function) and written.startswith("{"):
                    fields = json.loads(written)
                    if fields.get("message") == message:
                        found.append(fields)
            return bool(found)

        eventually(look)
        return found[0]


@pytest.fixture
def log(stack: StackProcess | None) -> _Log:
    """Return the functions' log."""
    assert stack is not None
    return _Log(stack)


def _id_of(answer: httpx.Response) -> str:
    named = answer.headers["x-request-id"]
    assert named
    return str(named)


def test_from_the_answer_to_the_drain(api: MemoryApi, log: _Log, thread_id: str) -> None:
    """Each request's id is in the request's log line and in the log line of the batch that stores its exchange."""
    run = api.send("POST", "/run", json={"prompt": "Hello", "thread_id": thread_id})
    result = api.send("POST", "/invoked", json={"thread_id": thread_id, "user_message": "q", "assistant_message": "a"})
    assert (run.status_code, result.status_code) == (200, 202)
    assert _id_of(run) != _id_of(result)
    for answer, route in ((run, "/run"), (result, "/invoked")):
        line = log.find(_id_of(answer), "agent", "request")
        assert (line["correlation_id"], line["method"], line["route"]) == (_id_of(answer), "POST", route)
        assert line["status"] == answer.status_code
        assert _id_of(answer) in log.find(_id_of(answer), "sync", "batch drained")["correlation_ids"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/threads/none", 404), ("GET", "/none", 404), ("POST", "/invoking", 422)]
)
def test_a_problem_has_one_line(api: MemoryApi, log: _Log, method: str, path: str, status: int) -> None:
    """A problem has one log line, with the request id of the problem's body and header."""
    answer = api.send(method, path, **({"json": {"thread_id": ""}} if method == "POST" else {}))
    assert (answer.status_code, answer.json()["request_id"]) == (status, _id_of(answer))
    assert log.find(_id_of(answer), "agent", "request")["status"] == status


def test_preflights_and_pages_elsewhere(api: MemoryApi) -> None:
    """Responses to preflight requests and to pages of other origins have an id, which the pages may read."""
    asked = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}
    assert _id_of(api.send("OPTIONS", "/run", headers=asked))
    answer = api.send("GET", "/health", headers={"Origin": "http://localhost:5173"})
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("theirs", ["chosen-by-the-client", "x" * 5_000, "\N{LATIN SMALL LETTER E WITH ACUTE}", "a\tb"])
def test_a_clients_id_is_ignored(api: MemoryApi, log: _Log, thread_id: str, theirs: str) -> None:
    """The functions ignore ids that a client sends."""
    headers = {name: theirs.encode() for name in ("X-Request-Id", "X-Amzn-Trace-Id")}
    body = {"thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
    answer = api.send("POST", "/invoked", json=body, headers=headers)
    assert answer.status_code == 202
    assert theirs not in _id_of(answer)
    assert log.find(_id_of(answer), "sync", "batch drained")


def test_without_a_gateway(functions: Functions, aws: Aws, deployment: Deployment, log: _Log, thread_id: str) -> None:
    """A direct invocation has Lambda's own id, which the response's metadata and a problem contain."""
    problem = functions.agent({"action": "invoked", "thread_id": thread_id})
    assert log.find(problem["request_id"], "agent", "request")["route"] == "invoked"
    event = {"action": "invoked", "thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
    answer = aws.functions.invoke(FunctionName=deployment.agent_function, Payload=json.dumps(event))
    assert json.loads(answer["Payload"].read())["durability"] == "queue"


def test_a_dead_letter_keeps_the_id(aws: Aws, deployment: Deployment, queues: Queues, log: _Log) -> None:
    """The request id of an invalid message is in the drain's log line and in the dead letter's attributes."""
    named, body = str(uuid4()), f"{uuid4()} is not JSON"
    attribute: Any = {"request_id": {"DataType": "String", "StringValue": named}}
    aws.sqs.send_message(QueueUrl=deployment.queue_url, MessageBody=body, MessageAttributes=attribute)
    (letter,) = queues.wait_dead(lambda found: found == body, 1)
    assert (letter.attributes["request_id"], letter.attributes["reason"]) == (named, "not_json")
    assert log.find(named, "sync", "message sent to the dead-letter queue")["correlation_id"] == named
