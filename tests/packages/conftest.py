"""Fixtures for a clean clone, the packages that are built in it, and the command line installed from the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
TOOLS = ROOT / ".venv-packages" / "bin"


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Run a command, and return its output. Both streams are part of the message if it fails."""
    ran = subprocess.run(
        command,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{' '.join(map(str, command))}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that git does not ignore, so without environments and build results."""
    folder = tmp_path_factory.mktemp("clone")
    for name in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT).split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def built(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the source distributions, and with the wheels that are built from them."""
    folder = tmp_path_factory.mktemp("built")
    for package in (clone, clone / "clients" / "python"):
        run(UV, "build", "--quiet", "--out-dir", folder, cwd=package)
    return folder


@pytest.fixture(scope="session")
def installed(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command line that `uv tool install` installs from the clone."""
    folder = tmp_path_factory.mktemp("tool")
    environment = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    run(UV, "tool", "install", "--quiet", "--python", sys.executable, clone, cwd=folder, **environment)
    return folder / "bin" / "hybrid-memory"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """Run a stack with its own servers and ports."""
    with StackProcess(tmp_path_factory.mktemp("stack") / "state", env=DEFAULT_SETTINGS) as running:
        yield running
