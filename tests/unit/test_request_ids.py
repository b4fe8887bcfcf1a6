"""A valid request id is in the log lines of its request and of the drain."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from functions.agent.http.request_log import request_id_of as request_id_of_event
from functions.sync.drain import Drain, in_chunks
from functions.sync.sweep import Sweep
from shared.errors import InvalidRecord
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.models import Exchange
from shared.request_ids import current_request_id, request_id_scope, valid_request_id
from shared.sqs_record import SqsRecord, request_id_of
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import MOMENT, exchange

INVALID_IDS: list[object] = [
    "",
    "a\nb",
    "a\r\nx-header: 1",
    "x" * 10_240,
    "\N{SNOWMAN}",
    "\x00",
    "a b",
    '"',
    "\udc80",
    None,
    7,
    ["r"],
    {},
]
_LAMBDA_REQUEST_ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


@pytest.mark.parametrize(
    "request_id",
    ["c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "JKJaXmPLvHcESHA=", "1-67891233-abcdef012345678912345678", "r"],
)
def test_a_gateways_request_id_is_used(request_id: str) -> None:
    """The request id may come from a REST API, an HTTP API or another gateway with the same event format."""
    assert valid_request_id(request_id) == request_id
    assert request_id_of_event({"requestContext": {"requestId": request_id}}, _LAMBDA_REQUEST_ID) == request_id


@pytest.mark.parametrize("request_id", INVALID_IDS)
def test_an_invalid_request_id_is_replaced(request_id: object) -> None:
    """Lambda's own id replaces an invalid id. A message with an invalid id counts as a message without an id."""
    assert valid_request_id(request_id) is None
    assert request_id_of_event({"requestContext": {"requestId": request_id}}, _LAMBDA_REQUEST_ID) == _LAMBDA_REQUEST_ID
    assert request_id_of({"messageAttributes": {"request_id": {"stringValue": request_id}}}) is None


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"action": "run"},
        [],
        None,
        {"requestContext": None},
        {"requestContext": "r"},
        {"requestContext": {"elb": {}}, "headers": {"x-amzn-trace-id": "Root=1-2-3", "x-request-id": "theirs"}},
    ],
)
def test_lambdas_request_id_is_used_without_a_gateway(event: object) -> None:
    """Without a gateway, the function uses Lambda's id. A load balancer's trace id may come from the client."""
    assert request_id_of_event(event, _LAMBDA_REQUEST_ID) == _LAMBDA_REQUEST_ID


@pytest.mark.parametrize(
    "record",
    [None, [], {}, {"messageAttributes": None}, {"messageAttributes": []}, {"messageAttributes": {"request_id": "r"}}],
)
def test_other_records_have_no_request_id(record: object) -> None:
    """Records of an earlier release or of another program have no request id."""
    assert request_id_of(record) is None


def test_only_tasks_of_a_request_have_its_id() -> None:
    """The tasks of a request have its id, also in `asyncio.to_thread`.

    A new `threading.Thread` and code outside the request have no id.
    """

    async def task() -> str | None:
        return await asyncio.create_task(asyncio.to_thread(current_request_id))

    ids_of_threads: list[str | None] = []
    with request_id_scope("r-1"):
        assert asyncio.run(task()) == "r-1"
        with request_id_scope("r-2"):
            assert current_request_id() == "r-2"
        probe = threading.Thread(target=lambda: ids_of_threads.append(current_request_id()))
        probe.start()
        probe.join()
    assert (current_request_id(), ids_of_threads) == (None, [None])


def test_concurrent_requests_have_their_own_ids() -> None:
    """Each concurrent request has its own id."""

    async def request(request_id: str) -> str | None:
        with request_id_scope(request_id):
            await asyncio.sleep(0)
            return current_request_id()

    async def run_requests() -> list[str | None]:
        return await asyncio.gather(*(request(f"r-{number}") for number in range(5)))

    assert asyncio.run(run_requests()) == [f"r-{number}" for number in range(5)]


def test_the_request_id_is_not_part_of_an_exchange() -> None:
    """Exchanges that differ only in the request id are equal and have the same queue body."""
    first, other = (
        Exchange(UUID(int=5), "t", None, "q", "a", MOMENT, request_id=request_id) for request_id in ("r-1", "r-2")
    )
    assert first == other
    assert len({first, other}) == 1
    assert "request_id" not in json.loads(first.to_wire())
    assert first.to_wire() == other.to_wire()


def test_a_body_in_the_outbox_has_the_request_id() -> None:
    """A body in the outbox has no message attributes, so the body contains the id. An invalid id is ignored."""
    body = Exchange(UUID(int=5), "t", None, "q", "a", MOMENT, request_id="r-1").to_wire(has_request_id=True)
    assert Exchange.from_wire(body).request_id == "r-1"
    assert Exchange.from_wire(body.replace("r-1", "r 1")).request_id is None


def test_an_exchange_has_the_id_of_its_request(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """An exchange keeps the id of its request, even if a later request sends the exchange to the queue."""
    process = memory()
    sent: list[tuple[str, str | None]] = []
    send = queue.send

    def record_send(exchange: Exchange) -> None:
        send(exchange)
        sent.append((exchange.user_message, exchange.request_id))

    queue.send = record_send  # type: ignore[method-assign]
    queue.is_down = archive.is_down = True
    with request_id_scope("r-1"):
        assert Turn(process, "t", "ana").append("q1", "a1").durability == "redis"
    assert [json.loads(body)["request_id"] for body in cache.outbox_bodies] == ["r-1"]
    queue.is_down = archive.is_down = False
    with request_id_scope("r-2"):
        assert Turn(process, "t", "ana").append("q2", "a2").durability == "queue"
    assert sorted(sent) == [("q1", "r-1"), ("q2", "r-2")]


def _record(number: int, body: str, request_id: str | None) -> dict[str, Any]:
    attributes = {} if request_id is None else {"request_id": {"dataType": "String", "stringValue": request_id}}
    return {"messageId": f"m{number}", "receiptHandle": "h", "body": body, "messageAttributes": attributes}


class _Queue:
    def __init__(self) -> None:
        self.dead_letters: list[SqsRecord] = []

    def dead_letter(self, message: SqsRecord, _reason: str, _detail: str) -> None:
        self.dead_letters.append(message)

    def change_visibility(self, _messages: object, _seconds: int) -> None:
        pass


def _lines(caplog: pytest.LogCaptureFixture, message: str) -> list[Any]:
    return [
        getattr(record, "correlation_ids", None) or getattr(record, "correlation_id", None)
        for record in caplog.records
        if record.message == message
    ]


def test_the_drain_logs_request_ids(
    caplog: pytest.LogCaptureFixture, archive: InMemoryArchive, cache: InMemoryCache
) -> None:
    """The log has a line for stored records and a line for each dead-lettered record, even if the record is malformed.

    A record may have no id.
    """
    queue = _Queue()
    records: list[object] = [
        _record(1, exchange(1).to_wire(), "r-1"),
        _record(2, "no json", "r-2"),
        {**_record(3, "", "r-3"), "receiptHandle": None},
        _record(4, exchange(4).to_wire(), None),
        _record(5, exchange(1).to_wire(), "r-5"),
    ]
    result = Drain(archive, cache, queue).run(records)
    assert result.finished == ["r-1", "r-5"]
    assert [message.request_id for message in queue.dead_letters] == ["r-2", "r-3"]
    assert _lines(caplog, "message sent to the dead-letter queue") == ["r-2", "r-3"]


def test_waiting_records_are_logged(
    caplog: pytest.LogCaptureFixture, archive: InMemoryArchive, cache: InMemoryCache
) -> None:
    """The log names the records that wait while PostgreSQL is down."""
    caplog.set_level(logging.INFO)
    archive.is_down = True
    result = Drain(archive, cache, _Queue()).run([_record(1, exchange(1).to_wire(), "r-1")])
    assert (result.finished, result.failed) == ([], ["m1"])
    assert _lines(caplog, "messages wait for postgres") == [["r-1"]]


def test_request_ids_are_split_into_log_lines() -> None:
    """Several log lines share the ids of ten thousand messages, because a log line has a maximum size.

    Ten thousand messages are SQS's maximum batch.
    """
    ids = [f"{number:0>128}" for number in range(10_000)]
    chunks = list(in_chunks(ids))
    assert [each for chunk in chunks for each in chunk] == ids
    assert max(len(json.dumps(chunk)) for chunk in chunks) < 256 * 1024


def test_the_sweep_logs_request_ids_of_the_outbox(
    caplog: pytest.LogCaptureFixture, archive: InMemoryArchive, cache: InMemoryCache
) -> None:
    """A dead letter of the outbox has the body of a queue message, and an attribute with the request id."""
    caplog.set_level(logging.INFO)
    archive.owners["t"] = "ana"
    dead_letters: list[tuple[str, str, str | None]] = []
    own_exchange = Exchange(UUID(int=5), "t", "ana", "q", "a", MOMENT, request_id="r-1")
    foreign_exchange = Exchange(UUID(int=6), "t", "bob", "q", "a", MOMENT, request_id="r-2")
    for each in (own_exchange, foreign_exchange):
        cache.append(each, is_drained=False, in_outbox=True)
    cache.outbox_bodies.append("no json")

    def dead_letter_body(body: str, error: InvalidRecord, request_id: str | None) -> None:
        dead_letters.append((body, error.reason, request_id))

    Sweep(archive, cache, 50, dead_letter_body).run()
    assert dead_letters == [("no json", "not_json", None), (foreign_exchange.to_wire(), "not_the_owner", "r-2")]
    assert _lines(caplog, "outbox drained") == [["r-1"]]
    assert _lines(caplog, "exchange of the outbox sent to the dead-letter queue") == [None, "r-2"]
    assert cache.outbox_bodies == []
