"""The built packages are complete, and package indexes accept their descriptions."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from shared import __version__
from tests.packages.conftest import ROOT, TOOLS, UV, run

REPOSITORY = "https://github.com/hybrid-memory/hybrid-memory"
NAMES = ("hybrid_memory", "hybrid_memory_client")


def _members(archive: Path) -> set[str]:
    """Return the paths below the archive's top folder."""
    with tarfile.open(archive) as files:
        return {name.partition("/")[2] for name in files.getnames()}


def _metadata(wheel: Path) -> tuple[dict[str, list[str]], str]:
    """Return the fields of a wheel's metadata, and its description."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".dist-info/METADATA")]
        message = HeaderParser().parsestr(files.read(name).decode())
    return {key: message.get_all(key) or [] for key in message}, str(message.get_payload())


def test_both_packages_are_built(built: Path) -> None:
    """`uv build` creates a source distribution and a wheel of each package, with the project's version."""
    files = {path.name for path in built.iterdir() if path.name != ".gitignore"}
    endings = (".tar.gz", "-py3-none-any.whl")
    assert files == {f"{name}-{__version__}{ending}" for name in NAMES for ending in endings}


def test_the_same_files_give_the_same_bytes(built: Path, clone: Path, tmp_path: Path) -> None:
    """A build in another folder gives the same bytes, so a published file can be compared with its source."""
    shutil.copytree(clone, tmp_path / "copy")
    for package in (tmp_path / "copy", tmp_path / "copy" / "clients" / "python"):
        run(UV, "build", "--quiet", "--out-dir", tmp_path / "built", cwd=package)
    first, second = ({path.name: path.read_bytes() for path in each.iterdir()} for each in (built, tmp_path / "built"))
    assert first == second


def test_package_indexes_accept_the_packages(built: Path) -> None:
    """The checks of twine and check-wheel-contents find nothing."""
    files = [path for path in built.iterdir() if path.name != ".gitignore"]
    run(TOOLS / "twine", "check", "--strict", *files)
    wheels = [path for path in files if path.suffix == ".whl"]
    run(TOOLS / "check-wheel-contents", "--config", ROOT / "pyproject.toml", *wheels)


@pytest.mark.parametrize("name", NAMES)
def test_the_metadata_is_complete(built: Path, name: str) -> None:
    """The metadata has the licence, the project's addresses, keywords, and a description without relative links."""
    fields, description = _metadata(built / f"{name}-{__version__}-py3-none-any.whl")
    assert fields["License-Expression"] == ["Apache-2.0"]
    assert fields["Requires-Python"] == [">=3.11"]
    assert "memory" in fields["Keywords"][0].split(",")
    urls = dict(text.split(", ") for text in fields["Project-URL"])
    assert set(urls) == {"Changelog", "Documentation", "Homepage", "Issues", "Repository"}
    assert all(url.startswith(REPOSITORY) for url in urls.values())
    links = re.findall(r"\]\(([^)]+)\)", description)
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_links_name_files_of_the_repository(built: Path) -> None:
    """Each link into the repository, in a description or the metadata, names a file of this version."""
    paths: set[str] = set()
    for name in NAMES:
        fields, description = _metadata(built / f"{name}-{__version__}-py3-none-any.whl")
        text = "\n".join([description, *fields["Project-URL"]])
        paths |= set(re.findall(rf"{REPOSITORY}/(?:blob|tree)/main/([^)#\s]+)", text))
    assert "CHANGELOG.md" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_source_distributions_have_the_licence_and_the_changelog(built: Path) -> None:
    """Each source distribution has its licence and its changelog, and no file that only the repository needs."""
    root, client = (_members(built / f"{name}-{__version__}.tar.gz") for name in NAMES)
    assert {"CHANGELOG.md", "LICENSE", "NOTICE", "PKG-INFO", "hybrid_memory_cli/README.md"} <= root
    assert {"CHANGELOG.md", "LICENSE", "README.md", "src/hybrid_memory_client/py.typed"} <= client
    assert not [path for path in root | client if re.match(r"(tests|docs|functions|requirements|unasync)", path)]


def test_a_program_uses_the_typed_client(built: Path, tmp_path: Path) -> None:
    """A new environment with the wheel imports the client, which is typed and knows its version."""
    wheel = built / f"hybrid_memory_client-{__version__}-py3-none-any.whl"
    run(UV, "venv", "--quiet", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, wheel, cwd=tmp_path)
    code = (
        "from importlib import metadata, resources; import hybrid_memory_client as client;"
        "assert resources.files(client).joinpath('py.typed').is_file();"
        "assert client.__version__ == metadata.version('hybrid-memory-client'); print(client.__version__)"
    )
    assert run(python, "-c", code, cwd=tmp_path) == f"{__version__}\n"
