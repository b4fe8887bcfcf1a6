"""Follows the functions' log file and shows its lines."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

PAUSE_SECONDS = 0.2


def readable(line: str) -> str:
    """Return a line of the file as people read it: that of a request short, since the page asks every few seconds."""
    name, _, written = line.partition(" | ")
    if '"message":"request"' not in written:
        return line
    try:
        fields = json.loads(written)
        told = [fields["method"], fields.get("route") or "-", fields["status"], f"{fields['milliseconds']} ms"]
        return f"{name} | {' '.join(map(str, told))} {fields['correlation_id']}"
    except (ValueError, KeyError, TypeError):
        return line


class LogFollower:
    """Hands every line that is appended to a file to `show`, as `readable` has it, from a thread of its own."""

    def __init__(self, path: Path, show: Callable[[str], None]) -> None:
        self._path = path
        self._show = show
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="function-logs", daemon=True)

    def start(self) -> None:
        """Begin at the file's beginning."""
        self._thread.start()

    def stop(self) -> None:
        """Show what is left and end."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _follow(self) -> None:
        rest = b""
        position = 0
        while True:
            last = self._stopped.wait(PAUSE_SECONDS)
            size = self._path.stat().st_size if self._path.exists() else 0
            if size < position:  # cut because it had grown too long
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
