"""`python -m tests.mutations`: takes each guarantee away in a copy of the project, and expects a test to notice."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from tests.mutations.breaks import BREAKS, Break
from tests.mutations.trial import Trial


def run(directory: Path, out: TextIO) -> list[Break]:
    """Print a table, and return the breaks that no test noticed.

    Raises:
        RuntimeError: A test fails without any break, or a break or test is not there any more.
    """
    trial = Trial(directory)
    if not trial.is_green(sorted({test for broken in BREAKS for test in broken.tests})):
        raise RuntimeError("the tests fail before anything is broken")
    unnoticed = []
    print("| guarantee | break | test | went red |\n|---|---|---|---|", file=out)
    for broken in BREAKS:
        is_red = trial.notices(broken)
        if not is_red:
            unnoticed.append(broken)
        names = ", ".join(_names(broken))
        print(f"| {broken.guarantee} | {broken.what} | {names} | {'yes' if is_red else 'NO'} |", file=out, flush=True)
    return unnoticed


def _names(broken: Break) -> Iterator[str]:
    for test in broken.tests:
        yield f"`{test.removeprefix('tests/')}`"


def main() -> int:
    """Return 1 if a break stays unnoticed."""
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-mutations-") as directory:
        return 1 if run(Path(directory), sys.stdout) else 0


if __name__ == "__main__":
    sys.exit(main())
