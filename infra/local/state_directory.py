"""The state directory: a lock for one stack, the ports of earlier runs, and `stack.json` while it runs."""

import fcntl
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.local import LocalStackError


class StateDirectory:
    """The directory with a stack's persistent state. Only one supervisor at a time can lock it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.stack_file = self.path / "stack.json"
        self._ports_file = self.path / "ports.json"
        self._lock: int | None = None

    @property
    def has_lock(self) -> bool:
        """Whether this process has locked the directory."""
        return self._lock is not None

    def acquire(self) -> None:
        """Lock the directory; create it if necessary.

        Raises:
            LocalStackError: Another stack runs here, or the directory cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LocalStackError(f"The state directory {self.path} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(lock, 20).decode().strip()
            os.close(lock)
            raise LocalStackError(
                f"A stack already runs in {self.path} (process {holder or 'unknown'}): "
                "stop it with Ctrl-C there, or choose another directory with STATE_DIR=path."
            ) from error
        os.truncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def release(self) -> None:
        """Unlock the directory for another supervisor."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> dict[str, Any]:
        """Return the values that `save` stored, with the API's id, which is generated once."""
        try:
            ports = dict(json.loads(self._ports_file.read_text()))
        except (OSError, ValueError, TypeError):
            ports = {}
        ports.setdefault("api_id", secrets.token_hex(4))
        return ports

    def save(self, ports: Mapping[str, Any]) -> None:
        """Store the ports and the API's id for the next start.

        URLs in bookmarks then stay valid, even while other programs use the usual ports.
        """
        self._write(self._ports_file, ports)

    def publish(self, info: Mapping[str, Any]) -> None:
        """Write `stack.json` atomically."""
        self._write(self.stack_file, info)

    def withdraw(self) -> None:
        """Remove `stack.json`."""
        self.stack_file.unlink(missing_ok=True)

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        scratch = path.with_suffix(".tmp")
        # The file gets its mode before the password is written, so that only the owner can read the password.
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
        scratch.replace(path)
