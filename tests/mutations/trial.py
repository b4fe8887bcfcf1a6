"""A copy of the project to which breaks, changes that violate a guarantee, are applied. A test must then fail there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.mutations.breaks import Break

ROOT: Final = Path(__file__).resolve().parents[2]
_COPIED: Final = ("functions", "shared", "infra", "tests")
_PASSED, _FAILED = 0, 1
_MAX_SECONDS: Final = 300


class Trial:
    """A copy of the project in a directory.

    Args:
        directory: An empty directory for the copy.
    """

    def __init__(self, directory: Path) -> None:
        self._copy = directory / "project"
        for name in _COPIED:
            shutil.copytree(ROOT / name, self._copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self._copy)

    def passes(self, tests: Iterable[str]) -> bool:
        """Return whether the tests pass in the copy in its present state.

        Raises:
            RuntimeError: The tests could not be run, e.g. because a test does not exist.
        """
        # Do not write bytecode. If a file changes twice within a second, Python could use the old version's bytecode.
        environment = {**os.environ, "PYTHONPATH": str(self._copy), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
        process = subprocess.run(
            command, cwd=self._copy, env=environment, capture_output=True, text=True, timeout=_MAX_SECONDS, check=False
        )
        if process.returncode not in {_PASSED, _FAILED}:
            raise RuntimeError(f"{' '.join(tests)} could not be run:\n{process.stdout}{process.stderr}")
        return process.returncode == _PASSED

    def detects(self, broken: Break) -> bool:
        """Return whether one of a break's tests fails with the break.

        Raises:
            RuntimeError: The text to replace does not occur exactly once.
        """
        with self._apply(broken):
            return not self.passes(broken.tests)

    @contextmanager
    def _apply(self, broken: Break) -> Iterator[None]:
        path = self._copy / broken.file
        original = path.read_text()
        if original.count(broken.old) != 1:
            raise RuntimeError(
                f"{broken.file} must have this text exactly once, as the break replaces it:\n{broken.old}"
            )
        path.write_text(original.replace(broken.old, broken.new))
        try:
            yield
        finally:
            path.write_text(original)
