"""Compiles an artifact's modules, to shorten the cold start.

The bytecode is marked as unchecked, so it contains no time. Libraries are stored without their source, which would
nearly double the artifact and is only shown in tracebacks. The project's own modules keep their source.
"""

import os
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

READ_THEIR_SOURCE: Final = frozenset({"anyio"})
"""Packages whose modules parse their own source at runtime and lose features without it."""

# The directory into which Lambda unpacks an artifact; tracebacks name the files there.
_TASK_ROOT: Final = "/var/task"


def compile_modules(directory: Path, python: Path, with_source: Collection[str]) -> None:
    """Compile every module in `directory`, and remove the source of all but the named top-level packages.

    Args:
        directory: The artifact.
        python: An interpreter of the runtime's version; the runtime ignores other versions' bytecode.
        with_source: Top-level packages and modules, without suffix, that keep their source.

    Raises:
        subprocess.CalledProcessError: A module cannot be compiled.
    """
    entries = [path for path in sorted(directory.iterdir()) if path.is_dir() or path.suffix == ".py"]
    sources = [path for path in entries if path.stem in with_source]
    others = [path for path in entries if path.stem not in with_source]
    _compile(python, directory, sources, [])
    _compile(python, directory, others, ["-b"])
    for entry in others:
        for source in [entry] if entry.is_file() else sorted(entry.rglob("*.py")):
            source.unlink()


def _compile(python: Path, directory: Path, entries: list[Path], options: list[str]) -> None:
    # All modules are compiled in one process, in a fixed order, with one hash seed, because a module's bytecode may
    # depend on the modules compiled before it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python), "-S", "-s", "-B", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += [*options, "-s", str(directory), "-p", _TASK_ROOT, *map(str, entries)]
    subprocess.run(command, check=True, env=environment | {"PYTHONHASHSEED": "0"})
