"""`doctor` and `migrate` work on a deployed system. `doctor` finds a server that is down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.command_line import CommandLine
from tests.e2e.deployment import Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually


@pytest.fixture
def cli(deployment: Deployment, tmp_path: Path) -> CommandLine:
    """Return the command line."""
    return CommandLine(deployment, tmp_path)


def test_doctor_finds_no_problem_in_a_healthy_deployment(cli: CommandLine) -> None:
    """Every check passes after the first sweep. Other tests' dead letters do not count."""
    cli.run("dlq", "purge", "--yes")
    response = eventually(lambda: cli.json("doctor"), 90)
    assert set(response["states"]) == {"ok"}
    assert {finding["check"] for finding in response["findings"]} >= {
        "api",
        "token",
        "migrations",
        "sweep",
        "redrive policy",
        "partial batches",
        "visibility timeout",
    }
    assert "0 found a problem, 0 skipped." in cli.run("doctor").stdout


def test_no_migration_is_pending(cli: CommandLine) -> None:
    """No migration is pending, and `migrate up` changes nothing."""
    assert cli.json("migrate", "status")["pending"] == []
    assert cli.json("migrate", "up")["applied"] == []


def test_doctor_reports_that_redis_is_down(
    cli: CommandLine, servers: Servers, api: MemoryApi, layers: Layers, thread_id: str
) -> None:
    """While Redis is down, the checks of its port and of the API's health fail.

    An export has PostgreSQL's messages and reports the missing layer.
    """
    api.invoked("q", "a", thread_id=thread_id)
    layers.wait_stored(thread_id, 2)
    with servers.killed("valkey"):
        response = cli.json("doctor", code=3)
        export = cli.run("threads", "export", thread_id, code=3)
    assert [json.loads(line)["kind"] for line in export.stdout.splitlines()] == ["thread", "message", "message"]
    assert "redis did not respond" in export.stderr
    states = {each["check"]: each["state"] for each in response["findings"] if each["state"] != "ok"}
    assert (states["port of redis"], states["api"]) == ("unreachable", "fault")
    assert "postgres" not in states
