"""`python -m infra.build.page` builds the page after changes. A failed build does not prevent the stack's start."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from infra.build import page

FAKE_TOOLS = {
    "node": """#!/bin/sh
[ "$1" = --version ] && echo {version} && exit
echo build >> {log}
/bin/mkdir -p {built}
exit {code}
""",
    "npm": """#!/bin/sh
echo install >> {log}
/bin/mkdir -p node_modules
""",
}


class Machine:
    """A machine with a project. `install_node` adds a fake Node.js that records its arguments."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources = root / "clients" / "page" / "src"
        self.built = root / "built"
        self._root = root
        self._log = root / "log"
        self._monkeypatch = monkeypatch
        self.sources.mkdir(parents=True)
        (root / "clients" / "react" / "src").mkdir(parents=True)
        (self.sources / "main.tsx").write_text("one")
        for name in page.FILES:
            (self.sources.parent / name).write_text(name)
        monkeypatch.setattr(page, "ROOT", root)
        monkeypatch.setattr(page, "PAGE", self.sources.parent)
        monkeypatch.setattr(page, "BUILT", self.built)
        monkeypatch.setattr(page, "SOURCES", (self.sources, root / "clients" / "react" / "src"))
        monkeypatch.setenv("PATH", str(root / "bin"))

    def install_node(self, version: str = "v20.19.0", code: int = 0) -> None:
        """Install fake tools for Node.js and npm on the path. The build ends with the exit code `code`."""
        folder = self._root / "bin"
        folder.mkdir(exist_ok=True)
        for name, script in FAKE_TOOLS.items():
            file = folder / name
            file.write_text(script.format(version=version, log=self._log, built=self.built, code=code))
            file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def recorded_arguments(self) -> list[str]:
        """Return the tools' recorded arguments."""
        return self._log.read_text().split() if self._log.exists() else []

    def run(self, *arguments: str) -> int:
        """Run the command line."""
        self._monkeypatch.setattr(sys, "argv", ["page", *arguments])
        return page.main()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Create a machine without Node.js."""
    return Machine(tmp_path, monkeypatch)


def test_the_page_is_built_after_every_change(machine: Machine) -> None:
    """The build installs packages once, and builds the page after every change of a source."""
    machine.install_node()
    assert machine.run("--required") == 0
    assert machine.run("--required") == 0
    assert machine.recorded_arguments() == ["install", "build"]
    (machine.sources / "main.tsx").write_text("two")
    assert machine.run() == 0
    (machine.sources / "more.tsx").write_text("")
    assert machine.run() == 0
    assert machine.recorded_arguments() == ["install", "build", "build", "build"]
    (machine.sources.parent / "package-lock.json").write_text("other packages")
    assert machine.run() == 0
    assert machine.recorded_arguments()[4:] == ["install", "build"]


def test_the_build_needs_node_only_with_required(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Without Node.js, the build prints a message, and fails only with `--required`."""
    assert machine.run() == 0
    assert "Node.js was not found: install 20.19 or newer, with npm. There is no page" in capsys.readouterr().err
    assert machine.run("--required") == 1


@pytest.mark.parametrize(("version", "is_supported"), [("v18.20.8", False), ("v20.9.0", False), ("v24.0.1", True)])
def test_versions_of_node_are_compared_as_numbers(
    machine: Machine, capsys: pytest.CaptureFixture[str], version: str, *, is_supported: bool
) -> None:
    """The build compares versions of Node.js as numbers."""
    machine.install_node(version)
    assert machine.run("--required") == int(not is_supported)
    assert (f"{version} is too old" in capsys.readouterr().err) is not is_supported


def test_a_failed_build_is_retried(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """After a failed build, the previous page stays. The next run retries the build."""
    machine.install_node()
    machine.run()
    (machine.sources / "main.tsx").write_text("broken")
    machine.install_node(code=1)
    assert machine.run() == 0
    assert "The previous build of the page is used" in capsys.readouterr().err
    machine.install_node()
    assert machine.run("--required") == 0
