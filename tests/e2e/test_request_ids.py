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
    """The functions' log lines."""

    def __init__(self, stack: StackProcess, api: MemoryApi) -> None:
        self._file = stack.state_dir / "functions.log"
        self._api = api

    def find(self, request_id: str, function: str, message: str) -> dict[str, Any]:
        """Wait for a function's line with an id, and return it."""
        found: list[dict[str, Any]] = []

        def has_line() -> bool:
            # The emulator waits a few milliseconds for a call's lines. The next call writes those that came later.
            self._api.send("GET", "/health")
            for line in self._file.read_text(errors="replace").splitlines():
                name, _, written = line.partition(" | ")
                if request_id in written and name.lower().startswith(function) and written.startswith("{"):
                    fields = json.loads(written)
                    if fields.get("message") == message:
                        found.append(fields)
            return bool(found)

        eventually(has_line)
        return found[0]


@pytest.fixture
def log(stack: StackProcess | None, api: MemoryApi) -> _Log:
    """Return the functions' log."""
    assert stack is not None
    return _Log(stack, api)


def _id_of(response: httpx.Response) -> str:
    request_id = response.headers["x-request-id"]
    assert request_id
    return str(request_id)


def test_a_responses_id_is_in_the_log_lines_of_the_request_and_of_the_drain(
    api: MemoryApi, log: _Log, thread_id: str
) -> None:
    """Each request's id is in the request's log line and in the log line of the batch that stores its exchange."""
    run = api.send("POST", "/run", json={"prompt": "Hello", "thread_id": thread_id})
    result = api.send("POST", "/invoked", json={"thread_id": thread_id, "user_message": "q", "assistant_message": "a"})
    assert (run.status_code, result.status_code) == (200, 202)
    assert _id_of(run) != _id_of(result)
    for response, route in ((run, "/run"), (result, "/invoked")):
        line = log.find(_id_of(response), "agent", "request")
        assert (line["correlation_id"], line["method"], line["route"]) == (_id_of(response), "POST", route)
        assert line["status"] == response.status_code
        assert _id_of(response) in log.find(_id_of(response), "sync", "batch drained")["correlation_ids"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/threads/none", 404), ("GET", "/none", 404), ("POST", "/invoking", 422)]
)
def test_a_problem_has_one_log_line(api: MemoryApi, log: _Log, method: str, path: str, status: int) -> None:
    """A problem has one log line, with the request id of the problem's body and header."""
    response = api.send(method, path, **({"json": {"thread_id": ""}} if method == "POST" else {}))
    assert (response.status_code, response.json()["request_id"]) == (status, _id_of(response))
    assert log.find(_id_of(response), "agent", "request")["status"] == status


def test_pages_of_other_origins_can_read_the_request_id(api: MemoryApi) -> None:
    """Responses to preflight requests and to pages of other origins have an id, which the pages may read."""
    headers = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "POST"}
    assert _id_of(api.send("OPTIONS", "/run", headers=headers))
    response = api.send("GET", "/health", headers={"Origin": "http://localhost:5173"})
    assert "x-request-id" in response.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize(
    "clients_id", ["chosen-by-the-client", "x" * 5_000, "\N{LATIN SMALL LETTER E WITH ACUTE}", "a\tb"]
)
def test_a_clients_id_is_ignored(api: MemoryApi, log: _Log, thread_id: str, clients_id: str) -> None:
    """The functions ignore ids that a client sends."""
    headers = {name: clients_id.encode() for name in ("X-Request-Id", "X-Amzn-Trace-Id")}
    body = {"thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
    response = api.send("POST", "/invoked", json=body, headers=headers)
    assert response.status_code == 202
    assert clients_id not in _id_of(response)
    assert log.find(_id_of(response), "sync", "batch drained")


def test_a_direct_invocation_has_lambdas_request_id(
    functions: Functions, aws: Aws, deployment: Deployment, log: _Log, thread_id: str
) -> None:
    """A direct invocation has Lambda's own id, which the response's metadata and a problem contain."""
    problem = functions.agent({"action": "invoked", "thread_id": thread_id})
    assert log.find(problem["request_id"], "agent", "request")["route"] == "invoked"
    event = {"action": "invoked", "thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
    response = aws.functions.invoke(FunctionName=deployment.agent_function, Payload=json.dumps(event))
    assert json.loads(response["Payload"].read())["durability"] == "queue"


def test_a_dead_letter_has_the_request_id(aws: Aws, deployment: Deployment, queues: Queues, log: _Log) -> None:
    """The request id of an invalid message is in the drain's log line and in the dead letter's attributes."""
    request_id, body = str(uuid4()), f"{uuid4()} is not JSON"
    attribute: Any = {"request_id": {"DataType": "String", "StringValue": request_id}}
    aws.sqs.send_message(QueueUrl=deployment.queue_url, MessageBody=body, MessageAttributes=attribute)
    (dead_letter,) = queues.wait_for_dead_letters(lambda found: found == body, 1)
    assert (dead_letter.attributes["request_id"], dead_letter.attributes["reason"]) == (request_id, "not_json")
    assert log.find(request_id, "sync", "message sent to the dead-letter queue")["correlation_id"] == request_id
