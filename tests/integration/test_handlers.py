"""The tests import both functions as Lambda does and invoke them with each kind of event, on real servers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psycopg
import pytest

from shared.errors import SettingsError
from tests.support.exchanges import exchange
from tests.support.issuer import Issuer
from tests.support.lambda_context import LambdaContext
from tests.support.offline_answers import remembered
from tests.support.queues import Queues

CONTEXT = LambdaContext()

Import = Callable[[str], ModuleType]


def _rest(method: str, path: str, body: object = None, **more: Any) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/x-www-form-urlencoded", "Host": "api"},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"requestId": "gateway-1", "stage": "local", "identity": {"sourceIp": "127.0.0.1"}},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        **more,
    }


def _http(method: str, path: str, body: object = None) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "api"},
        "requestContext": {
            "requestId": "gateway-2",
            "stage": "$default",
            "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
        },
        "body": None if body is None else base64.b64encode(json.dumps(body).encode()).decode(),
        "isBase64Encoded": body is not None,
    }


@pytest.mark.parametrize(
    ("sent", "location"), [("/local", "local/"), ("/v1", "v1/"), ("/local/", None), ("/", None), ("", None)]
)
def test_the_pages_url_without_a_slash_redirects(load: Import, sent: str, location: str | None) -> None:
    """The page uses relative URLs. A URL without a trailing slash therefore redirects to the URL with a slash."""
    agent = load("functions.agent.handler")
    rest = _rest("GET", "/")
    rest["requestContext"]["path"] = sent
    http = _http("GET", sent or "/")
    http["requestContext"]["stage"] = sent.strip("/") or "$default"
    for event in (rest, http):
        answer = agent.handler(event, CONTEXT)
        headers = {name.lower(): value for name, value in answer["headers"].items()} | {
            name.lower(): values[0] for name, values in answer.get("multiValueHeaders", {}).items()
        }
        assert (answer["statusCode"], headers.get("location")) == ((307, location) if location else (200, None))
        assert answer["isBase64Encoded"] is False


def test_a_turn_reports_its_durations(load: Import) -> None:
    """The response's `Server-Timing` header has the durations of the turn's parts in milliseconds.

    The first turn of a thread waits for PostgreSQL, which may have the thread. The second turn does not.
    """
    agent = load("functions.agent.handler")
    first = _durations(agent.handler(_rest("POST", "/run", {"prompt": "Hello", "thread_id": "t"}), CONTEXT))
    assert list(first) == ["recall", "agent", "keep", "queue", "cache", "postgres"]
    assert 0 < first["queue"] + first["cache"] <= first["keep"] + 0.2
    assert 0 < first["postgres"] <= first["recall"] + 0.1
    second = _durations(agent.handler(_rest("POST", "/run", {"prompt": "And?", "thread_id": "t"}), CONTEXT))
    assert list(second) == ["recall", "agent", "keep", "queue", "cache"]


def test_storing_an_exchange_reports_its_durations(load: Import) -> None:
    """The header also reports the parts of `POST /invoked`, which has no agent."""
    agent = load("functions.agent.handler")
    body = {"thread_id": "t", "user_message": "q", "assistant_message": "a"}
    durations = _durations(agent.handler(_rest("POST", "/invoked", body), CONTEXT))
    assert list(durations) == ["recall", "queue", "cache", "postgres"]
    assert durations["queue"] > 0


def _durations(answer: dict[str, Any]) -> dict[str, float]:
    """Return the milliseconds of a response's `Server-Timing` header by part."""
    timing = (answer.get("headers") or {}).get("server-timing") or answer["multiValueHeaders"]["server-timing"][0]
    return {name: float(took) for name, took in (part.split(";dur=") for part in timing.split(", "))}


def test_a_turn_passes_through_both_functions(load: Import, queues: Queues, database: psycopg.Connection) -> None:
    """A turn passes through both functions, from API Gateway to the tables."""
    agent, sync = load("functions.agent.handler"), load("functions.sync.handler")
    answer = agent.handler(_rest("POST", "/run", {"prompt": "Hello", "thread_id": "t", "user_id": "u"}), CONTEXT)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert json.loads(answer["body"])["memory"]["durability"] == "queue"
    assert sync.handler({"Records": queues.receive()}, CONTEXT) == {"batchItemFailures": []}
    assert database.execute("select content from messages where position = 0").fetchall() == [("Hello",)]
    second = agent.handler(_http("POST", "/run", {"prompt": "And?", "thread_id": "t", "user_id": "u"}), CONTEXT)
    assert remembered(json.loads(second["body"])["response"]) == ["Hello"]


@pytest.mark.parametrize("make", [_rest, _http])
def test_a_problem_has_the_gateways_request_id(make: Callable[..., dict[str, Any]], load: Import) -> None:
    """A problem has the gateway's request id and the content type of problems. Its body is not encoded in base64."""
    agent = load("functions.agent.handler")
    event = make("GET", "/threads/nothing")
    answer = agent.handler(event, CONTEXT)
    result = json.loads(answer["body"])
    assert (answer["statusCode"], result["status"], answer["isBase64Encoded"]) == (404, 404, False)
    assert result["request_id"] == event["requestContext"]["requestId"]
    content_type = {name.lower(): value for name, value in answer["headers"].items()}["content-type"]
    assert content_type == "application/problem+json"


@pytest.mark.parametrize("make", [_rest, _http])
def test_an_encoded_id_is_one_path_segment(make: Callable[..., dict[str, Any]], load: Import) -> None:
    """An encoded id with a slash is one segment of the path."""
    agent = load("functions.agent.handler")
    agent.handler({"action": "invoked", "thread_id": "a/b%", "user_message": "q", "assistant_message": "a"}, CONTEXT)
    answer = agent.handler(make("GET", "/threads/a%2Fb%25/messages"), CONTEXT)
    assert [item["content"] for item in json.loads(answer["body"])["items"]] == ["q", "a"]


@pytest.mark.parametrize("make", [_rest, _http])
def test_a_page_of_this_machine_may_call_the_stage_local(make: Callable[..., dict[str, Any]], load: Import) -> None:
    """A page of this machine may call an API of the stage `local` by default."""
    event = make("OPTIONS", "/run")
    event["headers"] |= {"origin": "http://localhost:5173", "access-control-request-method": "POST"}
    answer = load("functions.agent.handler").handler(event, CONTEXT)
    assert answer["statusCode"] == 200
    assert answer["headers"]["access-control-allow-origin"] == "http://localhost:5173"


def test_a_page_of_this_machine_may_not_call_another_stage(guarded: ModuleType) -> None:
    """A page of this machine may not call an API of another stage."""
    event = _rest("OPTIONS", "/run")
    event["headers"] |= {"origin": "http://localhost:5173", "access-control-request-method": "POST"}
    answer = guarded.handler(event, CONTEXT)
    assert (answer["statusCode"], "access-control-allow-origin" in answer["headers"]) == (405, False)


def test_the_router_ignores_the_stage_in_the_path(load: Import) -> None:
    """If a path begins with the stage's name, the router ignores the stage."""
    event = _http("GET", "/prod/health")
    event["requestContext"]["stage"] = "prod"
    assert load("functions.agent.handler").handler(event, CONTEXT)["statusCode"] == 200


def test_a_body_over_the_size_limit_returns_413(load: Import) -> None:
    """For a body over the size limit, the API returns a 413."""
    agent = load("functions.agent.handler")
    answer = agent.handler(_rest("POST", "/run", {"prompt": "x" * 5_000_001}), CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (413, 413)


def test_a_missing_body_returns_400(load: Import) -> None:
    """For a missing body, the API returns a 400, as it does for a body that is not JSON."""
    assert load("functions.agent.handler").handler(_rest("POST", "/run"), CONTEXT)["statusCode"] == 400


def test_a_direct_invocation_returns_the_same_results_as_http(load: Import) -> None:
    """A direct invocation returns the same results as an HTTP request."""
    agent = load("functions.agent.handler")
    stored = agent.handler(
        {"action": "invoked", "thread_id": "t", "user_message": "q", "assistant_message": "a"}, CONTEXT
    )
    assert stored.keys() == {"exchange_id", "durability", "cached"}
    context = agent.handler({"action": "invoking", "thread_id": "t"}, CONTEXT)
    assert context["context"] == "Previous conversation:\nuser: q\nassistant: a"
    ran = agent.handler({"action": "run", "prompt": "Hello", "thread_id": "t"}, CONTEXT)
    assert "q" in remembered(ran["response"])


@pytest.mark.parametrize(
    ("event", "status", "field"),
    [
        ({}, 422, "action"),
        ({"action": "fly"}, 422, "action"),
        ({"action": ["run"]}, 422, "action"),
        ([], 422, "action"),
        ({"action": "run"}, 422, "prompt"),
        ({"action": "run", "prompt": "x", "tools": ["rm"]}, 422, "tools"),
        ({"action": "run", "prompt": "x" * 250_000}, 413, "prompt"),
        ({"action": "invoking", "thread_id": "x" * 300}, 422, "thread_id"),
        ({"action": "invoked", "thread_id": "t", "user_message": "q"}, 422, "assistant_message"),
    ],
)
def test_an_invalid_direct_invocation_returns_a_problem(event: Any, status: int, field: str, load: Import) -> None:
    """An invalid direct invocation returns a problem object with the status and the invalid field."""
    result = load("functions.agent.handler").handler(event, CONTEXT)
    assert (result["status"], result["errors"][0]["field"], result["request_id"]) == (status, field, "request-1")


def test_a_function_without_authentication_starts_only_in_the_stage_local(
    load: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without authentication, a function starts only in the stage `local`. The error names the wrong variable."""
    monkeypatch.setenv("STAGE", "prod")
    with pytest.raises(SettingsError, match="AUTH__MODE"):
        load("functions.agent.handler")
    monkeypatch.setenv("STAGE", "local")
    monkeypatch.setenv("MEMORY__MAX_THREAD_MESSAGES", "none")
    for name in ("functions.agent.handler", "functions.sync.handler"):
        with pytest.raises(SettingsError, match="MEMORY__MAX_THREAD_MESSAGES"):
            load(name)


@pytest.mark.parametrize("variable", ["AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT"])
@pytest.mark.parametrize("stage", [None, ""])
def test_a_function_without_a_stage_refuses_to_start_on_lambda(
    load: Import, monkeypatch: pytest.MonkeyPatch, stage: str | None, variable: str
) -> None:
    """Without a stage, the function refuses to start on Lambda. Outside Lambda the default stage is `local`."""
    monkeypatch.delenv("STAGE")
    if stage is not None:
        monkeypatch.setenv("STAGE", stage)
    assert not load("functions.agent.handler").guard.requires_tokens
    monkeypatch.setenv(variable, "f")
    with pytest.raises(SettingsError, match="STAGE is not set"):
        load("functions.agent.handler")


def test_a_function_starts_without_its_servers(load: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function starts and answers a health check while none of its servers runs."""
    monkeypatch.setenv("REDIS__PORT", "1")
    monkeypatch.setenv("DATABASE__URL", "postgresql://memory@127.0.0.1:1/memory")
    answer = load("functions.agent.handler").handler(_rest("GET", "/health"), CONTEXT)
    assert json.loads(answer["body"])["status"] == "degraded"


def test_only_the_invalid_record_of_a_batch_is_dead_lettered(load: Import, queues: Queues) -> None:
    """The function stores the valid record and dead-letters the invalid record. No record of the batch fails."""
    sync = load("functions.sync.handler")
    for body in ("no json", exchange().to_wire()):
        queues.client.send_message(QueueUrl=queues.url, MessageBody=body)
    assert sync.handler({"Records": queues.receive()}, CONTEXT) == {"batchItemFailures": []}
    assert [attributes["reason"] for _, attributes in queues.dead()] == ["not_json"]


def test_a_scheduled_event_sweeps(load: Import) -> None:
    """A scheduled event runs the sweep. The result has the sweep's counts."""
    sweep_result = load("functions.sync.handler").handler({"source": "aws.events"}, CONTEXT)
    assert (sweep_result["stored"], sweep_result["skipped"]) == (0, [])


def test_log_lines_contain_no_text(load: Import, capsys: pytest.CaptureFixture[str], queues: Queues) -> None:
    """Each log line is JSON and contains no text of an exchange."""
    agent, sync = load("functions.agent.handler"), load("functions.sync.handler")
    agent.handler(_rest("POST", "/run", {"prompt": "very secret", "thread_id": "t"}), CONTEXT)
    queues.client.send_message(QueueUrl=queues.url, MessageBody='{"user_message": "very secret"')
    sync.handler({"Records": queues.receive()}, CONTEXT)
    output = capsys.readouterr()
    assert "secret" not in output.out + output.err
    for line in output.out.splitlines():
        json.loads(line)


@pytest.fixture
def guarded(load: Import, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the agent function of a stage that requires tokens by default."""
    for name, value in {**issuer.environment(), "AUTH__MODE": "", "STAGE": "prod"}.items():
        monkeypatch.setenv(name, value)
    return load("functions.agent.handler")


@pytest.mark.parametrize("make", [_rest, _http])
def test_a_token_is_accepted_from_each_kind_of_gateway(
    make: Callable[..., dict[str, Any]], guarded: ModuleType, issuer: Issuer
) -> None:
    """The function accepts a token from each kind of gateway. Without a token it returns a 401 with a challenge."""
    refusal = guarded.handler(make("GET", "/threads"), CONTEXT)
    headers = {name.lower(): value for name, value in refusal["headers"].items()}
    assert (refusal["statusCode"], headers["www-authenticate"]) == (401, 'Bearer realm="hybrid-memory"')
    event = make("GET", "/threads")
    event["headers"] |= {"authorization": f"Bearer {issuer.token('ana')}"}
    assert guarded.handler(event, CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize(
    "given",
    [
        {"multiValueHeaders": {"Authorization": ["Bearer {good}", "Bearer {good}"]}},
        {"multiValueHeaders": {"Authorization": ["Bearer {good}", "Bearer {bad}"]}},
        {"headers": {"Authorization": "Bearer {good},Bearer {good}"}},
        {"headers": {"Authorization": "Bearer {bad}", "X-Authorization": "Bearer {good}"}},
        {"headers": {}, "queryStringParameters": {"access_token": "{good}"}},
        {"headers": {"Cookie": "Authorization=Bearer {good}"}},
    ],
)
def test_two_tokens_and_a_token_outside_the_header_are_refused(
    guarded: ModuleType, issuer: Issuer, given: dict[str, Any]
) -> None:
    """The function refuses a request with two tokens, and a token outside of the `Authorization` header."""
    valid_token, expired_token = issuer.token("ana"), issuer.token("bob", exp=1)
    text = json.dumps(given).replace("{good}", valid_token).replace("{bad}", expired_token)
    answer = guarded.handler(_rest("GET", "/threads", **json.loads(text)), CONTEXT)
    assert answer["statusCode"] == 401


def test_a_direct_invocation_needs_no_token(guarded: ModuleType) -> None:
    """A direct invocation acts for its `user_id`. Without a `user_id` it acts for the thread's owner."""
    event = {"action": "invoked", "thread_id": "t", "user_message": "q", "assistant_message": "a"}
    assert guarded.handler({**event, "user_id": "ana"}, CONTEXT)["durability"] == "queue"
    assert guarded.handler(event, CONTEXT)["durability"] == "queue"
    assert guarded.handler({**event, "user_id": "bob"}, CONTEXT)["status"] == 404
    context = guarded.handler({"action": "invoking", "thread_id": "t", "user_id": "ana"}, CONTEXT)
    assert len(context["messages"]) == 4
