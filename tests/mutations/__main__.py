"""`python -m tests.mutations` breaks each guarantee in a copy of the project and checks that a test fails."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TextIO

from tests.mutations.breaks import BREAKS, Break
from tests.mutations.trial import Trial

_AT_ONCE: Final = 2


def run(directory: Path, out: TextIO) -> list[Break]:
    """Print a table of the breaks, and return the breaks with which no test fails.

    Raises:
        RuntimeError: A test fails without any break, a test does not exist, or a break's text is not in its file.
    """
    trials = [Trial(directory / str(number)) for number in range(_AT_ONCE)]
    if not trials[0].is_green(sorted({test for broken in BREAKS for test in broken.tests})):
        raise RuntimeError("the tests fail before anything is broken")
    free: SimpleQueue[Trial] = SimpleQueue()
    for trial in trials:
        free.put(trial)

    def is_noticed(broken: Break) -> bool:
        trial = free.get()
        try:
            return trial.notices(broken)
        finally:
            free.put(trial)

    unnoticed = []
    print("| guarantee | break | test | went red |\n|---|---|---|---|", file=out)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for broken, is_red in zip(BREAKS, pool.map(is_noticed, BREAKS), strict=True):
            if not is_red:
                unnoticed.append(broken)
            names = ", ".join(_names(broken))
            answer = "yes" if is_red else "NO"
            print(f"| {broken.guarantee} | {broken.what} | {names} | {answer} |", file=out, flush=True)
    return unnoticed


def _names(broken: Break) -> Iterator[str]:
    for test in broken.tests:
        yield f"`{test.removeprefix('tests/')}`"


def main() -> int:
    """Return 1 if there is a break with which no test fails, and 0 otherwise."""
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-mutations-") as directory:
        return 1 if run(Path(directory), sys.stdout) else 0


if __name__ == "__main__":
    sys.exit(main())
