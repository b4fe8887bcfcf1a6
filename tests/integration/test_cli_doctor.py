"""`doctor` finds errors in the setup of deployments."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from typer.testing import CliRunner

from cli.main import app
from infra.local.servers import ValkeyServer
from infra.local.servers.emulator import EmulatorServer
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.redis.names import OUTBOX
from shared.stores.sqs.admin import QueueAccess

_numbers = count(1)
_ROLE = "arn:aws:iam::000000000000:role/any"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorServer]:
    """Start an empty AWS emulator."""
    with EmulatorServer(tmp_path_factory.mktemp("aws") / "emulator", {}) as server:
        yield server


class Setup:
    """Creates queues and event sources."""

    def __init__(self, emulator: EmulatorServer) -> None:
        access = QueueAccess(emulator.url, "us-east-1")
        self._sqs, self._functions = access.client(), access.client("lambda")
        self._number = next(_numbers)
        self.endpoint = emulator.url

    def queue(self, name: str, **attributes: str) -> str:
        """Create a queue and return its URL."""
        created = self._sqs.create_queue(QueueName=f"{name}-{self._number}", Attributes=attributes)
        return str(created["QueueUrl"])

    def send(self, url: str, body: str) -> None:
        """Send a message to a queue."""
        self._sqs.send_message(QueueUrl=url, MessageBody=body)

    def arn(self, url: str) -> str:
        """Return a queue's ARN."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(attributes["Attributes"]["QueueArn"])

    def drained_by(self, url: str, timeout: int, **mapping: Any) -> None:
        """Create a function that reads from a queue."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("index.py", "def handler(event, context):\n    return {}\n")
        name = f"drain-{self._number}"
        self._functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=_ROLE,
            Handler="index.handler",
            Timeout=timeout,
            Code={"ZipFile": archive.getvalue()},
        )
        self._functions.create_event_source_mapping(EventSourceArn=self.arn(url), FunctionName=name, **mapping)


@pytest.fixture
def setup(emulator: EmulatorServer) -> Setup:
    """Return an object that creates queues and event sources."""
    return Setup(emulator)


def _doctor(directory: Path, code: int, **urls: str) -> dict[str, dict[str, Any]]:
    options = [f"--{name.replace('_', '-')}={url}" for name, url in urls.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        result = CliRunner().invoke(app, ["doctor", "--json", *options])
        plain = CliRunner().invoke(app, ["doctor", *options])
    assert (result.exit_code, plain.exit_code) == (code, code), result.output
    findings = {each["check"]: each for each in json.loads(result.stdout)["findings"]}
    for each in findings.values():
        assert (each["state"] in {"ok", "skipped"}) or each["advice"], each
        assert each["check"] in plain.stdout
        assert (each["advice"] or "") in plain.stdout
    return findings


def _states(findings: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {check: each["state"] for check, each in findings.items() if each["state"] not in {"ok", "skipped"}}


def test_doctor_skips_layers_without_an_address(tmp_path: Path) -> None:
    """`doctor` skips each layer without an address and names the missing option. The exit code is 3."""
    findings = _doctor(tmp_path, 3)
    assert [each["state"] for each in findings.values()] == ["ok", "ok", *["skipped"] * 4]
    assert "--redis-url or REDIS__HOST" in findings["port of redis"]["found"]


def test_doctor_accepts_queues_with_the_templates_settings(setup: Setup, tmp_path: Path) -> None:
    """`doctor` accepts queues that have the template's settings."""
    dead = setup.queue("dead", MessageRetentionPeriod="1209600")
    policy = json.dumps({"deadLetterTargetArn": setup.arn(dead), "maxReceiveCount": 1000})
    live = setup.queue("live", VisibilityTimeout="90", RedrivePolicy=policy)
    setup.drained_by(live, 15, FunctionResponseTypes=["ReportBatchItemFailures"], BatchSize=10)
    assert _states(_doctor(tmp_path, 0, endpoint_url=setup.endpoint, queue_url=live, dlq_url=dead)) == {}


def test_doctor_finds_every_wrong_setting_of_the_queues(setup: Setup, tmp_path: Path) -> None:
    """`doctor` finds every wrong setting of the queues.

    The settings are a missing redrive policy, short retention of dead letters, no partial batches, and a short
    visibility timeout.
    """
    dead, live = setup.queue("dead"), setup.queue("live", VisibilityTimeout="30")
    setup.drained_by(live, 15, BatchSize=10)
    setup.send(dead, "x")
    findings = _doctor(tmp_path, 1, endpoint_url=setup.endpoint, queue_url=live, dlq_url=dead)
    assert _states(findings) == {
        "redrive policy": "fault",
        "dead letters' retention": "fault",
        "dead letters": "warning",
        "partial batches": "fault",
        "visibility timeout": "warning",
    }
    assert "90 s or more" in findings["visibility timeout"]["advice"]


def test_doctor_finds_a_queue_without_an_event_source(setup: Setup, tmp_path: Path) -> None:
    """`doctor` reports a missing event source as a fault and a small `maxReceiveCount` as a warning.

    It reports a missing queue as unreachable.
    """
    dead = setup.queue("dead", MessageRetentionPeriod="1209600")
    policy = json.dumps({"deadLetterTargetArn": setup.arn(dead), "maxReceiveCount": 10})
    live = setup.queue("live", RedrivePolicy=policy)
    findings = _doctor(tmp_path, 1, endpoint_url=setup.endpoint, queue_url=live, dlq_url=dead)
    assert _states(findings) == {"redrive policy": "warning", "event source": "fault"}
    assert _states(_doctor(tmp_path, 3, endpoint_url=setup.endpoint, queue_url=f"{live}-no")) == {
        "queue": "unreachable"
    }


def test_doctor_warns_about_an_eviction_policy_and_a_filled_outbox(
    valkey: ValkeyServer, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """`doctor` accepts a Redis with default settings.

    It warns about an eviction policy that can evict the outbox, and about an outbox with entries.
    """
    assert _states(_doctor(tmp_path, 0, redis_url=valkey.url)) == {}
    redis_client.rpush(OUTBOX, "x")
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    redis_client.config_set("maxmemory", "100mb")
    try:
        findings = _doctor(tmp_path, 1, redis_url=valkey.url)
        assert _states(findings) == {"redis eviction": "warning", "outbox": "warning"}
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")
        redis_client.config_set("maxmemory", "0")


def test_doctor_finds_an_outdated_schema_and_a_stopped_sweep(
    database_url: str,
    database: psycopg.Connection,
    real_archive: Callable[..., PostgresArchive],
    new_database: Callable[..., str],
    tmp_path: Path,
) -> None:
    """`doctor` finds an outdated schema, and a sweep that never ran or has stopped."""
    assert _states(_doctor(tmp_path, 1, database_url=database_url)) == {"sweep": "warning"}
    real_archive().heartbeat()
    assert _states(_doctor(tmp_path, 0, database_url=database_url)) == {}
    database.execute("update drain_health set beat_at = now() - interval '1 hour'")
    assert _states(_doctor(tmp_path, 1, database_url=database_url)) == {"sweep": "warning"}
    database.execute("update drain_health set beat_at = now() - interval '7 hours'")
    assert _states(_doctor(tmp_path, 1, database_url=database_url)) == {"sweep": "fault"}
    real_archive().heartbeat()
    database.execute("revoke insert on messages from memory")
    findings = _doctor(tmp_path, 1, database_url=database_url)
    assert _states(findings) == {"postgres writes": "fault"}
    assert "42501: permission denied for table messages" in findings["postgres writes"]["found"]
    findings = _doctor(tmp_path, 1, database_url=new_database())
    assert _states(findings) == {"migrations": "fault"}
    assert findings["migrations"]["advice"] == "Run hybrid-memory migrate up."


def test_doctor_reports_ports_without_a_server(tmp_path: Path) -> None:
    """`doctor` reports ports without a server as unreachable and runs the other checks."""
    findings = _doctor(
        tmp_path,
        3,
        api_url="http://127.0.0.1:1/x",
        redis_url="redis://127.0.0.1:1",
        database_url="postgresql://me:secret@127.0.0.1:1/x",
        queue_url="http://127.0.0.1:1/x",
    )
    assert _states(findings) == {f"port of {name}": "unreachable" for name in ("api", "redis", "database", "queue")}
    assert "secret" not in json.dumps(findings)


def test_doctor_reports_a_server_of_another_protocol(
    valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`doctor` reports a server that speaks another protocol as unreachable."""
    # The command waits for the whole timeout twice, because Valkey does not respond to unknown input.
    monkeypatch.setattr("cli.deployment._TIMEOUT_MS", 2_000)
    port = valkey.port
    urls = {"api_url": f"http://127.0.0.1:{port}", "database_url": f"postgresql://me@127.0.0.1:{port}/x"}
    assert _states(_doctor(tmp_path, 3, **urls)) == {"api": "unreachable", "postgres": "unreachable"}


def test_doctor_suggests_to_restart_a_stack_that_no_longer_runs(tmp_path: Path) -> None:
    """The file of a stack that no longer runs still names addresses. `doctor` suggests to start the stack again."""
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps({"redis_url": "redis://127.0.0.1:1/0"}))
    assert "make run" in _doctor(tmp_path, 3)["port of redis"]["advice"]


def test_doctor_does_not_mix_a_local_stack_with_another_deployment(valkey: ValkeyServer, tmp_path: Path) -> None:
    """An option names an API. `doctor` does not check the Redis of a local stack with another API."""
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps({"redis_url": valkey.url, "api_url": "http://x"}))
    findings = _doctor(tmp_path, 3, api_url="http://127.0.0.1:1/x")
    assert findings["redis"]["state"] == "skipped"
