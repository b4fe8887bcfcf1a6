"""The common base of the child servers: port, log, start, stop, kill, freeze."""

import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from infra.local import LocalStackError
from infra.local.processes import free_port, is_free, kill_all, reap

START_ATTEMPTS = 3


class ChildServer(ABC):
    """A server that this process starts, stops and restarts on the same port and directory.

    If `port` is given, only this port is used. Otherwise the first free port of `preferred` is used, or else any free
    port.
    """

    name: str

    def __init__(self, data_dir: Path, port: int | None = None, *, preferred: tuple[int | None, ...] = ()) -> None:
        self.data_dir = Path(data_dir).resolve()
        self.log = self.data_dir.with_name(f"{self.data_dir.name}.log")
        self._port = port
        self._port_is_given = port is not None
        self._preferred = preferred
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The server's URL for clients."""

    @abstractmethod
    def _launch(self) -> None:
        """Spawn the server and wait until it responds; raise LocalStackError if it does not respond."""

    @abstractmethod
    def _request_stop(self, process: subprocess.Popen[bytes]) -> None:
        """Request a clean shutdown, which saves the data."""

    @property
    def port(self) -> int:
        """The server's port, which stays the same after every start."""
        if self._port is None:
            raise LocalStackError(f"{self.name} has no port before its first start.")
        return self._port

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise LocalStackError(f"{self.name} is not running.")
        return self._process.pid

    def was_started(self) -> bool:
        """Return whether the server was started and not stopped since, even if it has died."""
        return self._process is not None

    def is_running(self) -> bool:
        """Return whether the process lives, even if it is frozen."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it responds; do nothing if it runs.

        Raises:
            LocalStackError: The server ended or did not respond; the message names its log.
        """
        if self.is_running():
            return
        for attempt in range(1, START_ATTEMPTS + 1):
            if self._port is None:
                self._port = free_port(*self._preferred)
            try:
                self._launch()
            except BaseException as error:
                self.kill()
                # Another process may use the port between the search and the server's start.
                is_port_taken = isinstance(error, LocalStackError) and not is_free(self._port)
                if not is_port_taken or self._port_is_given or attempt == START_ATTEMPTS:
                    raise
                self._port = None
            else:
                self._port_is_given = True
                return

    def stop(self, seconds: float = 20) -> None:
        """Stop the server cleanly, with its data saved; kill it after `seconds`."""
        if self._process is None:
            return
        self.thaw()
        if self.is_running():
            with suppress(OSError):
                self._request_stop(self._process)
        if reap(self._process, seconds):
            self._process = None
        else:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the whole server; it can be restarted."""
        if self._process is not None:
            members = self._members()
            with suppress(OSError):
                self._process.kill()
            self._process.wait()
            kill_all(members)
            self._process = None

    def freeze(self) -> None:
        """Freeze the server's processes (SIGSTOP): it keeps its connections and does not respond."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue a frozen server (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _members(self) -> list[psutil.Process]:
        """List the descendants of the server's first process."""
        with suppress(psutil.Error):
            return psutil.Process(self.pid).children(recursive=True)
        return []

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        # The parent gets the signal first, so that it cannot fork a child after the children are listed.
        with suppress(psutil.Error):
            psutil.Process(self._process.pid).send_signal(number)
        for member in self._members():
            with suppress(psutil.Error):
                member.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
