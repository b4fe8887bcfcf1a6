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

_PARALLEL_TRIALS: Final = 2


def run(directory: Path, output: TextIO) -> list[Break]:
    """Print a table of the breaks, and return the breaks that no test detects.

    Raises:
        RuntimeError: A test fails without any break, a test does not exist, or a file does not have a break's text
        exactly once.
    """
    trials = [Trial(directory / str(number)) for number in range(_PARALLEL_TRIALS)]
    if not trials[0].passes(sorted({test for broken in BREAKS for test in broken.tests})):
        raise RuntimeError("the tests fail in the unchanged copy: make them pass first")
    free: SimpleQueue[Trial] = SimpleQueue()
    for trial in trials:
        free.put(trial)

    def is_detected(broken: Break) -> bool:
        trial = free.get()
        try:
            return trial.detects(broken)
        finally:
            free.put(trial)

    undetected = []
    print("| guarantee | break | test | failed |\n|---|---|---|---|", file=output)
    with ThreadPoolExecutor(_PARALLEL_TRIALS) as pool:
        for broken, has_failed in zip(BREAKS, pool.map(is_detected, BREAKS), strict=True):
            if not has_failed:
                undetected.append(broken)
            names = ", ".join(_names(broken))
            answer = "yes" if has_failed else "NO"
            print(f"| {broken.guarantee} | {broken.description} | {names} | {answer} |", file=output, flush=True)
    return undetected


def _names(broken: Break) -> Iterator[str]:
    for test in broken.tests:
        yield f"`{test.removeprefix('tests/')}`"


def main() -> int:
    """Return 1 if no test detects a break, and 0 otherwise."""
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-mutations-") as directory:
        return 1 if run(Path(directory), sys.stdout) else 0


if __name__ == "__main__":
    sys.exit(main())
