"""The commands of docs/recipes/identity.md work with the tokens and the documented settings of each provider."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.support.commands import Command, blocks
from tests.support.provider_tokens import HEADINGS, documented_settings

pytestmark = pytest.mark.embedded("which start and stop other stacks")
ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "recipes" / "identity.md"
REASON = "needs tokens of each provider, which its own test has"


@pytest.fixture(params=HEADINGS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run the page's local issuer, and return the variables that it writes."""
    command = [sys.executable, "-m", "tests.support.provider_tokens", request.param, "--to", str(tmp_path / "identity")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as issuer, ExitStack() as cleanup:
        # Without this, an issuer that a failed fixture leaves behind would never end.
        cleanup.callback(issuer.kill)
        assert issuer.stdout is not None
        assert "are written" in issuer.stdout.readline()
        files = [(tmp_path / "identity" / name).read_text() for name in ("settings.sh", "tokens.sh")]
        assignments = [shlex.split(line)[1] for text in files for line in text.splitlines()]
        variables = {name: value for name, _, value in (each.partition("=") for each in assignments)}
        assert documented_settings(request.param).keys() <= variables.keys()
        yield variables
        issuer.terminate()
        assert issuer.wait(timeout=20) == -signal.SIGTERM


def test_the_first_call_works_with_each_provider(written: dict[str, str], tmp_path: Path) -> None:
    """Only the user and the operator can read the user's thread. A call without a token returns a 401."""
    settings = {name: value for name, value in written.items() if name.startswith("AUTH__")}
    commands = [command for block in blocks(PAGE) if block.reason == REASON for command in block.commands]
    assert len(commands) > 5
    with StackProcess(tmp_path / "state", env={**DEFAULT_SETTINGS, **settings}) as stack:
        own_variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HYBRID_MEMORY_"))
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{own_variables['PATH']}"
        environment = {**own_variables, **written, "PATH": path, "API": stack.info["api_url"], "NO_PROXY": "*"}
        for command in commands:
            _run(command, environment, tmp_path)


def _run(command: Command, environment: dict[str, str], directory: Path) -> None:
    completed = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.text],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, f"{command.text}\n{completed.stdout}{completed.stderr}"
    assert command.expects(completed.stdout), f"{command.text}\n{completed.stdout}\nis not\n{command.output}"
