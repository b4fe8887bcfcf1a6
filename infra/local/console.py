"""The terminal of `make run`: one line for each step of the start, which a terminal updates in place."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_CLEAR_LINE = "\r\x1b[K"
_NAME_WIDTH = 24


class Console:
    """Prints lines from several threads. A closed pipe is not a failure."""

    def __init__(self, output: TextIO | None = None, errors: TextIO | None = None) -> None:
        self._output = sys.stdout if output is None else output
        self._errors = sys.stderr if errors is None else errors
        self._lock = threading.Lock()
        self._running: str | None = None
        self._has_updates = self._output.isatty() and os.environ.get("TERM") != "dumb"

    def echo(self, text: str, *, error: bool = False) -> None:
        """Print lines. On a terminal, the line of the running step stays the last one."""
        with self._lock, suppress(OSError):
            self._clear()
            print(text, file=self._errors if error else self._output, flush=True)
            self._show()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print one line with the step's time when it ends. Until then, a terminal shows the step's name."""
        started = time.monotonic()
        with self._lock, suppress(OSError):
            self._running = name
            self._show()
        try:
            yield
        except BaseException:
            self._finish(None)
            raise
        self._finish(f"  {name:<{_NAME_WIDTH}}{time.monotonic() - started:5.1f} s")

    def _finish(self, line: str | None) -> None:
        with self._lock, suppress(OSError):
            self._clear()
            self._running = None
            if line is not None:
                print(line, file=self._output, flush=True)

    def _clear(self) -> None:
        if self._running is not None and self._has_updates:
            print(_CLEAR_LINE, end="", file=self._output, flush=True)

    def _show(self) -> None:
        if self._running is not None and self._has_updates:
            print(f"  {self._running} ...", end="", file=self._output, flush=True)
