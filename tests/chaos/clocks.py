"""Sets clocks wrong by days: the clocks of the functions' processes, and with libfaketime that of Valkey's replica."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_DAY: Final = 86_400
_LIBRARY: Final = "usr/lib/*/faketime/libfaketime.so.1"
# Python imports this module at its start if it is on the path.
_SITECUSTOMIZE: Final = """\
import time

_real = time.time


def _shifted() -> float:
    with open({file!r}) as file:
        return _real() + float(file.read())


time.time = _shifted
"""


def libfaketime_path() -> str | None:
    """Return the path of the libfaketime library, or None if it is not installed."""
    return next((str(found) for found in Path("/").glob(_LIBRARY)), None)


class Clock:
    """The clock of a function's processes, which can be changed while they run.

    Args:
        directory: Holds the file with the offset, which the processes read.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self._file = directory / "seconds"
        self.set_days(0)
        (directory / "sitecustomize.py").write_text(_SITECUSTOMIZE.format(file=str(self._file)))

    def set_days(self, days: int) -> None:
        """Set the clock ahead of the machine's clock by this number of days. A negative number sets it behind."""
        next_file = self._directory / "next"
        next_file.write_text(str(days * _DAY))
        next_file.replace(self._file)

    def environment(self) -> dict[str, str]:
        """Return the environment that makes a Python process use this clock."""
        return {"PYTHONPATH": str(self._directory)}


@contextmanager
def child_clock(days: int) -> Iterator[None]:
    """Let programs that are started in the block use a clock that is ahead by this number of days, if possible."""
    library = libfaketime_path()
    if not days or library is None:
        yield
        return
    before = dict(os.environ)
    os.environ |= {"LD_PRELOAD": library, "FAKETIME": f"{days:+d}d", "DONT_FAKE_MONOTONIC": "1"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
