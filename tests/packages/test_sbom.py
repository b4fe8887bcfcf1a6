"""The software bills of materials are valid, and name exactly what is pinned."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.build import sbom
from shared import __version__
from tests.packages.conftest import ROOT, TOOLS, run

_VALIDATE = """
import json, pathlib, sys
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
for path in map(pathlib.Path, sys.argv[1:]):
    text = path.read_text()
    version = SchemaVersion.from_version(json.loads(text)["specVersion"])
    if error := make_schemabased_validator(OutputFormat.JSON, version).validate_str(text):
        sys.exit(f"{path}: {error}")
"""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all bills of materials."""
    path = tmp_path_factory.mktemp("sbom") / "dist"
    sbom.main(path)
    return path


def _bill(folder: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"{name}.cdx.json").read_text()))


def test_the_bills_are_valid(folder: Path) -> None:
    """There is a bill for each component, and it has the form of its CycloneDX version."""
    bills = sorted(folder.iterdir())
    assert [bill.name for bill in bills] == sorted(f"{name}.cdx.json" for name in (*sbom.PYTHON, *sbom.NPM))
    run(TOOLS / "python", "-c", _VALIDATE, *bills)


@pytest.mark.parametrize("name", [*sbom.PYTHON, *sbom.NPM])
def test_a_bill_describes_this_version(folder: Path, name: str) -> None:
    """The bill describes this version of its component, with its licence."""
    component = _bill(folder, name)["metadata"]["component"]
    assert (component["version"], component["licenses"][0]["license"]["id"]) == (__version__, "Apache-2.0")


@pytest.mark.parametrize("name", sbom.PYTHON)
def test_a_bill_names_every_pinned_python_package(folder: Path, name: str) -> None:
    """The components are the pins of the requirement file, each with its hashes."""
    components = _bill(folder, name)["components"]
    pins = _PIN.findall((ROOT / sbom.PYTHON[name][0]).read_text())
    assert {(each["name"], each["version"]) for each in components} == set(pins)
    assert all(each["externalReferences"][0]["hashes"] for each in components)


@pytest.mark.parametrize("name", sbom.NPM)
def test_a_bill_names_every_npm_package_that_ships(folder: Path, name: str) -> None:
    """The components are the packages of the lock file that are not only for development, each with its hash.

    A package for development may also be a peer of one that ships, such as the types of React. It does not ship either.
    """
    packages = json.loads((ROOT / sbom.NPM[name][0] / "package-lock.json").read_text())["packages"]
    development = set(packages[""].get("devDependencies", {}))
    needed, remaining = set[str](), list(packages[""].get("dependencies", {}))
    while remaining:
        package = remaining.pop()
        if package not in needed | development and (found := packages.get(f"node_modules/{package}")):
            needed.add(package)
            remaining += [*found.get("dependencies", {}), *found.get("peerDependencies", {})]
    pins = {
        (path.rpartition("node_modules/")[2], package["version"])
        for path, package in packages.items()
        if path.rpartition("node_modules/")[2] in needed and not package.get("dev")
    }
    components = _bill(folder, name)["components"]
    assert {(each["name"], each["version"]) for each in components} == pins
    assert all(each["hashes"] for each in components)
