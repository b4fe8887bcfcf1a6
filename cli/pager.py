"""A pager for output that is longer than the terminal."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Final

from rich.cells import cell_len

from cli.deployment import Deployment
from cli.output import is_terminal

_DEFAULT: Final = "less"
# The same options as in git: end immediately if the text fits, show colors, leave the text on the screen.
_LESS: Final = "FRX"
_COLORS: Final = re.compile("\x1b\\[[0-9;]*m")


class _Screen(io.StringIO):
    """Collects what a command would print on the terminal."""

    def isatty(self) -> bool:
        return True


@contextmanager
def paged(deployment: Deployment) -> Iterator[None]:
    """Show what the body prints in the user's pager if the terminal has too few lines for it.

    Output that is not a terminal never has a pager.
    """
    if not is_terminal() or not deployment.is_paged:
        yield
        return
    screen = _Screen()
    try:
        with redirect_stdout(screen):
            yield
    finally:
        _show(screen.getvalue())


def _show(text: str) -> None:
    if _fits(text) or not _page(text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _fits(text: str) -> bool:
    size = shutil.get_terminal_size()
    width = max(size.columns, 1)
    lines = _COLORS.sub("", text).split("\n")
    return sum(max(1, -(-cell_len(line) // width)) for line in lines) <= size.lines


def _page(text: str) -> bool:
    """Return whether the pager has shown the text. `PAGER=` and `PAGER=cat` turn paging off."""
    words = shlex.split(os.environ.get("PAGER", _DEFAULT))
    if not words or words == ["cat"] or shutil.which(words[0]) is None:
        return False
    environment = {"LESS": _LESS, **os.environ}
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as pager:  # noqa: S603 - the user's own pager
        assert pager.stdin is not None  # noqa: S101 - a pipe
        with suppress(BrokenPipeError):  # the user has left the pager
            pager.stdin.write(text.encode(errors="replace"))
            pager.stdin.close()
        while pager.poll() is None:
            with suppress(KeyboardInterrupt):  # Ctrl-C is a key of the pager
                pager.wait()
    return True
