"""Every command of the README and of `docs/` runs, page by page, in one shell per page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.deployment import connect, from_stack
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.waiting import eventually
from tests.support.commands import Block, Command, blocks

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "recipes").glob("*.md"))]
SECONDS = 60


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """Run a separate stack, because pages use plain names such as `demo` and `ada`."""
    with StackProcess(tmp_path_factory.mktemp("docs") / "state", env=DEFAULT_SETTINGS) as running:
        yield running


@pytest.fixture
def directory(stack: StackProcess, tmp_path: Path) -> Path:
    """Return a copy of the project's directory in which this stack runs."""
    for path in ROOT.iterdir():
        if path.name not in {".local", ".git", ".env"}:
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / ".local").symlink_to(stack.state_dir)
    return tmp_path


@pytest.fixture(scope="module")
def api(stack: StackProcess) -> Iterator[MemoryApi]:
    """Return a client of that stack."""
    created = MemoryApi(stack.info["api_url"])
    yield created
    created.http.close()


@pytest.fixture
def queues(stack: StackProcess, api: MemoryApi) -> Iterator[Queues]:
    """Return the queues.

    The exchange queue is empty. The dead-letter queue has only the sample batch of invalid records.
    """
    deployment = from_stack(stack.info)
    aws = connect(deployment.endpoint_url, deployment.region)
    created = Queues(aws, deployment)
    created.wait_empty()
    assert api.send("DELETE", "/users/ada").is_success
    aws.sqs.purge_queue(QueueUrl=deployment.dlq_url)
    records = json.loads((ROOT / "tests" / "events" / "sync-poison.json").read_text())["Records"]
    created.put(*(record["body"] for record in records))
    created.wait_empty()
    yield created
    aws.close()


@pytest.mark.embedded("which start and stop other stacks")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_prints_the_documented_output(
    stack: StackProcess, queues: Queues, directory: Path, page: Path
) -> None:
    """Each command succeeds in one shell and prints the documented output."""
    commands = [command for block in blocks(page) if _is_run(block) for command in block.commands]
    out = directory / "out"
    out.mkdir()
    own_variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HYBRID_MEMORY_"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{own_variables['PATH']}"
    environment = {**own_variables, "PATH": path, "API": stack.info["api_url"], "NO_PROXY": "*", "OUT": str(out)}
    shell = ["bash", "-o", "pipefail"]
    with subprocess.Popen(shell, cwd=directory, env=environment, stdin=subprocess.PIPE, text=True) as shell_process:
        assert shell_process.stdin is not None
        for number, command in enumerate(commands):
            position = f"{page.name}, line {command.line}: {command.text}"
            shell_process.stdin.write(_step(number, command))
            shell_process.stdin.flush()
            code, printed = _wait(out / f"{number}.code"), (out / f"{number}.out").read_text()
            assert code == "0", f"{position}: {code}\n{printed[-2000:]}"
            assert command.expects(printed), f"{position}:\n{printed}\nis not\n{command.output}"
            # Wait for the drain, because a reader types more slowly than the drain runs.
            queues.wait_empty()


@pytest.mark.embedded("which start and stop stacks of their own")
def test_the_python_of_the_readme_works(directory: Path) -> None:
    """The README's Python runs unchanged in the project's directory, and prints the previous conversation."""
    (block,) = (block for block in blocks(ROOT / "README.md") if block.kind == "python")
    run = subprocess.run(
        [sys.executable, "-c", block.body], cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Previous conversation:\nuser: My name is Ada.\nassistant: Hello Ada.")


def _wait(code: Path) -> str:
    return eventually(lambda: code.read_text().strip(), SECONDS)


def _is_run(block: Block) -> bool:
    return block.kind in {"sh", "console"} and block.reason is None


def _step(number: int, command: Command) -> str:
    # Braces run the command in the same shell, so exported variables are available to the next command.
    return f'{{ {command.text}\n}} >"$OUT/{number}.out" 2>&1 </dev/null\necho $? >"$OUT/{number}.code"\n'
