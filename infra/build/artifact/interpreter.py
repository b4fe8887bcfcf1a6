"""Finds an interpreter of the functions' Python version. Nothing is installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

OVERRIDE: Final = "RUNTIME_PYTHON"
"""The environment variable that names the interpreter."""

_PROBE: Final = "import sys; print('{}.{}'.format(*sys.version_info))"


def find_python(version: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return an interpreter of `version` (such as `3.13`) that runs, or None.

    The candidates are, in this order: `RUNTIME_PYTHON`, the running interpreter, `python3.13` on the path, pyenv's
    versions.

    Raises:
        ValueError: `RUNTIME_PYTHON` names another version.
    """
    if path := environment.get(OVERRIDE):
        if not _has_version(version, Path(path)):
            raise ValueError(f"{OVERRIDE} names {path}, which is not Python {version}.")
        return Path(path)
    return next(
        (candidate for candidate in _candidates(version, environment) if _has_version(version, candidate)), None
    )


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    yield Path(sys.executable)
    if executable := shutil.which(f"python{version}", path=environment.get("PATH")):
        yield Path(executable)
    root = Path(environment.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # The newest patch release is first. The releases are compared as numbers, because 3.13.10 is newer than 3.13.9.
    installed = [path for path in root.glob(f"versions/{version}.*") if path.name.rpartition(".")[2].isdigit()]
    for path in sorted(installed, key=lambda path: int(path.name.rpartition(".")[2]), reverse=True):
        yield path / "bin" / f"python{version}"


def _has_version(version: str, python: Path) -> bool:
    """Run the interpreter to check it: pyenv's shims are on the path even for versions that they cannot start."""
    try:
        probe = subprocess.run([python, "-c", _PROBE], capture_output=True, text=True, check=False, timeout=60)
    except OSError:
        return False
    return probe.returncode == 0 and probe.stdout.strip() == version
