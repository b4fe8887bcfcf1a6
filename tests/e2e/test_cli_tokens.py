"""The command line works on a deployment that requires tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.client import StackProcess
from tests.e2e.command_line import SCRIPT, CommandLine
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.deployment import from_stack
from tests.support.issuer import OPERATOR, Issuer

pytestmark = pytest.mark.embedded("which start and stop other stacks")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return an issuer of tokens."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """Run a stack that accepts only this issuer's tokens."""
    with StackProcess(
        tmp_path_factory.mktemp("guarded") / "state", env=DEFAULT_SETTINGS | issuer.environment()
    ) as running:
        yield running


@pytest.fixture
def cli(guarded: StackProcess, tmp_path: Path) -> CommandLine:
    """Return the command line of that stack."""
    return CommandLine(from_stack(guarded.info), tmp_path)


def test_a_command_without_a_token_is_refused(cli: CommandLine) -> None:
    """Without a token, the API refuses the command, and the command prints advice. `doctor` reports the problem."""
    completed = cli.run("prefs", "get", "ana", code=2)
    assert "401" in completed.stderr
    assert "HYBRID_MEMORY_TOKEN" in completed.stderr
    findings = {each["check"]: each for each in cli.json("doctor", code=None)["findings"]}
    assert findings["token"]["state"] == "fault"
    assert findings["api"]["state"] == "ok"


def test_a_token_authorizes_only_its_user(cli: CommandLine, issuer: Issuer) -> None:
    """The command acts only for the token's user.

    It never prints the token, whether the token is from the environment or from the option.
    """
    token = issuer.token("ana")
    completed = cli.run("prefs", "set", "ana", "tone=brief", HYBRID_MEMORY_TOKEN=token)
    assert token not in completed.stdout + completed.stderr
    assert cli.run("--token", token, "prefs", "get", "ana", "tone").stdout == "brief\n"
    assert json.loads(cli.run("threads", "list", "--json", HYBRID_MEMORY_TOKEN=token).stdout)["items"] == []
    refused = cli.run("prefs", "get", "bob", code=2, HYBRID_MEMORY_TOKEN=token)
    assert "403" in refused.stderr
    findings = json.loads(cli.run("doctor", "--json", code=None, HYBRID_MEMORY_TOKEN=token).stdout)["findings"]
    assert {each["state"] for each in findings if each["check"] == "token"} == {"ok"}


def test_an_operators_token_authorizes_any_user(cli: CommandLine, issuer: Issuer) -> None:
    """An operator's token may act for any user."""
    token = issuer.token("root", scope=OPERATOR)
    cli.run("prefs", "set", "carl", "tone=long", HYBRID_MEMORY_TOKEN=token)
    completed = cli.run("users", "forget", "carl", "--yes", "--json", HYBRID_MEMORY_TOKEN=token)
    assert json.loads(completed.stdout)["stores"]["postgres"]["after"]["preferences"] == 0


def test_smoke_passes_with_the_tokens_of_two_users(cli: CommandLine, issuer: Issuer) -> None:
    """The smoke test needs only the URL and the tokens.

    The other user does not see the thread, which is deleted at the end.
    """
    token, other = issuer.token("ana"), issuer.token("bob")
    command = [str(SCRIPT), f"--api-url={cli.api_url}", "smoke"]
    completed = cli.run(
        "smoke", "--json", command=[*command, "--json"], HYBRID_MEMORY_TOKEN=token, HYBRID_MEMORY_OTHER_TOKEN=other
    )
    states = {each["check"]: each["state"] for each in json.loads(completed.stdout)["findings"]}
    assert list(states) == ["health", "write", "read", "drain", "token", "isolation", "delete", "gone"]
    assert set(states.values()) == {"ok"}
    assert token not in completed.stdout + completed.stderr
    assert json.loads(cli.run("threads", "list", "--json", HYBRID_MEMORY_TOKEN=token).stdout)["items"] == []


@pytest.mark.parametrize(
    ("mine", "other", "check"), [("", "", "write"), ("ana", "ana", "isolation"), ("ana", "operator", "isolation")]
)
def test_smoke_reports_wrong_tokens(cli: CommandLine, issuer: Issuer, mine: str, other: str, check: str) -> None:
    """The smoke test finds a missing token, two tokens of one user, and an operator's token as the second token."""
    tokens = {"HYBRID_MEMORY_TOKEN": issuer.token(mine)} if mine else {}
    if other:
        scope = OPERATOR if other == "operator" else ""
        tokens["HYBRID_MEMORY_OTHER_TOKEN"] = issuer.token(other, scope=scope)
    completed = cli.run("smoke", "--json", code=1, **tokens)
    states = {each["check"]: each["state"] for each in json.loads(completed.stdout)["findings"]}
    assert states[check] == "fault"


def test_smoke_without_an_api_has_exit_code_3(cli: CommandLine) -> None:
    """The exit code is 3 without an API."""
    completed = cli.run("smoke", code=3, command=[str(SCRIPT), "--api-url=http://127.0.0.1:1", "smoke"])
    assert "UNREACHABLE" in completed.stdout
