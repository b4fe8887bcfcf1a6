"""Both functions export OpenTelemetry traces to a collector, on real servers."""

from __future__ import annotations

import io
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg
import pytest

from shared.errors import SettingsError
from shared.tracing.start import start_tracing
from tests.support.collector import Collector, ReceivedSpan
from tests.support.exchanges import exchange
from tests.support.lambda_context import LambdaContext
from tests.support.queues import Queues

Import = Callable[[str], ModuleType]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
_INVOKED = {"thread_id": "conv-1", "user_id": "ana", "user_message": "secret-q", "assistant_message": "secret-a"}
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5


def _context(custom: object = None) -> Any:
    return LambdaContext("invocation-1", client_context=SimpleNamespace(custom=custom))


def _event(method: str, path: str, body: object = None, headers: dict[str, Any] | None = None) -> dict[str, Any]:
    all_headers = {"Host": "api", **(headers or {})}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {name: value for name, value in all_headers.items() if isinstance(value, str)},
        "multiValueHeaders": {
            name: value if isinstance(value, list) else [value] for name, value in all_headers.items()
        },
        "queryStringParameters": None,
        "requestContext": {"requestId": "gateway-1", "stage": "local", "identity": {"sourceIp": "127.0.0.1"}},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Start a collector and turn tracing on."""
    with Collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "5000")
        yield running


@pytest.fixture
def agent(load: Import, collector: Collector) -> ModuleType:  # noqa: ARG001 - turns tracing on
    """Return the agent function."""
    return load("functions.agent.handler")


def _only_span(collector: Collector, name: str) -> ReceivedSpan:
    (span,) = collector.named(name)
    return span


def test_a_trace_leads_from_the_caller_to_the_drain(
    agent: ModuleType, load: Import, collector: Collector, queues: Queues, database: psycopg.Connection
) -> None:
    """A request and its SQS message belong to the caller's trace. The batch has its own trace and a link to them."""
    answer = agent.handler(_event("POST", "/invoked", _INVOKED, {"traceparent": TRACEPARENT}), _context())
    assert answer["statusCode"] == 202
    request = _only_span(collector, "POST /invoked")
    assert (request.kind, request.trace_id, request.parent_id) == (SERVER, TRACE, PARENT)
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/invoked",
        "http.response.status_code": 202,
        "http.response.header.x-request-id": ["gateway-1"],
        "url.scheme": "https",
        "faas.invocation_id": "invocation-1",
    }
    (send,) = (span for span in collector.spans if span.kind == PRODUCER)
    calls = [span for span in collector.spans if span.kind == CLIENT]
    assert {span.trace_id for span in collector.spans} == {TRACE}
    assert {span.parent_id for span in [send, *calls]} == {request.span_id}
    assert send.attributes["messaging.system"] == "aws_sqs"
    assert send.name == f"send {queues.url.rpartition('/')[2]}"
    assert "redis" in {span.attributes["db.system.name"] for span in calls}

    records = [{**record, "eventSourceARN": "arn:aws:sqs:r:1:exchanges"} for record in queues.receive()]
    (sent,) = (record["messageAttributes"]["traceparent"]["stringValue"] for record in records)
    assert sent == f"00-{TRACE}-{send.span_id}-01"
    assert "trace" not in records[0]["body"]
    assert load("functions.sync.handler").handler({"Records": records}, _context()) == {"batchItemFailures": []}
    assert database.execute("select count(*) from messages").fetchone() == (2,)
    batch = _only_span(collector, "process exchanges")
    assert (batch.kind, batch.parent_id, batch.links) == (CONSUMER, "", [(TRACE, send.span_id)])
    assert batch.attributes["messaging.batch.message_count"] == 1
    store = _only_span(collector, "postgresql store")
    assert (store.parent_id, store.attributes["db.system.name"]) == (batch.span_id, "postgresql")
    assert [span.resource["service.name"] for span in (request, batch)] == ["hybrid-memory-agent", "hybrid-memory-sync"]


def test_spans_have_no_user_data(agent: ModuleType, load: Import, collector: Collector, queues: Queues) -> None:
    """Spans of successful and failed requests contain no ids of users or threads and no texts."""
    agent.handler(_event("POST", "/invoked", _INVOKED), _context())
    agent.handler(_event("POST", "/run", {"prompt": "secret-p", "thread_id": "conv-1", "user_id": "ana"}), _context())
    for method, path in [("GET", "/threads/conv-1"), ("GET", "/conv-1"), ("DELETE", "/users/ana"), ("X-ANA", "/run")]:
        agent.handler(_event(method, path), _context())
    agent.handler({"action": "invoked", **_INVOKED}, _context())
    agent.handler({"action": "conv-1"}, _context())
    poison = {"messageId": "conv-1", "receiptHandle": "conv-1", "body": "secret"}
    load("functions.sync.handler").handler({"Records": [*queues.receive(), poison]}, _context())
    load("functions.sync.handler").handler({}, _context())
    assert {"POST /run", "GET /threads/{thread_id}", "GET", "DELETE /users/{user_id}", "invoke invoked", "invoke"} <= {
        span.name for span in collector.spans
    }
    for text in (b"secret", b"conv-1", b"ana"):
        assert text not in collector.raw
    assert sum(span.events for span in collector.spans) == 0


def test_each_call_of_the_model_has_a_span(agent: ModuleType, collector: Collector) -> None:
    """Each call of the model has a span with token counts in the request's trace."""
    answer = agent.handler(_event("POST", "/run", {"prompt": "q", "thread_id": "t"}), _context())
    assert answer["statusCode"] == 200
    chat, request = _only_span(collector, "chat offline"), _only_span(collector, "POST /run")
    assert (chat.trace_id, chat.parent_id) == (request.trace_id, request.span_id)
    assert chat.attributes["gen_ai.request.model"] == "offline"
    assert {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"} <= chat.attributes.keys()


@pytest.mark.parametrize("custom", [{"traceparent": TRACEPARENT}, {"traceparent": 7}, {"traceparent": "x"}, [], None])
def test_a_direct_invocation_continues_the_trace_of_its_client_context(
    agent: ModuleType, collector: Collector, custom: Any
) -> None:
    """If the client context of a direct invocation has a trace, the invocation continues this trace."""
    assert agent.handler({"action": "invoked", **_INVOKED}, _context(custom))["durability"] == "queue"
    span = _only_span(collector, "invoke invoked")
    is_continued = custom == {"traceparent": TRACEPARENT}
    assert (span.trace_id == TRACE, span.parent_id) == (is_continued, PARENT if is_continued else "")
    assert span.attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "x",
        "x" * 9_000,
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        "\N{SNOWMAN}",
        [TRACEPARENT, TRACEPARENT],
    ],
)
def test_an_invalid_traceparent_starts_a_new_trace(
    agent: ModuleType, collector: Collector, queues: Queues, traceparent: Any
) -> None:
    """A request with an invalid `traceparent` gets a new trace."""
    answer = agent.handler(_event("POST", "/invoked", _INVOKED, {"Traceparent": traceparent}), _context())
    assert answer["statusCode"] == 202
    span = _only_span(collector, "POST /invoked")
    assert (span.parent_id, span.trace_id == TRACE) == ("", False)
    (record,) = queues.receive()
    assert record["messageAttributes"]["traceparent"]["stringValue"].startswith(f"00-{span.trace_id}-")


def test_no_span_is_exported_for_an_unsampled_caller(agent: ModuleType, collector: Collector, queues: Queues) -> None:
    """The caller's trace is not sampled. The function exports no span, and the message says `not sampled` too."""
    agent.handler(_event("POST", "/invoked", _INVOKED, {"traceparent": f"00-{TRACE}-{PARENT}-00"}), _context())
    assert (collector.requests, collector.spans) == (0, [])
    (record,) = queues.receive()
    traceparent = record["messageAttributes"]["traceparent"]["stringValue"]
    assert (traceparent[:36], traceparent[-3:]) == (f"00-{TRACE}-", "-00")


@pytest.mark.parametrize(
    "attribute",
    [
        None,
        {"stringValue": None},
        {"stringValue": 7},
        {"stringValue": "x"},
        {"stringValue": f"00-{'0' * 32}-{PARENT}-01"},
        "x",
        [],
    ],
)
def test_messages_with_and_without_a_trace_are_stored(
    load: Import, collector: Collector, database: psycopg.Connection, attribute: Any
) -> None:
    """The drain stores messages with and without a trace. The batch's span links to each trace once."""
    sync = load("functions.sync.handler")
    with_trace = {"traceparent": {"stringValue": TRACEPARENT}}
    records = [
        {"messageId": str(number), "receiptHandle": "r", "body": exchange(number).to_wire(), "messageAttributes": sent}
        for number, sent in enumerate([with_trace, with_trace, {"traceparent": attribute}, None])
    ]
    assert sync.handler({"Records": records}, _context()) == {"batchItemFailures": []}
    assert database.execute("select count(*) from messages").fetchone() == (8,)
    assert _only_span(collector, "process").links == [(TRACE, PARENT)]


def test_a_dead_letter_keeps_its_trace(load: Import, collector: Collector, queues: Queues) -> None:
    """The dead letter keeps its trace and the request's id."""
    attribute: Any = {"traceparent": {"DataType": "String", "StringValue": TRACEPARENT}}
    queues.client.send_message(QueueUrl=queues.url, MessageBody="no json", MessageAttributes=attribute)
    load("functions.sync.handler").handler({"Records": queues.receive()}, _context())
    ((_, attributes),) = queues.dead()
    assert attributes["traceparent"] == TRACEPARENT
    assert collector.named(f"dead_letter {queues.dlq_url.rpartition('/')[2]}")


def test_a_batch_of_the_derive_function_has_a_span(load: Import, collector: Collector) -> None:
    """A batch of the derive queue is a span, as a batch of the drain is."""
    record = {"messageId": "m", "receiptHandle": "r", "eventSourceARN": "arn:aws:sqs:r:1:derive"}
    record["body"] = '{"version": 1, "kind": "vectors", "thread_id": "t"}'
    derive = load("functions.derive.handler")
    assert derive.handler({"Records": [record]}, _context()) == {"batchItemFailures": []}
    assert _only_span(collector, "process derive").kind == CONSUMER


def test_the_span_of_a_failed_request_has_no_details(
    agent: ModuleType, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span of a failed request has only the status and the error's class."""

    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(agent.operations, "invoking", fail)
    assert agent.handler(_event("POST", "/invoking", {"thread_id": "t"}), _context())["statusCode"] == 500
    span = _only_span(collector, "POST /invoking")
    assert (span.status, span.attributes["error.type"]) == (2, "500")
    assert b"secret" not in collector.raw


@pytest.fixture
def log_stream(agent: ModuleType) -> io.StringIO:
    """Return the stream that gets the function's log lines."""
    output = io.StringIO()
    agent.logger.handlers[0].setStream(output)
    return output


def test_log_lines_have_the_trace(agent: ModuleType, log_stream: io.StringIO) -> None:
    """Each log line of a request has the id of the request's trace."""
    agent.handler(_event("POST", "/invoked", _INVOKED, {"traceparent": TRACEPARENT}), _context())
    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    assert [line["trace_id"] for line in lines] == [TRACE]


def test_the_environment_sets_the_service_name_and_the_headers(
    load: Import, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenTelemetry's own environment variables set the service name and the exporter's headers."""
    for name, value in {
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_RESOURCE_ATTRIBUTES": "team=memory,deployment.environment.name=blue",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }.items():
        monkeypatch.setenv(name, value)
    load("functions.agent.handler").handler(_event("GET", "/openapi.json"), _context())
    (span,) = collector.spans
    assert collector.headers["api-key"] == "k1"
    assert span.resource["service.name"] == "mine"
    assert (span.resource["team"], span.resource["deployment.environment.name"]) == ("memory", "blue")


def test_processes_of_one_snapshot_generate_different_ids(load: Import, collector: Collector) -> None:
    """Two processes restored from one snapshot generate different ids."""
    agent = load("functions.agent.handler")
    for _ in range(2):
        random.seed(7)
        agent.handler(_event("GET", "/openapi.json"), _context())
    first, second = collector.spans
    assert first.trace_id != second.trace_id
    assert first.span_id != second.span_id


# --- off ---

_PRINT_IMPORTED_LIBRARIES = """
import sys, types
def imported_libraries():
    return sorted(name for name in sys.modules if name.startswith(("opentelemetry", "requests", "google")))
import functions.sync.handler as sync
print(imported_libraries())
import functions.agent.handler as agent
context = types.SimpleNamespace(function_name="f", memory_limit_in_mb=1, invoked_function_arn="a", aws_request_id="i",
                                get_remaining_time_in_millis=lambda: 15_000)
invoked = {"action": "invoked", "thread_id": "t", "user_message": "q", "assistant_message": "a"}
print(agent.handler(invoked, context)["durability"])
agent.handler({"action": "run", "prompt": "q"}, context)
sync.handler({"Records": []}, context)
# FastAPI and Pydantic AI import the interface themselves, which does nothing.
parts = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "requests", "google")
print([name for name in imported_libraries() if name.startswith(parts)])
"""


@pytest.mark.usefixtures("load")
def test_without_tracing_nothing_is_imported(queues: Queues) -> None:
    """If the template's variables are empty, the functions import no tracing library and messages have no trace."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_HEADERS": ""}
    environment |= {"OTEL_TRACES_SAMPLER": "parentbased_always_on", "OTEL_TRACES_SAMPLER_ARG": "1.0"}
    command = [sys.executable, "-c", _PRINT_IMPORTED_LIBRARIES]
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert [line for line in completed.stdout.splitlines() if not line.startswith("{")] == ["[]", "queue", "[]"]
    (record,) = queues.receive()
    assert "traceparent" not in record["messageAttributes"]


@pytest.mark.parametrize(
    ("switches", "is_on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "mine"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "no"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://collector.example.com/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_an_endpoint_or_exporter_turns_tracing_on(
    switches: dict[str, str],
    is_on: bool,  # noqa: FBT001 - a case
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An endpoint or the name of an exporter turns tracing on."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in switches.items():
        monkeypatch.setenv(name, value)
    assert (start_tracing("f") is not None) is is_on


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "jaeger"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "soon"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "5001"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "\N{SUPERSCRIPT TWO}"),
    ],
)
@pytest.mark.usefixtures("collector")
def test_invalid_variables_stop_the_start(
    load: Import, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function refuses to start with an invalid variable. The error names the variable."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load("functions.sync.handler")


# - an unavailable collector ---


def _seconds(call: Callable[[], Any]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def test_a_frozen_collector_delays_one_request(
    load: Import, collector: Collector, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that hangs delays one request by the timeout.

    Later requests do not wait. After the collector recovers, it gets every span.
    """
    monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "1000")
    agent = load("functions.agent.handler")
    collector.freeze()

    def ask(times: int = 1) -> None:
        for _ in range(times):
            assert agent.handler(_event("POST", "/invoked", _INVOKED), _context())["statusCode"] == 202

    assert _seconds(ask) >= 1
    assert _seconds(lambda: ask(20)) < 15  # It would take twenty seconds if each request waited.
    assert len(queues.exchanges()) == 21
    assert collector.requests == 1
    collector.thaw()
    collector.wait_for("POST /invoked")
    agent.tracer._export._thread.join(30)
    ask()
    # The function exports the earlier spans together with the next spans.
    assert len(collector.wait_for("POST /invoked", 22)) == 22


def test_refused_spans_are_logged_once(
    agent: ModuleType, collector: Collector, queues: Queues, log_stream: io.StringIO
) -> None:
    """The collector refuses the spans of five requests. Only one log line reports this."""
    collector.status = 401
    for _ in range(5):
        assert agent.handler(_event("POST", "/invoked", _INVOKED), _context())["statusCode"] == 202
        agent.tracer._export._thread.join(30)
    assert len(queues.exchanges()) == 5
    lines = [line for line in log_stream.getvalue().splitlines() if "Failed to export" in line]
    assert len(lines) == 1
    collector.status = 200
    agent.handler(_event("POST", "/invoked", _INVOKED), _context())
    agent.tracer._export._thread.join(30)
    assert collector.named("POST /invoked")


def test_the_functions_work_without_a_collector(
    load: Import, queues: Queues, database: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a running collector, both functions work as they do without tracing."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        agent, sync = load("functions.agent.handler"), load("functions.sync.handler")
        assert agent.handler(_event("POST", "/invoked", _INVOKED), _context())["statusCode"] == 202
        assert sync.handler({"Records": queues.receive()}, _context()) == {"batchItemFailures": []}
    assert database.execute("select count(*) from messages").fetchone() == (2,)


def test_a_request_is_answered_if_the_exporter_raises(
    agent: ModuleType, queues: Queues, monkeypatch: pytest.MonkeyPatch, log_stream: io.StringIO
) -> None:
    """The exporter raises an exception. The request is answered, and a log line reports the exception."""

    def fail(*_: object) -> None:
        raise OverflowError("secret")

    monkeypatch.setattr(agent.tracer._export._exporter, "export", fail)
    assert agent.handler(_event("POST", "/invoked", _INVOKED), _context())["statusCode"] == 202
    assert len(queues.exchanges()) == 1
    assert "spans were not exported" in log_stream.getvalue()
    assert "secret" not in log_stream.getvalue()


def test_the_number_of_buffered_spans_is_limited(agent: ModuleType, collector: Collector) -> None:
    """A process buffers a limited number of spans in memory."""
    collector.freeze()
    agent.tracer._export._seconds = 0.01
    export = agent.tracer._export
    agent.handler(_event("GET", "/openapi.json"), _context())
    for _ in range(2_500):
        with agent.tracer.call("x", {}):
            pass
    assert len(export._ended) == 2_048
