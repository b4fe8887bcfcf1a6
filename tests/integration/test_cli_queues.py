from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from cli.redrive import RedriveResult, copy_messages
from infra.local.servers import ValkeyServer
from infra.local.servers.emulator import EmulatorServer
from shared.models import Exchange
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.cache import RedisCache
from shared.stores.sqs.admin import QueueAccess, QueueAdmin
from shared.stores.sqs.messages import QueuedMessage
from tests.support.exchanges import exchange

SCRIPT = Path(sys.executable).with_name("hybrid-memory")
NAMES = ("SYNC__QUEUE_URL", "SYNC__DLQ_URL", "DATABASE__URL", "REDIS__HOST", "REDIS__PORT", "AWS_ENDPOINT_URL")
_numbers = count(1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorServer]:
    """Start an empty AWS emulator."""
    with EmulatorServer(tmp_path_factory.mktemp("aws") / "emulator", {}) as server:
        yield server


@pytest.fixture
def state(emulator: EmulatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Create two new queues and name them in `.local/stack.json` of the test's directory."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    client = QueueAccess(emulator.url, "us-east-1").client()
    number = next(_numbers)
    info = {"endpoint_url": emulator.url, "region": "us-east-1"}
    for name in ("queue_url", "dlq_url"):
        info[name] = client.create_queue(QueueName=f"{name}-{number}")["QueueUrl"]
    _publish(tmp_path, info)
    return info


@pytest.fixture
def queues(state: dict[str, Any]) -> tuple[QueueAdmin, QueueAdmin]:
    """Return the dead-letter queue and the exchange queue."""
    access = QueueAccess(state["endpoint_url"], state["region"])
    return QueueAdmin(state["dlq_url"], access), QueueAdmin(state["queue_url"], access)


def _publish(directory: Path, info: dict[str, Any]) -> None:
    (directory / ".local").mkdir(exist_ok=True)
    (directory / ".local" / "stack.json").write_text(json.dumps(info))


def _fill(queue: QueueAdmin, many: int, reason: str = "not_json") -> list[str]:
    bodies = [exchange(number, f"thread {number}").to_wire() for number in range(many)]
    for body in bodies:
        attributes: Any = {"reason": {"DataType": "String", "StringValue": reason}}
        queue.client.send_message(QueueUrl=queue.url, MessageBody=body, MessageAttributes=attributes)
    return bodies


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def _run_json(*words: str) -> Any:
    result = _run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _all_messages(queue: QueueAdmin) -> list[QueuedMessage]:
    """Return all messages of the queue, including hidden messages."""
    messages = queue.peek_without_receiving()
    assert messages is not None
    return messages


def _emulator_messages(queue: QueueAdmin, endpoint: str) -> Any:
    with urllib.request.urlopen(f"{endpoint}/_ministack/sqs/messages?{urlencode({'QueueUrl': queue.url})}") as answer:  # noqa: S310 - the test's own server
        return json.load(answer)


def test_listing_dead_letters_changes_nothing(queues: tuple[QueueAdmin, QueueAdmin], state: dict[str, Any]) -> None:
    """`dlq list` and `dlq show` leave every message unchanged, including its receive count."""
    dead_letter_queue, _ = queues
    bodies = _fill(dead_letter_queue, 12, reason="[red]")
    before = _emulator_messages(dead_letter_queue, state["endpoint_url"])
    answer = _run_json("dlq", "list", "--limit", "5")
    assert (len(answer["items"]), answer["depth"], answer["visible"]) == (5, 12, 12)
    first_item = answer["items"][0]
    assert (first_item["reason"], first_item["thread_id"], first_item["receive_count"]) == ("[red]", "thread 0", 0)
    assert "q0" not in json.dumps(answer)
    dead_letter = _run_json("dlq", "show", first_item["message_id"])
    assert (dead_letter["body"], dead_letter["attributes"]) == (bodies[0], {"reason": "[red]"})
    assert _run_json("dlq", "show", first_item["exchange_id"])["message_id"] == first_item["message_id"]
    output = _run("dlq", "list", "-v")
    assert "q0" not in output.output
    assert "[red]" in output.output
    assert "12 of 12 dead letters" in output.output
    assert str(Path(".local/stack.json").resolve()) in output.output
    assert bodies[0] in _run("dlq", "show", first_item["message_id"]).output
    assert _emulator_messages(dead_letter_queue, state["endpoint_url"]) == before


def test_showing_an_unknown_id_is_a_usage_error(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """`dlq show` with an unknown id is a usage error."""
    assert queues
    result = _run("dlq", "show", "nothing")
    assert (result.exit_code, result.stderr) == (2, "Error: none of the first 10000 dead letters has the id nothing.\n")


def test_redrive_copies_messages_on_an_endpoint_without_moves(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """The endpoint does not support message move tasks. The command copies each body to the exchange queue."""
    dead_letter_queue, exchange_queue = queues
    bodies = _fill(dead_letter_queue, 12)
    answer = _run_json("dlq", "redrive", "--yes")
    assert (answer["method"], answer["moved"], answer["total"], answer["refused"]) == ("copy", 12, 12, [])
    assert _all_messages(dead_letter_queue) == []
    assert sorted(message.body for message in _all_messages(exchange_queue)) == sorted(bodies)
    assert all(message.attributes == {} for message in _all_messages(exchange_queue))


@pytest.mark.parametrize("variant", ["option", "environment"])
def test_redrive_into_another_deployment_is_refused(
    queues: tuple[QueueAdmin, QueueAdmin], monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    """The command refuses to move messages of another deployment's dead-letter queue into a local stack's queue."""
    dead_letter_queue, exchange_queue = queues
    other = dead_letter_queue.client.create_queue(QueueName=f"other-{next(_numbers)}")["QueueUrl"]
    other_queue = QueueAdmin(other, dead_letter_queue.access)
    _fill(other_queue, 2)
    words = ["--dlq-url", other] if variant == "option" else []
    if variant == "environment":
        monkeypatch.setenv("SYNC__DLQ_URL", other)
    for more in ([], ["--yes"], ["--yes", "--copy"]):
        result = _run("dlq", "redrive", *words, *more)
        assert result.exit_code == 2
        assert "two deployments" in result.stderr
    assert (len(_all_messages(other_queue)), len(_all_messages(exchange_queue))) == (2, 0)


class _Killed(BaseException):
    """An exception that simulates `kill -9`. The command does not catch it."""


class _KillingQueue(QueueAdmin):
    """A queue that kills its caller at the n-th call, before or after the call takes effect."""

    def __init__(self, queue: QueueAdmin, life: Callable[[Callable[[], Any]], Any]) -> None:
        super().__init__(queue.url, queue.access, queue.client)
        self._life = life

    def receive(self, most: int, *, hide_seconds: int) -> list[QueuedMessage]:
        return list(self._life(lambda: super(_KillingQueue, self).receive(most, hide_seconds=hide_seconds)))

    def send(self, body: str, attributes: Mapping[str, str | None] | None = None) -> None:
        self._life(lambda: super(_KillingQueue, self).send(body, attributes))

    def delete(self, message: QueuedMessage) -> None:
        self._life(lambda: super(_KillingQueue, self).delete(message))

    def release(self, messages: Any) -> None:
        self._life(lambda: super(_KillingQueue, self).release(messages))


@pytest.mark.parametrize("takes_effect", [False, True])
@pytest.mark.parametrize("last", range(1, 11))
def test_a_redrive_killed_at_any_call_loses_no_message(
    queues: tuple[QueueAdmin, QueueAdmin],
    last: int,
    takes_effect: bool,  # noqa: FBT001 - a case
) -> None:
    """A redrive that is killed before or after any call loses no message. At most one message is in both queues."""
    dead_letter_queue, exchange_queue = queues
    bodies = _fill(dead_letter_queue, 3)
    calls = count(1)

    def kill_at_last_call(call: Callable[[], Any]) -> Any:
        number = next(calls)
        if number == last and takes_effect:
            call()
        if number >= last:
            raise _Killed
        return call()

    completed = RedriveResult()
    try:
        copy_messages(
            _KillingQueue(dead_letter_queue, kill_at_last_call),
            _KillingQueue(exchange_queue, kill_at_last_call),
            3,
            None,
            completed,
            lambda *_: None,
        )
    except _Killed:
        assert last <= 10
    remaining = [message.body for message in _all_messages(dead_letter_queue)]
    queued_bodies = [message.body for message in _all_messages(exchange_queue)]
    assert sorted({*remaining, *queued_bodies}) == sorted(bodies)
    assert len(queued_bodies) == len(set(queued_bodies))
    assert len(remaining) + len(queued_bodies) <= 4
    assert completed.moved <= len(queued_bodies)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_redrive_can_be_finished_by_another_run(
    queues: tuple[QueueAdmin, QueueAdmin], signal_number: signal.Signals
) -> None:
    """A killed or interrupted redrive of the installed command loses no message. Another run finishes the redrive."""
    dead_letter_queue, exchange_queue = queues
    bodies = _fill(dead_letter_queue, 12)
    command = [str(SCRIPT), "dlq", "redrive", "--yes", "--rate", "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while len(_all_messages(exchange_queue)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal_number)
        errors = process.communicate(timeout=20)[1]
    queued_bodies = [message.body for message in _all_messages(exchange_queue)]
    assert 3 <= len(queued_bodies) < 12
    assert {*queued_bodies, *(message.body for message in _all_messages(dead_letter_queue))} == set(bodies)
    if signal_number is signal.SIGINT:
        assert process.returncode == 130
        assert "the others are still in the dead-letter queue" in errors
        # The interrupted command made its received messages visible again. One message may be in both queues.
        assert _run_json("dlq", "redrive", "--yes")["moved"] in {12 - len(queued_bodies), 13 - len(queued_bodies)}
        assert {message.body for message in _all_messages(exchange_queue)} == set(bodies)


def test_purge_empties_only_the_dead_letter_queue(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """`dlq purge --yes` empties only the dead-letter queue."""
    dead_letter_queue, exchange_queue = queues
    _fill(dead_letter_queue, 3)
    _fill(exchange_queue, 2)
    assert _run_json("dlq", "purge") | {"sources": 0} == {
        "preview": True,
        "total": 3,
        "deleted": 0,
        "is_approximate": True,
        "sources": 0,
    }
    assert len(_all_messages(dead_letter_queue)) == 3
    assert _run_json("dlq", "purge", "--yes")["deleted"] == 3
    assert (len(_all_messages(dead_letter_queue)), len(_all_messages(exchange_queue))) == (0, 2)


# --- queue status ---


def test_status_with_only_the_queues_counts_their_messages(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """Only the queues have addresses. The command counts their messages, and the exit code is 0."""
    dead_letter_queue, exchange_queue = queues
    _fill(dead_letter_queue, 2)
    _fill(exchange_queue, 3)
    exchange_queue.client.send_message(QueueUrl=exchange_queue.url, MessageBody="late", DelaySeconds=60)
    exchange_queue.receive(1, hide_seconds=60)
    answer = _run_json("queue", "status")
    assert [answer["queue"][name] for name in ("visible", "in_flight", "delayed", "depth")] == [2, 1, 1, 4]
    assert answer["dlq"]["depth"] == 2
    assert 0 <= answer["queue"]["oldest_age_seconds"] < 60
    assert (answer["newest_accepted"], answer["sync_lag_seconds"], answer["unreachable"]) == (None, None, [])
    assert "sync lag: unknown" in _run("queue", "status").output


def test_the_lag_is_the_difference_of_the_newest_accepted_and_stored_exchanges(
    queues: tuple[QueueAdmin, QueueAdmin],
    state: dict[str, Any],
    valkey: ValkeyServer,
    database_url: str,
    real_cache: Callable[..., RedisCache],
    real_archive: Callable[..., PostgresArchive],
) -> None:
    """The lag is the time of the newest accepted exchange minus the time of the newest stored exchange."""
    assert queues
    now = datetime.now(UTC)
    stored = exchange(1, "a", "u", created_at=now - timedelta(seconds=30))
    accepted = exchange(2, "b", "u", created_at=now - timedelta(seconds=10))
    real_archive().store([stored])
    real_cache().append(stored, is_drained=True)
    real_cache().append(accepted, is_drained=True)
    _publish(Path.cwd(), {**state, "redis_url": valkey.url, "database_url": database_url})
    answer = _run_json("queue", "status")
    assert answer["sync_lag_seconds"] == 20.0
    assert answer["newest_accepted"]["is_partial"] is False
    assert answer["outbox"]["depth"] == 0
    assert all(answer[name]["as_of"] for name in ("queue", "dlq", "outbox", "newest_accepted", "newest_stored"))
    output = _run("queue", "status").output
    assert "sync lag: 20.0 s" in output
    assert database_url not in output  # The URL contains a password.
    real_archive().store([accepted])
    assert _run_json("queue", "status")["sync_lag_seconds"] == 0.0


def _accept(live: QueueAdmin, number: int, *, seconds_ago: float) -> Exchange:
    created = exchange(number, "a", "u", created_at=datetime.now(UTC) - timedelta(seconds=seconds_ago))
    live.client.send_message(QueueUrl=live.url, MessageBody=created.to_wire())
    return created


def test_the_lag_is_the_age_of_the_oldest_queued_exchange(
    queues: tuple[QueueAdmin, QueueAdmin],
    state: dict[str, Any],
    valkey: ValkeyServer,
    database_url: str,
    real_cache: Callable[..., RedisCache],
    real_archive: Callable[..., PostgresArchive],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While exchanges are queued, the lag is the age of the oldest queued exchange."""
    _, live = queues
    _publish(Path.cwd(), {**state, "redis_url": valkey.url, "database_url": database_url})
    cache = real_cache()
    old_exchange = exchange(1, "a", "u", created_at=datetime.now(UTC) - timedelta(hours=1))
    real_archive().store([old_exchange])
    cache.append(old_exchange, is_drained=True)
    cache.append(_accept(live, 2, seconds_ago=0), is_drained=False)
    answer = _run_json("queue", "status")
    assert answer["accepted_minus_stored_seconds"] > 3000
    assert 0 <= answer["sync_lag_seconds"] < 600
    assert "(how long the oldest has waited)" in _run("queue", "status").stdout

    real_archive().store([exchange(3, "b", "u", created_at=datetime.now(UTC) + timedelta(seconds=1))])
    monkeypatch.setattr("cli.connect.oldest_age", lambda *_: (500.0, datetime.now(UTC)))
    answer = _run_json("queue", "status")
    assert (answer["accepted_minus_stored_seconds"], answer["sync_lag_seconds"]) == (0.0, 500.0)

    monkeypatch.setattr("cli.connect.oldest_age", lambda *_: None)
    answer = _run_json("queue", "status")
    assert (answer["accepted_minus_stored_seconds"], answer["sync_lag_seconds"]) == (0.0, None)
    assert "sync lag: unknown" in _run("queue", "status").stdout


def test_status_does_not_compare_two_deployments(
    queues: tuple[QueueAdmin, QueueAdmin], state: dict[str, Any], valkey: ValkeyServer, database_url: str
) -> None:
    """An option names another Redis. The command does not compare it with the PostgreSQL of a local stack."""
    assert queues
    _publish(Path.cwd(), {**state, "database_url": database_url})
    result = _run("queue", "status", "--redis-url", valkey.url, "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["newest_accepted"], answer["sync_lag_seconds"]) == (0, None, None)
    assert answer["newest_stored"] is not None
    assert answer["skipped"] == result.stderr.splitlines()
    assert "redis_url (from option) is skipped" in result.stderr


def test_status_names_the_store_that_is_down(
    queues: tuple[QueueAdmin, QueueAdmin], valkey: ValkeyServer, database_url: str
) -> None:
    """The error names the layer that does not respond, and the exit code is 3. The output shows the other layers."""
    away = ["--redis-url", valkey.url, "--database-url", "postgresql://me:secret@127.0.0.1:1/memory"]
    dead_letter_queue, exchange_queue = queues
    queue = [
        "--queue-url",
        exchange_queue.url,
        "--dlq-url",
        dead_letter_queue.url,
        "--endpoint-url",
        str(exchange_queue.access.endpoint_url),
    ]
    result = _run("queue", "status", "--json", *queue, *away)
    assert result.exit_code == 3
    answer = json.loads(result.stdout)
    assert (answer["unreachable"], answer["newest_stored"], answer["outbox"]["depth"]) == (["postgres"], None, 0)
    assert result.stderr == "Error: PostgreSQL cannot be reached at 127.0.0.1:1 (OperationalError).\n"
    away = ["--redis-url", "redis://127.0.0.1:1", "--database-url", database_url]
    result = _run("queue", "status", *queue, *away)
    assert (result.exit_code, result.stderr) == (
        3,
        "Error: Redis cannot be reached at 127.0.0.1:1 (ConnectionError).\n",
    )
    assert "exchange queue" in result.stdout


@pytest.mark.parametrize("words", [["dlq", "list"], ["dlq", "redrive"], ["dlq", "purge", "--yes"], ["queue", "status"]])
def test_commands_on_a_queue_that_is_down_have_exit_code_3(state: dict[str, Any], words: list[str]) -> None:
    """If the endpoint does not respond, every command prints its address and has exit code 3."""
    assert state
    result = _run("--endpoint-url", "http://127.0.0.1:1", *words)
    assert result.exit_code == 3
    assert all("The queue cannot be reached at 127.0.0.1:1" in line for line in result.stderr.splitlines())
    assert "Traceback" not in result.output


# --- the installed command ---


def test_the_installed_command_finds_the_stack_in_a_parent_directory(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """`hybrid-memory` is installed, finds the stack in a parent directory, and prints no ANSI codes into a pipe."""
    _fill(queues[0], 1)
    below = Path("some/where")
    below.mkdir(parents=True)
    environment = {**os.environ, "FORCE_COLOR": "1", "GITHUB_ACTIONS": "true"}
    result = subprocess.run(
        [SCRIPT, "dlq", "list"], cwd=below, env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert "1 of 1 dead letter." in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stderr == ""


def test_watch_prints_one_object_per_line_until_it_is_interrupted(queues: tuple[QueueAdmin, QueueAdmin]) -> None:
    """`--watch --json` prints one object per line until SIGINT. The exit code is then 0."""
    assert queues
    command = [str(SCRIPT), "queue", "status", "--watch", "--interval", "0.2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=20)[1]
    assert (process.returncode, errors) == (0, "")
    assert all(json.loads(line)["queue"]["depth"] == 0 for line in lines)
