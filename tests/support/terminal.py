"""Runs a program on a pseudo-terminal of a given size."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.waiting import until

_SECONDS: Final = 30
_ESCAPES: Final = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()=>].?)")


@dataclass(frozen=True, slots=True)
class TerminalRun:
    """The result of a program that ran on a terminal.

    Attributes:
        raw: Everything that the program wrote, with its escape sequences.
    """

    code: int
    raw: str

    @property
    def text(self) -> str:
        """The output without escape sequences."""
        return _ESCAPES.sub("", self.raw).replace("\r\n", "\n")


def run_on_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int | None = 80,
    lines: int = 24,
    directory: Path | None = None,
    typed: Sequence[tuple[str, str]] = (),
) -> TerminalRun:
    """Run a program whose input and output are a terminal of this size.

    Args:
        command: The program and its arguments.
        environment: Its whole environment; `TERM` is `xterm` by default.
        columns: The terminal's width; None for a terminal without a size, so that `COLUMNS` applies.
        lines: The terminal's height.
        directory: The program's working directory.
        typed: Pairs of a text that the program prints, and of the keys to type after it.
    """
    controller, terminal = pty.openpty()
    variables = dict(environment)
    if columns is not None:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        # COLUMNS and LINES would take precedence over the terminal's size.
        variables = {name: value for name, value in variables.items() if name not in {"COLUMNS", "LINES"}}
    output: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(controller, output))
    reader.start()
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    process = subprocess.Popen(
        command, env={"TERM": "xterm", **variables}, cwd=directory, start_new_session=True, **streams
    )  # type: ignore[call-overload]
    try:
        position = 0
        for text, keys in typed:
            position = _wait_for(text, position, output)
            os.write(controller, keys.encode())
        code = process.wait(_SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        reader.join(_SECONDS)
        os.close(controller)
    return TerminalRun(code, b"".join(output).decode(errors="replace"))


def _wait_for(text: str, position: int, output: list[bytes]) -> int:
    """Wait until the program has printed a text after a position, and return the position after it."""
    until(lambda: text.encode() in b"".join(output)[position:], _SECONDS)
    return b"".join(output).index(text.encode(), position) + len(text)


def _read_all(controller: int, output: list[bytes]) -> None:
    while True:
        try:
            if not (data := os.read(controller, 65_536)):
                return
        except OSError:  # the other end is closed
            return
        output.append(data)
