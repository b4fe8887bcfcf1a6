from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from typer.testing import CliRunner, Result

from cli.main import app
from cli.redrive import RedriveResult, copy_messages, wait_for_move
from cli.stores.queue_move import MoveProgress, MoveTask, start_move
from shared.errors import InvalidRecord, StoreUnavailable
from shared.stores.sqs.admin import QueueAccess, QueueAdmin
from shared.stores.sqs.age import oldest_age

REGION = "eu-west-1"
EXCHANGE_URL = f"https://sqs.{REGION}.amazonaws.com/123456789012/exchanges"
DEAD_LETTER_URL = f"https://sqs.{REGION}.amazonaws.com/123456789012/dead"
TASK = {"TaskHandle": "handle", "SourceArn": "arn:dead"}


def _ignore(_done: int, _total: int | None) -> None:
    pass


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[QueueAdmin, QueueAdmin]]:
    """Create the dead-letter queue and the exchange queue in moto."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("shared.stores.sqs.admin._WAIT_SECONDS", 0)
    with mock_aws():
        client = boto3.client("sqs", region_name=REGION)
        dead = client.create_queue(QueueName="dead")["QueueUrl"]
        live = client.create_queue(QueueName="exchanges")["QueueUrl"]
        access = QueueAccess(region=REGION)
        yield QueueAdmin(dead, access), QueueAdmin(live, access)


def _send_messages(queue: QueueAdmin, count: int) -> list[str]:
    bodies = [f"body {number}" for number in range(count)]
    for body in bodies:
        queue.client.send_message(
            QueueUrl=queue.url,
            MessageBody=body,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": "not_json"}},
        )
    return bodies


def _bodies(queue: QueueAdmin) -> list[str]:
    return sorted(message.body for message in queue.peek(1000))


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--queue-url", EXCHANGE_URL, "--dlq-url", DEAD_LETTER_URL])


def test_listed_messages_are_visible_again(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """Messages are visible again immediately after they are listed. Their receive count is one higher than before."""
    dead, _ = queues
    bodies = _send_messages(dead, 25)
    assert _bodies(dead) == sorted(bodies)
    assert len(dead.peek(7)) == 7
    assert dead.depth().visible == 25
    assert all(message.attributes == {"reason": "not_json"} for message in dead.peek(25))


def test_a_search_returns_the_matching_message(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """A search returns the matching message and releases all others."""
    dead, _ = queues
    _send_messages(dead, 25)
    messages = dead.peek(1000, lambda message: message.body == "body 17")
    assert [message.body for message in messages] == ["body 17"]
    assert dead.peek(1000, lambda message: message.body == "other") == []
    assert dead.depth().visible == 25


def test_a_copy_sends_every_body_once(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """The command sends every body once. The sent messages have no attributes of the last failure."""
    dead, live = queues
    bodies = _send_messages(dead, 23)
    redrive = RedriveResult()
    copy_messages(dead, live, 23, None, redrive, _ignore)
    assert (redrive.moved, redrive.refused) == (23, [])
    assert _bodies(live) == sorted(bodies)
    assert dead.depth().total == 0
    assert all(message.attributes == {} for message in live.peek(23))


def test_a_copy_keeps_only_a_valid_request_id(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """Of the message's attributes, the copy keeps only a valid request id."""
    dead, live = queues
    for body, request_id in {"valid": "r-1", "invalid": "r\n2"}.items():
        values = {"reason": "not_json", "request_id": request_id}
        dead.send(body, values)
    copy_messages(dead, live, 2, None, RedriveResult(), _ignore)
    assert {message.body: message.attributes for message in live.peek(2)} == {
        "valid": {"request_id": "r-1"},
        "invalid": {},
    }


def test_no_message_is_moved_twice(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """If a moved message returns to the dead-letter queue during the redrive, the command does not move it again."""
    dead, _ = queues
    _send_messages(dead, 5)
    redrive = RedriveResult()
    copy_messages(
        dead, dead, 5, None, redrive, _ignore
    )  # the copy's target is its source, so every message returns at once
    assert redrive.moved == 5
    assert dead.depth().visible == 5


def test_an_interrupted_move_releases_messages(
    queues: tuple[QueueAdmin, QueueAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C releases the received messages at once."""
    dead, live = queues
    _send_messages(dead, 12)
    send = live.send

    def stop_at_the_fourth(body: str, attributes: Mapping[str, str | None]) -> None:
        if live.depth().total == 3:
            raise KeyboardInterrupt
        send(body, attributes)

    monkeypatch.setattr(live, "send", stop_at_the_fourth)
    redrive = RedriveResult()
    with pytest.raises(KeyboardInterrupt):
        copy_messages(dead, live, 12, None, redrive, _ignore)
    assert (redrive.moved, live.depth().visible, dead.depth().visible) == (3, 3, 9)


def test_a_refused_message_is_not_moved(queues: tuple[QueueAdmin, QueueAdmin], monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused message stays visible, and the others are moved."""
    dead, live = queues
    _send_messages(dead, 12)
    send = live.send

    def refuse_one(body: str, attributes: Mapping[str, str | None]) -> None:
        if body == "body 3":
            raise InvalidRecord("refused_by_queue", "no")
        send(body, attributes)

    monkeypatch.setattr(live, "send", refuse_one)
    redrive = RedriveResult()
    copy_messages(dead, live, 12, None, redrive, _ignore)
    assert (redrive.moved, len(redrive.refused)) == (11, 1)
    assert _bodies(dead) == ["body 3"]


def test_a_body_that_sqs_refuses_is_an_invalid_record(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """A body that SQS refuses permanently is an invalid record, not an outage."""
    _, live = queues
    with pytest.raises(InvalidRecord):
        live.send("x" * 2_000_000)


def test_messages_are_moved_within_the_rate(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """Messages are moved no faster than the rate."""
    dead, live = queues
    _send_messages(dead, 6)
    started = time.monotonic()
    copy_messages(dead, live, 6, 20, RedriveResult(), _ignore)
    assert time.monotonic() - started >= 5 / 20


def test_preview_changes_nothing(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """Without --yes, redrive and purge only print a preview."""
    dead, live = queues
    _send_messages(dead, 3)
    result = _run("dlq", "redrive")
    assert (result.exit_code, "Would move 3" in result.output) == (0, True)
    result = _run("dlq", "purge")
    assert (result.exit_code, "Would delete about 3" in result.output) == (0, True)
    answer = json.loads(_run("dlq", "redrive", "--json").stdout)
    assert (answer["preview"], answer["total"], answer["moved"]) == (True, 3, 0)
    assert (dead.depth().total, live.depth().total) == (3, 0)


def test_purge_deletes_every_dead_letter(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """With --yes every dead letter is deleted."""
    dead, _ = queues
    _send_messages(dead, 3)
    answer = json.loads(_run("dlq", "purge", "--yes", "--json").stdout)
    assert (answer["deleted"], answer["is_approximate"]) == (3, True)
    assert dead.depth().total == 0


def test_the_purge_message_is_approximate(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """The message calls the number approximate, because the messages were counted before the purge."""
    _send_messages(queues[0], 3)
    assert "Deleted about 3 dead letters" in _run("dlq", "purge", "--yes").output


def test_redrive_with_copy_moves_all_dead_letters(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """`--copy` moves the dead letters without SQS's own move."""
    dead, live = queues
    _send_messages(dead, 3)
    answer = json.loads(_run("dlq", "redrive", "--yes", "--copy", "--json").stdout)
    assert (answer["method"], answer["moved"], answer["preview"]) == ("copy", 3, False)
    assert (dead.depth().total, live.depth().total) == (0, 3)


def test_fewer_moved_messages_than_counted_are_reported(
    queues: tuple[QueueAdmin, QueueAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another client receives some dead letters during the redrive, the command moves the other dead letters.

    The exit code is then 1, and a message reports the difference.
    """
    dead, live = queues
    _send_messages(dead, 3)
    start = "cli.connect.start_move"

    def receive_one(source: QueueAdmin, *_: Any) -> None:
        source.receive(1, hide_seconds=60)

    monkeypatch.setattr(start, receive_one)  # the test does not use SQS's own move
    result = _run("dlq", "redrive", "--yes", "--json")
    assert (result.exit_code, json.loads(result.stdout)["moved"]) == (1, 2)
    assert "1 of the counted messages were not moved" in result.stderr
    assert live.depth().total == 2


def test_a_redrive_of_an_empty_queue_succeeds(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """A redrive of an empty queue is a success."""
    assert queues[0].depth().total == 0
    assert "nothing to move" in _run("dlq", "redrive", "--yes").output
    assert _run("dlq", "list").exit_code == 0


def test_a_missing_queue_is_reported(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """A missing queue causes one message and exit code 3."""
    assert queues
    result = CliRunner().invoke(app, ["dlq", "list", "--dlq-url", DEAD_LETTER_URL + "x"])
    assert result.exit_code == 3
    assert "The queue cannot be reached" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_oldest_age_is_cloudwatchs_value(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """On AWS the oldest message's age is CloudWatch's value, or unknown."""
    dead, _ = queues
    _send_messages(dead, 1)
    assert oldest_age(dead, dead.depth()) is None
    boto3.client("cloudwatch", region_name=REGION).put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": "dead"}],
                "Timestamp": time.time() - 90,
                "Value": 42.0,
            }
        ],
    )
    age = oldest_age(dead, dead.depth())
    assert age is not None
    assert age[0] == 42.0


# --- SQS's own move (moto and the emulator do not support it) ---


@pytest.fixture
def stubbed() -> Iterator[tuple[QueueAdmin, QueueAdmin, Stubber]]:
    """Create two queues with a stubbed client. The stub checks its calls against SQS's model."""
    client = boto3.client("sqs", REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        access = QueueAccess()
        yield QueueAdmin(DEAD_LETTER_URL, access, client), QueueAdmin(EXCHANGE_URL, access, client), stubber
        stubber.assert_no_pending_responses()


def _expect_arns(stubber: Stubber) -> None:
    for arn in ("arn:dead", "arn:live"):
        stubber.add_response("get_queue_attributes", {"Attributes": {"QueueArn": arn}})


def test_a_move_names_its_target(stubbed: tuple[QueueAdmin, QueueAdmin, Stubber]) -> None:
    """The call names the move's target queue.

    SQS does not know the target of messages that were sent directly to the dead-letter queue.
    """
    dead, live, stubber = stubbed
    _expect_arns(stubber)
    expected = {"SourceArn": "arn:dead", "DestinationArn": "arn:live", "MaxNumberOfMessagesPerSecond": 7}
    stubber.add_response("start_message_move_task", {"TaskHandle": "handle"}, expected)
    assert start_move(dead, live, 7) is not None


@pytest.mark.parametrize("code", ["InvalidAction", "UnknownOperationException"])
def test_an_endpoint_may_not_support_moves(stubbed: tuple[QueueAdmin, QueueAdmin, Stubber], code: str) -> None:
    """The command does not use SQS's own move if the endpoint does not support it."""
    dead, live, stubber = stubbed
    _expect_arns(stubber)
    stubber.add_client_error("start_message_move_task", code)
    assert start_move(dead, live, None) is None


def test_a_refused_move_is_reported(stubbed: tuple[QueueAdmin, QueueAdmin, Stubber]) -> None:
    """The command reports a move that SQS refuses (e.g. a second concurrent move), and does not copy instead."""
    dead, live, stubber = stubbed
    _expect_arns(stubber)
    stubber.add_client_error("start_message_move_task", "AWS.SimpleQueueService.UnsupportedOperation", "runs already")
    with pytest.raises(StoreUnavailable, match="runs already"):
        start_move(dead, live, None)


def _progress(stubber: Stubber, **fields: Any) -> None:
    stubber.add_response("list_message_move_tasks", {"Results": [{**TASK, **fields}]})


def test_the_command_waits_until_the_move_ends(stubbed: tuple[QueueAdmin, QueueAdmin, Stubber]) -> None:
    """The command waits until the move ends."""
    dead, _, stubber = stubbed
    _progress(stubber, Status="RUNNING", ApproximateNumberOfMessagesMoved=0)
    _progress(stubber, Status="RUNNING", ApproximateNumberOfMessagesMoved=3, ApproximateNumberOfMessagesToMove=5)
    _progress(stubber, Status="COMPLETED", ApproximateNumberOfMessagesMoved=5, ApproximateNumberOfMessagesToMove=5)
    redrive, updates = RedriveResult(), []
    wait_for_move(MoveTask(dead, "arn:dead", "h"), redrive, lambda *update: updates.append(update), lambda _: None)
    assert redrive.moved == 5
    assert updates == [(0, None), (3, 5), (5, 5)]


def test_a_failed_move_is_reported_with_copy_as_alternative(stubbed: tuple[QueueAdmin, QueueAdmin, Stubber]) -> None:
    """If a move fails, the command reports the reason and the alternative `--copy`."""
    dead, _, stubber = stubbed
    _progress(stubber, Status="FAILED", FailureReason="AccessDenied", ApproximateNumberOfMessagesMoved=2)
    redrive = RedriveResult()
    with pytest.raises(StoreUnavailable, match=r"AccessDenied.*--copy"):
        wait_for_move(MoveTask(dead, "arn:dead", "h"), redrive, _ignore, lambda _: None)
    assert redrive.moved == 2


def test_an_interrupt_cancels_the_move(stubbed: tuple[QueueAdmin, QueueAdmin, Stubber]) -> None:
    """Ctrl-C also cancels SQS's move."""
    dead, _, stubber = stubbed
    _progress(stubber, Status="RUNNING", ApproximateNumberOfMessagesMoved=1)
    stubber.add_response("cancel_message_move_task", {"ApproximateNumberOfMessagesMoved": 1}, {"TaskHandle": "h"})

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait_for_move(MoveTask(dead, "arn:dead", "h"), RedriveResult(), _ignore, interrupt)


def test_the_command_uses_the_move_if_supported(
    queues: tuple[QueueAdmin, QueueAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dlq redrive` uses SQS's own move if it is supported, with the given rate."""
    dead, live = queues
    _send_messages(dead, 4)
    calls: list[tuple[str, str, int | None]] = []

    class EndedMove:
        def progress(self) -> MoveProgress:
            return MoveProgress(moved=4, total=4, is_ended=True, failure=None)

    def start(source: QueueAdmin, target: QueueAdmin, rate: int | None) -> EndedMove:
        calls.append((source.url, target.url, rate))
        return EndedMove()

    monkeypatch.setattr("cli.connect.start_move", start)
    answer = json.loads(_run("dlq", "redrive", "--yes", "--rate", "9", "--json").stdout)
    assert (answer["method"], answer["moved"]) == ("move_task", 4)
    assert calls == [(DEAD_LETTER_URL, EXCHANGE_URL, 9)]
    assert live.depth().total == 0
