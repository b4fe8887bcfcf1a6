"""The line editor of a conversation, with a history that only its owner can read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_MAX_LINES: Final = 1_000


@contextmanager
def history() -> Iterator[None]:
    """Let `input` edit lines and offer earlier lines, and save all lines at the end.

    A history that cannot be read or written does not end the conversation.
    """
    try:
        import readline  # noqa: PLC0415 - not every platform has it
    except ImportError:
        yield
        return
    file = _file()
    readline.set_history_length(_MAX_LINES)
    with suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.touch(mode=0o600)
            readline.write_history_file(file)


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "hybrid-memory" / "chat_history"
