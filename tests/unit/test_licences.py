"""The project has one licence everywhere, and its runtime dependencies have compatible licences."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.build import licences

ROOT = Path(__file__).resolve().parents[2]
# The text of the Apache Software Foundation, https://www.apache.org/licenses/LICENSE-2.0.txt.
OFFICIAL = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
POLICY: dict[str, Any] = {
    "allowed": ["Apache-2.0", "BSD-3-Clause", "MIT"],
    "names": {"MIT License": "MIT"},
    "not-installed": {"elsewhere": "BSD-3-Clause"},
    "exceptions": {"driver": {"licence": "LGPL-3.0-only", "reason": "a library of its own"}},
}


def test_each_package_has_the_whole_licence() -> None:
    """The repository and each published package contain the licence's official text."""
    for folder in (".", "clients/python", "clients/react", "clients/typescript"):
        assert hashlib.sha256((ROOT / folder / "LICENSE").read_bytes()).hexdigest() == OFFICIAL, folder


def test_each_manifest_names_the_licence() -> None:
    """Each manifest names the same licence."""
    python = [tomllib.loads((ROOT / name).read_text()) for name in ("pyproject.toml", "clients/python/pyproject.toml")]
    folders = [ROOT / "clients" / name for name in ("page", "react", "typescript")]
    npm = [json.loads((folder / "package.json").read_text()) for folder in folders]
    assert {manifest["project"]["license"] for manifest in python} == {"Apache-2.0"}
    assert {manifest["license"] for manifest in npm} == {"Apache-2.0"}


def test_every_runtime_dependency_has_a_compatible_licence(capsys: pytest.CaptureFixture[str]) -> None:
    """The check passes. It includes the drivers, the command line's packages and the page's bundle."""
    policy = tomllib.loads(licences.POLICY.read_text())
    licences_by_package = licences.python_licences(policy) | licences.page_licences()
    assert {"alembic", "psycopg", "redis", "typer", "react-dom", "scheduler"} <= {*licences_by_package}
    assert licences.main() == 0
    assert f"all {len(licences_by_package)} runtime dependencies" in capsys.readouterr().out


def test_the_notices_of_shipped_packages_are_repeated() -> None:
    """If a package of the artifacts has a notice, NOTICE repeats this notice."""
    shipped = [(ROOT / "requirements" / f"{name}.txt").read_text() for name in ("agent", "sync", "derive", "migrate")]
    names = {name for text in shipped for name in re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)}
    packages = [package for name in names for package in metadata.Distribution.discover(name=name)]
    files = [file for package in packages for file in package.files or ()]
    notices = [file.read_text() for file in files if ".dist-info" in str(file) and file.name.startswith("NOTICE")]
    assert len(notices) == 1  # requests
    assert [notice for notice in notices if notice.strip() not in (ROOT / "NOTICE").read_text()] == []


def test_each_exception_has_a_reason() -> None:
    """Each exception names a licence and a reason."""
    exceptions = tomllib.loads(licences.POLICY.read_text())["exceptions"]
    assert all(exception["licence"] and exception["reason"].endswith(".") for exception in exceptions.values())


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-3.0-only OR BSD-3-Clause)", True),
        ("(MIT OR Apache-2.0) AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0 OR MIT", True),
    ],
)
def test_an_expression_is_evaluated(expression: str, allowed: bool) -> None:  # noqa: FBT001 - a case's value
    """`OR` needs one allowed licence, `AND` only allowed licences. A licence `WITH` an exception is another licence."""
    assert licences.is_allowed(expression, POLICY["allowed"]) == allowed


@pytest.mark.parametrize(
    ("name", "licence", "problem"),
    [
        ("server", "AGPL-3.0-only", "server has the licence AGPL-3.0-only, which licences.toml does not allow."),
        ("server", "LGPL-3.0-only", "server has the licence LGPL-3.0-only, which licences.toml does not allow."),
        ("driver", "GPL-3.0-only", "driver has the licence GPL-3.0-only, which licences.toml does not allow."),
        ("driver", "MIT", "licences.toml has an exception for driver, which needs none."),
        ("server", None, "server declares no licence that is known: add its name to licences.toml."),
    ],
)
def test_an_incompatible_licence_is_refused(name: str, licence: str | None, problem: str) -> None:
    """An incompatible or unknown licence is a problem. An exception holds only for the package and licence it names."""
    good = {"driver": "LGPL-3.0-only", "library": "MIT"}
    assert list(licences.find_problems(good, POLICY)) == []
    assert list(licences.find_problems(good | {name: licence}, POLICY)) == [problem]


def test_the_check_fails_on_an_incompatible_licence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check names the package on standard error and fails."""
    monkeypatch.setattr(licences, "page_licences", lambda: {"widget": "GPL-3.0-only"})
    assert licences.main() == 1
    assert capsys.readouterr().err == "widget has the licence GPL-3.0-only, which licences.toml does not allow.\n"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"License-Expression": ["MIT"], "License": ["a file"]}, "MIT"),
        ({"License": ["bsd-3-clause"]}, "BSD-3-Clause"),
        ({"License": ["MIT License\n\nPermission is hereby granted"]}, "MIT"),
        ({"License": ["see the file"], "Classifier": ["License :: OSI Approved :: MIT License"]}, "(MIT)"),
        ({"Classifier": [f"License :: OSI Approved :: {name}" for name in ("MIT License", "Own")]}, None),
        ({"Classifier": ["Programming Language :: Python"]}, None),
        ({"License": ["UNKNOWN"]}, None),
        (None, "BSD-3-Clause"),
    ],
)
def test_a_package_declares_its_licence(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, list[str]] | None, expected: str | None
) -> None:
    """The check reads the licence expression, else the text, else the classifiers. It must know each classifier."""

    def read(name: str) -> SimpleNamespace:
        if fields is None:
            raise metadata.PackageNotFoundError(name)
        return SimpleNamespace(get_all=fields.get)

    monkeypatch.setattr(metadata, "metadata", read)
    assert licences.installed_licence("elsewhere", POLICY) == expected
