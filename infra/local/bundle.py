"""The functions' code as a zip, and the template as `sam package` would produce it, without local paths."""

import io
import json
import py_compile
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.local import PROJECT_ROOT, LocalStackError

CODE = ("functions", "shared")
EXCLUDED_NAMES = {"__pycache__", "testing", "tests", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
# The earliest time in a zip file. All entries have it, so that equal files produce equal bytes.
FIRST_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """The functions' code, to be uploaded under `key`."""

    content: bytes
    key: str


def make_bundle(project: Path = PROJECT_ROOT) -> Bundle:
    """Zip the project's own code; equal files produce equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, tempfile.TemporaryDirectory() as scratch:
        for path in _code_files(project):
            name = path.relative_to(project).as_posix()
            _add(archive, name, path.read_bytes())
            if path.suffix == ".py":
                compiled = _compile(path, name, Path(scratch))
                if compiled is not None:
                    folder, _, module = name.rpartition("/")
                    cached = f"{module.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
                    _add(archive, f"{folder}/__pycache__/{cached}", compiled)
    content = buffer.getvalue()
    return Bundle(content, f"{sha256(content).hexdigest()}.zip")


def packaged_template(bucket: str, bundle: Bundle, project: Path = PROJECT_ROOT) -> dict[str, Any]:
    """Return `template.yaml` in long form, with the bundle's address instead of every `CodeUri: .`.

    Raises:
        LocalStackError: The file is missing or is not a template.
    """
    path = project / "template.yaml"
    try:
        template = yaml_parse(path.read_text())
        sections = [template.get("Globals", {}).get("Function", {})]
        sections += [resource.get("Properties", {}) for resource in template["Resources"].values()]
    except Exception as error:
        reason = " ".join(str(error).split())
        raise LocalStackError(f"{path} could not be read as a SAM template: {reason}") from error
    for section in sections:
        if section.get("CodeUri") in {".", "./"}:
            section["CodeUri"] = f"s3://{bucket}/{bundle.key}"
    # Converting to JSON and back leaves only plain types, because YAML turns texts that look like dates into dates.
    return dict(json.loads(json.dumps(template, default=str)))


def _code_files(project: Path) -> list[Path]:
    return sorted(
        path
        for folder in CODE
        for path in (project / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not EXCLUDED_NAMES.intersection(path.relative_to(project).parts)
    )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, FIRST_ZIP_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _compile(path: Path, name: str, scratch: Path) -> bytes | None:
    """Compile a module, because otherwise each worker would compile its own unpacked copy.

    Returns:
        The bytecode, which is valid for any file time, or None for a module that cannot be compiled.
    """
    target = scratch / "module.pyc"
    try:
        py_compile.compile(
            str(path), str(target), name, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
    except py_compile.PyCompileError:
        return None  # the function reports the error itself
    return target.read_bytes()
