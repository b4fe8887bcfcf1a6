"""The tests send messages, dead-letter them and change their visibility with moto's SQS over a real socket."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from shared.errors import InvalidRecord, StoreUnavailable, TooLargeForQueue
from shared.models import Exchange
from shared.settings import SyncSettings
from shared.sqs_record import SqsRecord
from shared.stores.sqs.queue import SqsQueue
from shared.stores.sqs.received import SqsQueues
from tests.support.exchanges import MOMENT, exchange
from tests.support.queues import Queues
from tests.support.sqs_server import SqsServer
from tests.support.waiting import until


def _received(record: dict[str, object], receives: int | None = None) -> SqsRecord:
    message = SqsRecord.from_record(record)
    return (
        message if receives is None else SqsRecord(message.message_id, message.receipt_handle, message.body, receives)
    )


def test_a_sent_exchange_is_received(real_queue: SqsQueue, queues: Queues) -> None:
    """The queue delivers an exchange unchanged, including characters that SQS refuses."""
    created = Exchange(UUID(int=5), "t", "ana", "\ufffe\uffff\x01🎉", "שלום", MOMENT, ("d1",))
    real_queue.send(created)
    real_queue.send(created)
    assert queues.exchanges() == [created, created]


def test_each_message_takes_one_request(real_queue: SqsQueue, sqs: SqsServer) -> None:
    """The client sends one request for each message and no other request."""
    real_queue.send(exchange())
    assert sqs.requests == ["SendMessage"]


def test_a_message_over_the_size_limit_is_rejected_without_a_request(real_queue: SqsQueue, queues: Queues) -> None:
    """The queue accepts one megabyte. The client rejects a larger message without a request."""
    body = exchange().to_wire()
    room = 1_048_576 - 4_096 - len(body) + len("q0")
    largest = Exchange(UUID(int=5), "t", None, "x" * room, "a0", MOMENT)
    real_queue.send(largest)
    assert queues.exchanges() == [largest]
    larger = Exchange(UUID(int=5), "t", None, "x" * (room + 1), "a0", MOMENT)
    with pytest.raises(TooLargeForQueue):
        real_queue.send(larger)
    assert not real_queue.breaker.is_open


def test_the_size_limit_counts_bytes(real_queue: SqsQueue) -> None:
    """The limit of a message counts bytes of the body, not characters."""
    with pytest.raises(TooLargeForQueue):
        real_queue.send(Exchange(UUID(int=5), "t", None, "\uffff" * 200_000, "", MOMENT))
    real_queue.send(Exchange(UUID(int=5), "t", None, "\x01" * 100_000, "", MOMENT))


def test_depth_counts_every_message(real_queue: SqsQueue, queues: Queues) -> None:
    """The depth counts visible, in-flight and delayed messages."""
    assert real_queue.depth() == 0
    for number in range(3):
        real_queue.send(exchange(number))
    queues.client.receive_message(QueueUrl=queues.url, MaxNumberOfMessages=1)
    queues.client.send_message(QueueUrl=queues.url, MessageBody="x", DelaySeconds=60)
    assert real_queue.depth() == 4
    real_queue.ping()


def test_a_missing_queue_counts_as_an_outage(queues: Queues) -> None:
    """A queue that does not exist counts as an outage."""
    wrong = SqsQueue(SyncSettings(queue_url=queues.url + "-not"))
    for use in (wrong.ping, wrong.depth, lambda: wrong.send(exchange())):
        with pytest.raises(StoreUnavailable, match="queue"):
            use()


# --- the drain's side ---


def test_a_dead_letter_has_its_reason(queues: Queues) -> None:
    """The dead letter has the unchanged body. Its attributes have the reason."""
    queues.client.send_message(QueueUrl=queues.url, MessageBody="no json")
    (record,) = queues.receive()
    SqsQueues(queues.settings()).dead_letter(_received(record), "not_json", "unexpected\x00character\n" + "x" * 500)
    ((body, attributes),) = queues.dead()
    assert (body, attributes["reason"], attributes["original_message_id"]) == (
        "no json",
        "not_json",
        record["messageId"],
    )
    assert attributes["detail"].startswith("unexpected?character?x")
    assert len(attributes["detail"]) == 200


def test_a_body_of_the_outbox_is_dead_lettered(queues: Queues) -> None:
    """The sweep dead-letters a body of the outbox. The body has no message id, and its reason may have no detail."""
    SqsQueues(queues.settings()).dead_letter_body("no json", InvalidRecord("not_json", ""))
    assert queues.dead() == [("no json", {"reason": "not_json", "detail": "-"})]


def test_a_message_stays_in_the_queue_without_a_dead_letter_queue(queues: Queues) -> None:
    """Without a dead-letter queue, the message stays in the queue."""
    lonely = SqsQueues(SyncSettings(queue_url=queues.url))
    with pytest.raises(StoreUnavailable, match="SYNC__DLQ_URL"):
        lonely.dead_letter_body("x", InvalidRecord("not_json", "x"))


def test_postponed_messages_are_hidden(queues: Queues) -> None:
    """The queue hides 13 messages for the requested time. One SQS request changes at most ten messages."""
    for number in range(13):
        queues.client.send_message(QueueUrl=queues.url, MessageBody=str(number))
    messages = [_received(record) for record in queues.receive()]
    drain_side = SqsQueues(queues.settings())
    drain_side.change_visibility(messages, 60)
    assert queues.waiting() == (0, 13, 0)
    drain_side.change_visibility(messages, 0)
    assert len(queues.receive()) == 13


def test_each_method_fails_while_the_queue_is_down(queues: Queues, sqs: SqsServer) -> None:
    """Each method raises `StoreUnavailable` while the queue is down."""
    drain_side, message = SqsQueues(queues.settings()), SqsRecord("m", "r", "b", 1)
    sqs.stop()
    with pytest.raises(StoreUnavailable, match="queue"):
        drain_side.change_visibility([message], 1)
    with pytest.raises(StoreUnavailable, match="queue"):
        drain_side.dead_letter(message, "r", "d")


def test_a_queue_without_a_depth_accepts_messages(real_queue: SqsQueue, queues: Queues, sqs: SqsServer) -> None:
    """The queue accepts exchanges after a failed depth request or a failed health check."""
    sqs.refused.add("GetQueueAttributes")
    for ask in (real_queue.depth, real_queue.ping):
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                ask()
        real_queue.send(exchange())
    sqs.refused.clear()
    assert len(queues.exchanges()) == 2
    until(lambda: _is_well(real_queue))
    assert real_queue.depth() == 0


def _is_well(queue: SqsQueue) -> bool:
    try:
        queue.ping()
        queue.depth()
    except StoreUnavailable:
        return False
    return True


def test_times_keep_their_precision(real_queue: SqsQueue, queues: Queues) -> None:
    """Times keep their microseconds in the queue."""
    created = exchange(1, created_at=MOMENT + timedelta(microseconds=1))
    real_queue.send(created)
    assert queues.exchanges()[0].created_at == MOMENT + timedelta(microseconds=1)
