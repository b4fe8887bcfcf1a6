"""Applies a break to a copy of the project and runs the tests that must fail with it."""

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
_GREEN, _RED = 0, 1
_SECONDS: Final = 300


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

    def is_green(self, tests: Iterable[str]) -> bool:
        """Return whether the tests pass in the copy as it is now.

        Raises:
            RuntimeError: The tests could not be run, e.g. because a test does not exist.
        """
        # Do not write bytecode. If a file changes twice within a second, Python could use the old version's bytecode.
        environment = {**os.environ, "PYTHONPATH": str(self._copy), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *tests]
        done = subprocess.run(
            command, cwd=self._copy, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if done.returncode not in {_GREEN, _RED}:
            raise RuntimeError(f"{' '.join(tests)} could not be run:\n{done.stdout}{done.stderr}")
        return done.returncode == _GREEN

    def notices(self, broken: Break) -> bool:
        """Return whether one of a break's tests fails with the break.

        Raises:
            RuntimeError: The text to replace does not occur exactly once.
        """
        with self._applied(broken):
            return not self.is_green(broken.tests)

    @contextmanager
    def _applied(self, broken: Break) -> Iterator[None]:
        path = self._copy / broken.file
        whole = path.read_text()
        if whole.count(broken.old) != 1:
            raise RuntimeError(f"{broken.file} does not hold, just once, what is to be broken:\n{broken.old}")
        path.write_text(whole.replace(broken.old, broken.new))
        try:
            yield
        finally:
            path.write_text(whole)
