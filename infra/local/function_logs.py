"""Follows the functions' log file and prints its lines."""

import threading
from collections.abc import Callable
from pathlib import Path

from infra.local.log_lines import readable

PAUSE_SECONDS = 0.2


class LogFollower:
    """Calls `show` in a thread with each line that is appended to a file, after `readable` has shortened the line."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path = path
        self._show = show
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="function-logs", daemon=True)

    def start(self) -> None:
        """Start at the beginning of the file."""
        self._thread.start()

    def stop(self) -> None:
        """Show the remaining lines and stop."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _follow(self) -> None:
        rest = b""
        position = 0
        while True:
            last = self._stopped.wait(PAUSE_SECONDS)
            size = self._path.stat().st_size if self._path.exists() else 0
            if size < position:  # truncated because it had become too long
                position, rest = 0, b""
            if size > position:
                with self._path.open("rb") as file:
                    file.seek(position)
                    chunk = file.read(size - position)
                position += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if (text := readable(line.decode(errors="replace"))) is not None:
                        self._show(text)
            if last:
                return
