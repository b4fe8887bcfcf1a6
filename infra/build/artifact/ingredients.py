"""Optional ingredients of an artifact: bytecode, the page, and the local model of embeddings.

Bytecode needs the runtime's Python, and the page needs Node.js. A machine may lack Python, Node.js or both, and an
artifact works without these ingredients. A switch controls each ingredient. `artifact.json` lists the ingredients of
an artifact, and a build prints missing ones to standard output, which `sam build` shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from infra.build import page
from infra.build.artifact.interpreter import OVERRIDE, find_python

ROOT: Final = Path(__file__).resolve().parents[3]
RECORD: Final = "artifact.json"
"""The file in an artifact that lists its ingredients."""

Switch = Literal["auto", "required", "off"]
BYTECODE: Final = "BYTECODE"
PAGE: Final = "PAGE"
EMBEDDINGS: Final = "EMBEDDINGS"

# The inputs of a release's bytes, including the sources of the page.
_SOURCES: Final = (
    "LICENSE",
    "Makefile",
    "NOTICE",
    "clients/page",
    "clients/react/src",
    "clients/typescript/src",
    "functions",
    "infra",
    "requirements/agent.txt",
    "requirements/bootstrap.txt",
    "requirements/embeddings.txt",
    "samconfig.toml",
    "shared",
    "template.yaml",
)
_NO_SOURCES: Final = frozenset({"__pycache__", "node_modules", "dist", "built", "testing"})
_NO_SOURCE_FOLDER: Final = "infra/local"


class MissingIngredientError(ValueError):
    """The machine lacks a required ingredient."""


@dataclass(frozen=True, slots=True)
class Ingredients:
    """The optional ingredients of one artifact.

    Attributes:
        python: The interpreter that compiles the modules; None for no bytecode.
        python_version: The interpreter's version, such as `3.13.2`.
        page: Whether the page is built from the current sources.
        embeddings: Whether the local model of embeddings is included.
        warnings: For each missing ingredient, the effect and the fix.
    """

    python: Path | None
    python_version: str | None
    page: bool
    embeddings: bool
    warnings: tuple[str, ...]

    def record(self, function: str, architecture: str, runtime: str) -> str:
        """Return the content of `artifact.json`."""
        fields: dict[str, object] = {"function": function, "architecture": architecture, "runtime": f"python{runtime}"}
        fields["bytecode"] = self.python_version
        if function == "agent":
            fields["page"] = self.page
        if function in {"agent", "derive"}:
            fields["embeddings"] = self.embeddings
        return json.dumps(fields) + "\n"


def gather(
    runtime: str,
    *,
    with_page: bool = True,
    with_embeddings: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Ingredients:
    """Find or build the ingredients that the switches `BYTECODE`, `PAGE` and `EMBEDDINGS` request.

    Args:
        runtime: The functions' Python version, such as `3.13`.
        with_page: Whether this artifact includes the page.
        with_embeddings: Whether this artifact includes the local model of embeddings, if it is requested.
        environment: The environment variables, with the switches.

    Raises:
        MissingIngredientError: A required ingredient is missing.
        ValueError: A switch has an invalid value, or `RUNTIME_PYTHON` names another version.
    """
    warnings: list[str] = []
    python = _python(runtime, _switch(BYTECODE, environment), environment, warnings)
    has_embeddings = _has_embeddings(environment) and with_embeddings
    has_page = with_page and _page(_switch(PAGE, environment), warnings)
    version = None
    if python:
        command = [str(python), "-c", "import platform; print(platform.python_version())"]
        version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return Ingredients(python, version, has_page, has_embeddings, tuple(warnings))


def _switch(name: str, environment: Mapping[str, str]) -> Switch:
    value = environment.get(name) or "auto"
    for known in get_args(Switch):
        if value == known:
            return known  # type: ignore[no-any-return]  # checked to be a Switch
    raise ValueError(f"{name} is {value!r}; it can be auto, required or off.")


def _has_embeddings(environment: Mapping[str, str]) -> bool:
    value = environment.get(EMBEDDINGS) or "off"
    if value not in {"off", "local"}:
        raise ValueError(f"{EMBEDDINGS} is {value!r}; it can be off or local.")
    return value == "local"


def _python(runtime: str, switch: Switch, environment: Mapping[str, str], warnings: list[str]) -> Path | None:
    if switch == "off":
        return None
    if python := find_python(runtime, environment):
        return python
    missing = (
        f"Python {runtime} was not found. It compiles the bytecode; without bytecode a cold start takes about twice as "
        f"long. Install it, or set {OVERRIDE} to its path"
    )
    if switch == "required":
        raise MissingIngredientError(f"{missing}, or build without bytecode: {BYTECODE}=off.")
    warnings.append(f"No bytecode. {missing}. {BYTECODE}=required makes this an error, {BYTECODE}=off no warning.")
    return None


def _page(switch: Switch, warnings: list[str]) -> bool:
    if switch == "off":
        return False
    try:
        page.build()
    except page.PageError as error:
        missing = str(error).strip().rstrip(".")
        if switch == "required":
            raise MissingIngredientError(f"{missing}; or build without the page: {PAGE}=off.") from error
        warnings.append(f"No page. {missing}. {PAGE}=required makes this an error, {PAGE}=off no warning.")
        return False
    return True


def release(runtime: str, architecture: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return one line with a digest for each input file of a release, and for its optional ingredients.

    Raises:
        MissingIngredientError: A required ingredient is missing.
        ValueError: A switch has an invalid value.
    """
    record = gather(runtime, environment=environment).record("agent", architecture, runtime)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(ROOT)}\n" for path in _files()]
    return "".join([record, *lines])


def _files() -> Iterator[Path]:
    for name in _SOURCES:
        source = ROOT / name
        paths = [source] if source.is_file() else sorted(source.rglob("*"))
        for path in paths:
            relative = path.relative_to(ROOT)
            is_source = path.is_file() and path.suffix != ".pyc" and not _NO_SOURCES & set(relative.parts)
            if is_source and not relative.is_relative_to(_NO_SOURCE_FOLDER):
                yield path
