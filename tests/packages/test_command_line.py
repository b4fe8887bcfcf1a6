"""The command line works where it is installed in an environment of its own, without the clone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from infra.local.client import StackProcess
from shared import __version__
from tests.packages.conftest import TOOLS, UV, run

# Imports every module of the wheel, except those that Alembic runs.
_IMPORT_ALL = """
import importlib, pathlib, sys
import hybrid_memory_cli
packages = pathlib.Path(hybrid_memory_cli.__file__).parent / "packages"
sys.path.insert(0, str(packages))
files = [path.relative_to(packages) for path in packages.rglob("*.py") if path.parent.name != "versions"]
names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files]
for name in sorted(set(names) - {"infra.migrations.env"}):
    importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="session")
def installed_by_pipx(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the command line that `pipx install` installs from the clone."""
    folder = tmp_path_factory.mktemp("pipx")
    names = {"PIPX_HOME": "home", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man", "PIPX_COMPLETION_DIR": "completion"}
    environment = {variable: str(folder / name) for variable, name in names.items()}
    run(TOOLS / "pipx", "install", "--quiet", "--python", sys.executable, clone, cwd=folder, **environment)
    return folder / "bin" / "hybrid-memory"


def test_pipx_installs_the_command_line(installed_by_pipx: Path, tmp_path: Path) -> None:
    """`pipx install` provides the command."""
    assert run(installed_by_pipx, "--version", cwd=tmp_path) == f"hybrid-memory {__version__}\n"


def test_it_needs_no_clone(installed: Path, tmp_path: Path) -> None:
    """The version, the help and the completion work in any directory, and all modules of the wheel can be imported."""
    assert run(installed, "--version", cwd=tmp_path) == f"hybrid-memory {__version__}\n"
    assert "threads" in run(installed, "--help", cwd=tmp_path)
    assert "_HYBRID_MEMORY_COMPLETE" in run(installed, "--show-completion", "bash", cwd=tmp_path, SHELL="/bin/bash")
    completed = run(
        installed, cwd=tmp_path, _HYBRID_MEMORY_COMPLETE="complete_bash", COMP_WORDS="hybrid-memory thr", COMP_CWORD="1"
    )
    assert completed.split() == ["threads"]
    python = installed.resolve().with_name("python")
    assert int(run(python, "-c", _IMPORT_ALL, cwd=tmp_path)) > 100


def test_it_operates_a_stack(installed: Path, stack: StackProcess, tmp_path: Path) -> None:
    """Commands that use the API, the queues, Redis, PostgreSQL and the migrations work against a running stack."""
    options = ("--state-dir", str(stack.state_dir))
    for command in (
        ("smoke",),
        ("verify",),
        ("queue", "status"),
        ("threads", "list", "--user", "ada"),
        ("migrate", "up"),
    ):
        run(installed, *command, *options, cwd=tmp_path)
    status = json.loads(run(installed, "migrate", "status", *options, "--json", cwd=tmp_path))
    assert status["pending"] == []
    description = json.loads(run(installed, "openapi", *options, cwd=tmp_path))
    assert description["info"]["version"] == __version__


def test_it_does_not_disturb_other_packages(built: Path, tmp_path: Path) -> None:
    """The command line shares an environment with the client and with modules that are named like its own packages.

    The command, those modules and a client of another version all work. The command also works without the client.
    """
    run(UV, "venv", "--quiet", tmp_path / "env")
    bin_folder = tmp_path / "env" / "bin"
    wheels = sorted(built.glob("*.whl"))
    pip = (UV, "pip")
    python = ("--quiet", "--python", bin_folder / "python")
    run(*pip, "install", *python, *wheels, cwd=tmp_path)
    (packages,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    assert not {"cli", "functions", "infra", "shared"} & {path.name for path in packages.iterdir()}
    for name in ("cli", "functions", "infra", "shared"):
        (packages / f"{name}.py").write_text("OTHER = True\n")
    client = packages / "hybrid_memory_client" / "__init__.py"
    text = client.read_text().replace(f'__version__ = "{__version__}"', '__version__ = "98.76.54"')
    client.unlink()  # it can be a link into uv's cache
    client.write_text(text)

    check = "import cli, shared, hybrid_memory_client as client; print(cli.OTHER, shared.OTHER, client.__version__)"
    assert run(bin_folder / "python", "-c", check, cwd=tmp_path) == "True True 98.76.54\n"
    assert run(bin_folder / "hybrid-memory", "--version", cwd=tmp_path) == f"hybrid-memory {__version__}\n"
    run(*pip, "uninstall", *python, "hybrid-memory-client", cwd=tmp_path)
    assert "threads" in run(bin_folder / "hybrid-memory", "--help", cwd=tmp_path)
