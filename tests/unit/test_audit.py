"""`make audit` fails on findings, and detects an index without vulnerability data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.build.audit import main

_WITHOUT_DATA = {"name": "idna", "skip_reason": "Dependency not found"}
_WITH_DATA = {"name": "idna", "version": "3.6", "vulns": [{"id": "CVE-2024-3651"}]}


@pytest.fixture
def pip_audit(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Return a function that creates a fake pip-audit and the file with its arguments.

    A call with `--strict` exits with `code`. Every other call prints `probe`.
    """

    def make(probe: dict[str, Any] | None, code: int) -> tuple[Path, Path]:
        program, arguments_file = tmp_path / "pip-audit", tmp_path / "arguments"
        answer = "" if probe is None else json.dumps({"dependencies": [probe]})
        program.write_text(
            f"#!{sys.executable}\n"
            "import sys\n"
            f"open({str(arguments_file)!r}, 'a').write(' '.join(sys.argv[1:]) + chr(10))\n"
            "if '--strict' in sys.argv:\n"
            f"    sys.exit({code})\n"
            f"print({answer!r})\n"
        )
        program.chmod(0o755)
        return program, arguments_file

    return make


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    """Return a directory with requirement files."""
    directory = tmp_path / "requirements"
    directory.mkdir()
    for name in ("agent.txt", "sync.txt", "localstack.txt", "agent.in"):
        (directory / name).write_text("")
    return directory


@pytest.mark.parametrize("code", [0, 1])
def test_the_audit_fails_if_it_finds_a_vulnerability(
    pip_audit: Callable[..., tuple[Path, Path]], requirements: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    """If the index has vulnerability data, the audit checks the requirement files. A vulnerability makes it fail.

    It does not check `localstack.txt`, whose packages are old on purpose and only run in tests.
    """
    program, arguments_file = pip_audit(_WITH_DATA, code)

    assert main(program, requirements) == code
    audit = arguments_file.read_text().splitlines()[-1]
    assert "--strict" in audit
    assert [Path(word).name for word in audit.split() if word.endswith(".txt")] == ["agent.txt", "sync.txt"]
    assert ("no known vulnerability" in capfd.readouterr().out) == (code == 0)


def test_the_audit_includes_the_python_clients_requirements(pip_audit: Callable[..., tuple[Path, Path]]) -> None:
    """By default, the audit includes the project's requirement files and those of its Python client."""
    program, arguments_file = pip_audit(_WITH_DATA, 0)

    assert main(program) == 0
    audit = arguments_file.read_text().splitlines()[-1]
    for name in ("requirements/agent.txt", "clients/python/requirements/core.txt"):
        assert f"/{name}" in audit


@pytest.mark.parametrize("probe", [_WITHOUT_DATA, None], ids=["unknown", "unreachable"])
def test_an_index_without_vulnerability_data_is_reported(
    pip_audit: Callable[..., tuple[Path, Path]],
    requirements: Path,
    capfd: pytest.CaptureFixture[str],
    probe: dict[str, Any] | None,
) -> None:
    """If the index has no vulnerability data, the audit checks nothing and reports this."""
    program, arguments_file = pip_audit(probe, 1)

    assert main(program, requirements) == 0
    assert "--strict" not in arguments_file.read_text()
    assert "NOT AUDITED" in capfd.readouterr().err
