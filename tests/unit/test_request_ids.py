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

from functions.agent.http.request_log import request_id_of as of_event
from functions.sync.drain import Drain, in_chunks
from functions.sync.received import SqsRecord, request_id_of
from functions.sync.sweep import Sweep
from shared.errors import InvalidRecord
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.models import Exchange
from shared.request_ids import current_request_id, request_id_scope, valid_request_id
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import MOMENT, exchange

HOSTILE: list[object] = [
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
_LAMBDA = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"


@pytest.mark.parametrize(
    "named", ["c6af9ac6-7b61-11e6-9a41-93e8deadbeef", "JKJaXmPLvHcESHA=", "1-67891233-abcdef012345678912345678", "r"]
)
def test_ids_of_gateways(named: str) -> None:
    """The request id may come from a REST API, an HTTP API or another gateway with the same event format."""
    assert valid_request_id(named) == named
    assert of_event({"requestContext": {"requestId": named}}, _LAMBDA) == named


@pytest.mark.parametrize("named", HOSTILE)
def test_invalid_request_ids(named: object) -> None:
    """Lambda's own id replaces an invalid id. A message with an invalid id counts as a message without an id."""
    assert valid_request_id(named) is None
    assert of_event({"requestContext": {"requestId": named}}, _LAMBDA) == _LAMBDA
    assert request_id_of({"messageAttributes": {"request_id": {"stringValue": named}}}) is None


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
def test_lambdas_own_id_without_a_gateway(event: object) -> None:
    """Without a gateway, the function uses Lambda's id. A load balancer's trace id may come from the client."""
    assert of_event(event, _LAMBDA) == _LAMBDA


@pytest.mark.parametrize(
    "record",
    [None, [], {}, {"messageAttributes": None}, {"messageAttributes": []}, {"messageAttributes": {"request_id": "r"}}],
)
def test_records_without_one(record: object) -> None:
    """Records of an earlier release or of another program have no request id."""
    assert request_id_of(record) is None


def test_the_id_ends_with_its_request() -> None:
    """Tasks of a request have its id. Other code and the threads that a request starts have no id."""

    async def task() -> str | None:
        return await asyncio.create_task(asyncio.to_thread(current_request_id))

    beside: list[str | None] = []
    with request_id_scope("r-1"):
        assert asyncio.run(task()) == "r-1"
        with request_id_scope("r-2"):
            assert current_request_id() == "r-2"
        probe = threading.Thread(target=lambda: beside.append(current_request_id()))
        probe.start()
        probe.join()
    assert (current_request_id(), beside) == (None, [None])


def test_requests_beside_each_other() -> None:
    """Each concurrent request has its own id."""

    async def request(named: str) -> str | None:
        with request_id_scope(named):
            await asyncio.sleep(0)
            return current_request_id()

    async def all_of_them() -> list[str | None]:
        return await asyncio.gather(*(request(f"r-{number}") for number in range(5)))

    assert asyncio.run(all_of_them()) == [f"r-{number}" for number in range(5)]


def test_the_request_id_is_not_part_of_an_exchange() -> None:
    """Exchanges that differ only in the request id are equal and have the same queue body."""
    one, other = (Exchange(UUID(int=5), "t", None, "q", "a", MOMENT, request_id=named) for named in ("r-1", "r-2"))
    assert one == other
    assert len({one, other}) == 1
    assert "request_id" not in json.loads(one.to_wire())
    assert one.to_wire() == other.to_wire()


def test_the_outbox_keeps_the_id() -> None:
    """A body in the outbox has no message attributes, so the body contains the id. An invalid id is ignored."""
    kept = Exchange(UUID(int=5), "t", None, "q", "a", MOMENT, request_id="r-1").to_wire(has_request_id=True)
    assert Exchange.from_wire(kept).request_id == "r-1"
    assert Exchange.from_wire(kept.replace("r-1", "r 1")).request_id is None


def test_an_exchange_has_the_id_of_its_request(
    memory: Callable[..., Memory], cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """An exchange keeps the id of its request, even if a later request sends the exchange to the queue."""
    process = memory()
    sent: list[tuple[str, str | None]] = []
    send = queue.send

    def note(made: Exchange) -> None:
        send(made)
        sent.append((made.user_message, made.request_id))

    queue.send = note  # type: ignore[method-assign, assignment]
    queue.is_down = archive.is_down = True
    with request_id_scope("r-1"):
        assert Turn(process, "t", "ana").keep("q1", "a1").durability == "redis"
    assert [json.loads(body)["request_id"] for body in cache.outbox_bodies] == ["r-1"]
    queue.is_down = archive.is_down = False
    with request_id_scope("r-2"):
        assert Turn(process, "t", "ana").keep("q2", "a2").durability == "queue"
    assert sorted(sent) == [("q1", "r-1"), ("q2", "r-2")]


def _record(number: int, body: str, named: str | None) -> dict[str, Any]:
    attributes = {} if named is None else {"request_id": {"dataType": "String", "stringValue": named}}
    return {"messageId": f"m{number}", "receiptHandle": "h", "body": body, "messageAttributes": attributes}


class _Queue:
    def __init__(self) -> None:
        self.dead: list[SqsRecord] = []

    def dead_letter(self, message: SqsRecord, _reason: str, _detail: str) -> None:
        self.dead.append(message)

    def change_visibility(self, _messages: object, _seconds: int) -> None:
        pass


def _lines(caplog: pytest.LogCaptureFixture, message: str) -> list[Any]:
    return [
        getattr(record, "correlation_ids", None) or getattr(record, "correlation_id", None)
        for record in caplog.records
        if record.message == message
    ]


def test_the_drains_log_lines(caplog: pytest.LogCaptureFixture, archive: InMemoryArchive, cache: InMemoryCache) -> None:
    """The log has a line for stored records and a line for each dead-lettered record, even a malformed one.

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
    outcome = Drain(archive, cache, queue).run(records)
    assert outcome.finished == ["r-1", "r-5"]
    assert [message.request_id for message in queue.dead] == ["r-2", "r-3"]
    assert _lines(caplog, "message sent to the dead-letter queue") == ["r-2", "r-3"]


def test_waiting_records_are_logged(
    caplog: pytest.LogCaptureFixture, archive: InMemoryArchive, cache: InMemoryCache
) -> None:
    """The log names the records that wait while PostgreSQL is down."""
    caplog.set_level(logging.INFO)
    archive.is_down = True
    outcome = Drain(archive, cache, _Queue()).run([_record(1, exchange(1).to_wire(), "r-1")])
    assert (outcome.finished, outcome.failed) == ([], ["m1"])
    assert _lines(caplog, "messages wait for postgres") == [["r-1"]]


def test_a_line_has_its_size() -> None:
    """Several log lines share the ids of ten thousand messages, because a log line has a maximum size.

    Ten thousand messages are SQS's maximum batch.
    """
    ids = [f"{number:0>128}" for number in range(10_000)]
    parts = list(in_chunks(ids))
    assert [each for part in parts for each in part] == ids
    assert max(len(json.dumps(part)) for part in parts) < 256 * 1024


def test_the_sweeps_log_lines_of_the_outbox(
    caplog: pytest.LogCaptureFixture, archive: InMemoryArchive, cache: InMemoryCache
) -> None:
    """A dead letter of the outbox has the body of a queue message. The dead letter's attribute is the request id."""
    caplog.set_level(logging.INFO)
    archive.owners["t"] = "ana"
    dead: list[tuple[str, str, str | None]] = []
    anas = Exchange(UUID(int=5), "t", "ana", "q", "a", MOMENT, request_id="r-1")
    bobs = Exchange(UUID(int=6), "t", "bob", "q", "a", MOMENT, request_id="r-2")
    for each in (anas, bobs):
        cache.append(each, is_drained=False, in_outbox=True)
    cache.outbox_bodies.append("no json")

    def dead_letter_body(body: str, error: InvalidRecord, named: str | None) -> None:
        dead.append((body, error.reason, named))

    Sweep(archive, cache, 50, dead_letter_body).run()
    assert dead == [("no json", "not_json", None), (bobs.to_wire(), "not_the_owner", "r-2")]
    assert _lines(caplog, "outbox drained") == [["r-1"]]
    assert _lines(caplog, "exchange of the outbox sent to the dead-letter queue") == [None, "r-2"]
    assert cache.outbox_bodies == []
