"""The command line against a deployment that asks for tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.client import StackProcess
from tests.e2e.command_line import CommandLine
from tests.e2e.conftest import DEFAULTS
from tests.e2e.deployment import from_stack
from tests.support.issuer import OPERATOR, Issuer

pytestmark = pytest.mark.embedded("which start and stop stacks of their own")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return who makes the tokens."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """Run a stack that believes this issuer's tokens only."""
    with StackProcess(tmp_path_factory.mktemp("guarded") / "state", env=DEFAULTS | issuer.environment()) as running:
        yield running


@pytest.fixture
def cli(guarded: StackProcess, tmp_path: Path) -> CommandLine:
    """Return the command line of that stack."""
    return CommandLine(from_stack(guarded.info), tmp_path)


def test_without_a_token(cli: CommandLine) -> None:
    """Refused, with what to do about it; `doctor` says the same."""
    done = cli.run("prefs", "get", "ana", code=2)
    assert "401" in done.stderr
    assert "HYBRID_MEMORY_TOKEN" in done.stderr
    found = {each["check"]: each for each in cli.json("doctor", code=None)["findings"]}
    assert found["token"]["state"] == "fault"
    assert found["api"]["state"] == "ok"


def test_with_a_token(cli: CommandLine, issuer: Issuer) -> None:
    """It acts for the token's user, for nobody else, and is never shown; the environment and the option do the same."""
    token = issuer.token("ana")
    done = cli.run("prefs", "set", "ana", "tone=brief", HYBRID_MEMORY_TOKEN=token)
    assert token not in done.stdout + done.stderr
    assert cli.run("--token", token, "prefs", "get", "ana", "tone").stdout == "brief\n"
    assert json.loads(cli.run("threads", "list", "--json", HYBRID_MEMORY_TOKEN=token).stdout)["items"] == []
    refused = cli.run("prefs", "get", "bob", code=2, HYBRID_MEMORY_TOKEN=token)
    assert "403" in refused.stderr
    found = json.loads(cli.run("doctor", "--json", code=None, HYBRID_MEMORY_TOKEN=token).stdout)["findings"]
    assert {each["state"] for each in found if each["check"] == "token"} == {"ok"}


def test_with_an_operators_token(cli: CommandLine, issuer: Issuer) -> None:
    """It may act for anybody."""
    token = issuer.token("root", scope=OPERATOR)
    cli.run("prefs", "set", "carl", "tone=long", HYBRID_MEMORY_TOKEN=token)
    done = cli.run("users", "forget", "carl", "--yes", "--json", HYBRID_MEMORY_TOKEN=token)
    assert json.loads(done.stdout)["stores"]["postgres"]["after"]["preferences"] == 0
