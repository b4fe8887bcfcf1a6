"""Follows the functions' log file and prints its lines."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

PAUSE_SECONDS = 0.2


def readable(line: str) -> str:
    """Return a log line in readable form.

    A request's line is shortened, because the page sends a request every few seconds.
    """
    name, _, written = line.partition(" | ")
    if '"message":"request"' not in written:
        return line
    try:
        fields = json.loads(written)
        parts = [fields["method"], fields.get("route") or "-", fields["status"], f"{fields['milliseconds']} ms"]
        return f"{name} | {' '.join(map(str, parts))} {fields['correlation_id']}"
    except (ValueError, KeyError, TypeError):
        return line


class LogFollower:
    """Calls `show` in a thread with every line appended to a file, in the form of `readable`."""

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
                    self._show(readable(line.decode(errors="replace")))
            if last:
                return
