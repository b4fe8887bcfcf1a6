"""Sample events, both kinds of API events, and invalid events invoke the Lambda functions directly."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from tests.e2e.invocation import Functions
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.events.content import BATCH, DIRECT, POISON, RUN
from tests.support.offline_answers import remembered

_EVENTS = Path(__file__).parents[1] / "events"


def _event(name: str) -> dict[str, Any]:
    return dict(json.loads((_EVENTS / name).read_text()))


def _rest_event(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Return the captured event for another request."""
    event = _event("api-run.json")
    path_parameters = {"proxy": path.removeprefix("/")}
    changed_fields = {"httpMethod": method, "path": path, "pathParameters": path_parameters}
    return event | changed_fields | {"body": None if body is None else json.dumps(body)}


def _http_event(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Return an event of an HTTP API, payload version 2.0, as AWS documents it."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        # An HTTP API decodes the path.
        "rawPath": unquote(path),
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.com"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "example",
            },
            "requestId": "the-request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    } | ({} if body is None else {"body": json.dumps(body)})


def test_the_sample_events_have_the_captured_contents() -> None:
    """The sample events have the contents that `tests/events/capture.py` sends."""
    for name, bodies in (("sync-batch.json", BATCH), ("sync-poison.json", POISON)):
        assert [record["body"] for record in _event(name)["Records"]] == bodies
    for name, event in DIRECT.items():
        assert _event(f"agent-{name}.json") == event
    assert json.loads(_event("api-run.json")["body"]) == RUN


def test_the_direct_events_return_the_routes_results(functions: Functions) -> None:
    """Each direct sample event returns the object of its HTTP route."""
    appended = functions.agent(_event("agent-invoked.json"))
    context = functions.agent(_event("agent-invoking.json"))
    response = functions.agent(_event("agent-run.json"))

    assert appended.keys() == {"exchange_id", "durability", "cached"}
    assert appended["exchange_id"] == _event("agent-invoked.json")["exchange_id"]
    assert "user: Hello" in context["context"]
    assert response.keys() == {"response", "thread_id", "exchange_id", "memory"}
    assert "Hello" in remembered(response["response"])


def test_the_api_event_gets_a_response_for_api_gateway(functions: Functions) -> None:
    """The captured REST event gets a status, a content type and a JSON body."""
    response = functions.agent(_event("api-run.json"))

    assert response["statusCode"] == 200
    assert response["isBase64Encoded"] is False
    assert json.loads(response["body"])["thread_id"] == "conv_12345"


@pytest.mark.parametrize("make", [_rest_event, _http_event])
def test_rest_and_http_api_events_reach_the_same_routes(functions: Functions, thread_id: str, make: Any) -> None:
    """Events of REST and HTTP APIs reach the same routes, with encoded ids, invalid bodies and deletions."""
    # An HTTP API cannot distinguish a slash in an id from a slash in the path.
    thread = f"{thread_id}/é" if make is _rest_event else f"{thread_id}%2F é"
    encoded = quote(thread, safe="")
    appended = {"user_message": "Hello", "assistant_message": "Hi", "thread_id": thread}

    assert functions.agent(make("POST", "/invoked", appended))["statusCode"] == 202
    read = functions.agent(make("GET", f"/threads/{encoded}/messages"))
    refusal = functions.agent(make("POST", "/run", {"prompt": 17}))
    deleted = functions.agent(make("DELETE", f"/threads/{encoded}"))

    assert [item["content"] for item in json.loads(read["body"])["items"]] == ["Hello", "Hi"]
    assert refusal["statusCode"] == 422
    assert json.loads(refusal["body"])["errors"][0]["field"] == "prompt"
    assert refusal["headers"]["content-type"] == "application/problem+json"
    assert deleted["statusCode"] == 204


def test_the_stage_of_an_http_api_is_not_part_of_the_route(functions: Functions) -> None:
    """An HTTP API with a named stage adds the stage to the path. The route is the rest of the path."""
    event = _http_event("GET", "/prod/health")
    event["requestContext"] |= {"stage": "prod", "domainName": "api-id.execute-api.us-east-1.amazonaws.com"}

    assert functions.agent(event)["statusCode"] == 200


def test_a_body_that_is_not_utf_8_is_refused(functions: Functions) -> None:
    """A binary body that is not UTF-8 is refused, because it is not JSON."""
    event = _rest_event("POST", "/run") | {"isBase64Encoded": True}
    event["body"] = base64.b64encode(b'{"prompt": "\xff\xfe"}').decode()

    response = functions.agent(event)

    assert response["statusCode"] == 400
    assert response["headers"]["content-type"] == "application/problem+json"


def test_the_batch_event_is_drained(functions: Functions, layers: Layers) -> None:
    """The valid sample batch is stored without a failed record, and repeating it changes nothing."""
    event = _event("sync-batch.json")

    for _ in range(2):
        assert functions.sync(event) == {"batchItemFailures": []}

    for record in event["Records"]:
        exchange = json.loads(record["body"])
        texts = layers.stored_contents(exchange["thread_id"])
        assert texts.count(exchange["user_message"]) == 1
        assert texts.count(exchange["assistant_message"]) == 1
    assert layers.conversations("conv_anonymous")[0][0] is None


def test_invalid_records_of_the_poison_event_become_dead_letters(
    functions: Functions, layers: Layers, queues: Queues
) -> None:
    """Invalid records become dead letters, the valid one is stored, and the queue is empty."""
    event = _event("sync-poison.json")

    assert functions.sync(event) == {"batchItemFailures": []}

    invalid_bodies = [record["body"] for record in event["Records"]][:3]
    reasons = {
        dead_letter.body: dead_letter.attributes["reason"]
        for dead_letter in queues.wait_for_dead_letters(lambda body: body in invalid_bodies, 3)
    }
    assert [reasons[body] for body in invalid_bodies] == ["not_json", "unknown_version", "missing_field"]
    assert layers.stored_contents("conv_survivor") == ["I am fine", "And stored, whatever the others are."]


@pytest.mark.parametrize(
    ("event", "field", "status"),
    [
        ({"action": "explode"}, "action", 422),
        ({"action": 17}, "action", 422),
        ({"action": None}, "action", 422),
        ({}, "action", 422),
        ([], "action", 422),
        ("run", "action", 422),
        ({"action": "run"}, "prompt", 422),
        ({"action": "run", "prompt": "x" * 250_000}, "prompt", 413),
        ({"action": "run", "prompt": "Hello", "agent_name": "nobody"}, "agent_name", 422),
        ({"action": "run", "prompt": "Hello", "tools": ["nothing"]}, "tools", 422),
        ({"action": "invoking", "thread_id": "x" * 300}, "thread_id", 422),
        ({"action": "invoked", "user_message": "Hello"}, "assistant_message", 422),
        ({"action": "invoked", "user_message": "\x00", "assistant_message": "Hi"}, "user_message", 422),
    ],
)
def test_an_invalid_direct_event_returns_a_problem(functions: Functions, event: Any, field: str, status: int) -> None:
    """An invalid direct event returns the problem object with its status. The invocation does not fail."""
    problem = functions.agent(event)

    assert problem["status"] == status
    assert problem["errors"][0]["field"] == field
    assert problem["request_id"]


def test_a_direct_invocation_and_http_share_the_memory(functions: Functions, api: MemoryApi, thread_id: str) -> None:
    """An exchange stored by an invocation is in the context of a turn over HTTP."""
    functions.agent({"action": "run", "prompt": "My name is Ada.", "thread_id": thread_id})

    assert "My name is Ada." in remembered(api.run("Who am I?", thread_id=thread_id)["response"])
