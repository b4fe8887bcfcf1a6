"""Kills and freezes the embedded stack's servers."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import psutil

from infra.local.client import StackProcess
from tests.e2e.waiting import eventually

_URLS = {"postgres": "database_url", "valkey": "redis_url", "emulator": "endpoint_url"}


class Servers:
    """The processes that `stack.json` names: `postgres`, `valkey` and `emulator`."""

    def __init__(self, stack: StackProcess) -> None:
        self._stack = stack

    def pid(self, name: str) -> int:
        """Return a server's current process id from `stack.json`."""
        return int(self._stack.info["pids"][name])

    def kill(self, name: str) -> None:
        """Kill a server and all its children with SIGKILL."""
        for process in self._tree(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def wait_restarted(self, name: str, old_pid: int, seconds: float = 30) -> None:
        """Wait until the supervisor has replaced the process `old_pid` and the new process listens."""
        eventually(lambda: self.pid(name) != old_pid and self._listens(name), seconds)

    @contextmanager
    def killed(self, *names: str) -> Iterator[None]:
        """Kill servers and freeze their supervisor, so that it does not restart them."""
        supervisor = psutil.Process(self._stack.pid)
        pids = {name: self.pid(name) for name in names}
        supervisor.send_signal(signal.SIGSTOP)
        try:
            for name in names:
                self.kill(name)
            yield
        finally:
            supervisor.send_signal(signal.SIGCONT)
        for name, pid in pids.items():
            self.wait_restarted(name, pid)

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """Freeze servers. Their connections stay open, and they accept new connections, but they do not respond."""
        processes = [process for name in names for process in self._tree(name)]
        try:
            self._signal(processes, signal.SIGSTOP)
            yield
        finally:
            self._signal(processes, signal.SIGCONT)

    def _tree(self, name: str) -> list[psutil.Process]:
        """Return the server's processes. The parent is first, so that a killed parent cannot replace its children."""
        first = psutil.Process(self.pid(name))
        return [first, *first.children(recursive=True)]

    def _signal(self, processes: list[psutil.Process], signal_number: signal.Signals) -> None:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal_number)

    def _listens(self, name: str) -> bool:
        parts = urlsplit(self._stack.info[_URLS[name]])
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5):
            return True
