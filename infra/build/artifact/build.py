"""Builds one function's artifact from pinned wheels, the function's own modules and bytecode, with fixed file times."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.build.artifact.bytecode import READ_THEIR_SOURCE, compile_modules
from infra.build.artifact.contents import prune
from infra.build.artifact.ingredients import RECORD, Ingredients, gather
from infra.build.artifact.libraries import cut_symbols
from infra.build.artifact.size import check

ROOT: Final = Path(__file__).resolve().parents[3]
FUNCTIONS: Final = ("agent", "derive", "migrate", "sync")
_EMBEDDING_FUNCTIONS: Final = ("agent", "derive")
PLATFORMS: Final = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
"""The wheels' platform for each architecture of the template. Lambda's system has glibc 2.34."""

# The earliest time that a zip can store.
EPOCH: Final = 315532800
_PROJECT_PACKAGES: Final = ("functions", "infra", "shared")
# The migrations are copied as source, because Alembic reads it.
_MIGRATION: Final = ("__init__.py", "migrations")
_LICENCES: Final = ("LICENSE", "NOTICE")


def runtime_version(template: Path = ROOT / "template.yaml") -> str:
    """Return the Python version that the template names, such as `3.13`.

    Raises:
        ValueError: The template names no version, or more than one.
    """
    versions = set(re.findall(r"^\s+Runtime: python(3\.\d+)$", template.read_text(), re.MULTILINE))
    if len(versions) != 1:
        raise ValueError(f"{template} names {len(versions)} Python runtimes instead of one.")
    return str(versions.pop())


def build(function: str, directory: Path, architecture: str, uv: str) -> Ingredients:
    """Build the artifact of `function` into `directory`, which is emptied first.

    Args:
        function: One of `FUNCTIONS`.
        directory: The target.
        architecture: One of `PLATFORMS`, as in the template.
        uv: The path of uv, which installs the packages.

    Returns:
        The optional ingredients in the artifact: bytecode, the page, the local model of embeddings.

    Raises:
        MissingIngredientError: A required ingredient is missing.
        subprocess.CalledProcessError: A package cannot be installed, or a module not compiled.
        ValueError: The artifact is too large, or a switch has an invalid value.
    """
    version = runtime_version()
    ingredients = gather(version, with_page=function == "agent", with_embeddings=function in _EMBEDDING_FUNCTIONS)
    _empty(directory)
    requirements = [function, *(["embeddings"] if ingredients.embeddings else [])]
    _install(requirements, directory, version, PLATFORMS[architecture], uv)
    prune(directory)
    cut_symbols(directory)
    _copy_project(function, directory)
    if not ingredients.embeddings:
        shutil.rmtree(directory / "shared" / "embeddings" / "local")
    if not ingredients.page:
        shutil.rmtree(directory / "functions" / "agent" / "http" / "static" / "built", ignore_errors=True)
    if ingredients.python:
        compile_modules(directory, ingredients.python, {*_PROJECT_PACKAGES, *READ_THEIR_SOURCE})
    (directory / RECORD).write_text(ingredients.record(function, architecture, version))
    _normalise(directory)
    check(function, directory, has_embeddings=ingredients.embeddings)
    return ingredients


def _empty(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _install(requirements: Sequence[str], directory: Path, version: str, platform: str, uv: str) -> None:
    command = [uv, "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
    command += ["--python-version", version, "--python-platform", platform, "--target", str(directory)]
    files = [str(ROOT / "requirements" / f"{name}.txt") for name in requirements]
    subprocess.run([*command, *(word for file in files for word in ("-r", file))], check=True)


def _copy_project(function: str, directory: Path) -> None:
    """Copy the licence, the function's modules and the shared ones, without files of editors and interpreters."""
    for name in _LICENCES:
        shutil.copyfile(ROOT / name, directory / name)
    ignored = ("__pycache__", "*.pyc", ".*", "*~")
    ignore = shutil.ignore_patterns(*ignored)
    # No artifact contains the in-memory stores of the tests.
    shutil.copytree(ROOT / "shared", directory / "shared", ignore=shutil.ignore_patterns(*ignored, "testing"))
    if function == "migrate":
        (directory / "infra").mkdir()
        for name in _MIGRATION:
            source, target = ROOT / "infra" / name, directory / "infra" / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=ignore)
            else:
                shutil.copyfile(source, target)
        return
    shutil.copytree(ROOT / "functions" / function, directory / "functions" / function, ignore=ignore)
    shutil.copyfile(ROOT / "functions" / "__init__.py", directory / "functions" / "__init__.py")


def _normalise(directory: Path) -> None:
    """Set the same time and mode on all files.

    A zip stores both. So the time and the umask of a build do not change the zip.
    """
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))
