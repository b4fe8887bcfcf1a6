"""A running Docker engine, or an engine that the tests start if dockerd is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 30


class NoEngineError(Exception):
    """No engine runs, and none can be started."""


class Engine:
    """A running engine.

    Args:
        directory: The data directory of an engine that the tests start.

    Attributes:
        docker: The docker command for this engine.
        host: The value of DOCKER_HOST, or '' for the default.

    Raises:
        NoEngineError: There is no engine. The message has the reason.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.host = os.environ.get("DOCKER_HOST", "")
        self.docker = ["docker"]

    def __enter__(self) -> Self:
        if sys.platform != "linux":
            raise NoEngineError("the image contains this machine's programs, which must be Linux programs")
        if not shutil.which("docker"):
            raise NoEngineError("the docker command was not found: install Docker")
        if self._responds():
            return self
        if not shutil.which("dockerd") or os.geteuid() != 0:
            raise NoEngineError("no Docker engine runs, and dockerd is not installed or needs root to start")
        self._start()
        return self

    def _start(self) -> None:
        self.host = f"unix://{self._directory}/docker.sock"
        self.docker = ["docker", "--host", self.host]
        log = self._directory / "dockerd.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *("dockerd", "--host", self.host, "--pidfile", str(self._directory / "dockerd.pid")),
                    *("--data-root", str(self._directory / "data"), "--exec-root", str(self._directory / "exec")),
                    # Without iptables, the engine's proxy publishes ports, and containers can reach only this machine.
                    "--iptables=false",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._responds():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._stop()
                raise NoEngineError(f"dockerd did not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)

    def _responds(self) -> bool:
        return subprocess.run([*self.docker, "info"], check=False, capture_output=True).returncode == 0

    @contextmanager
    def network(self, name: str) -> Iterator[str]:
        """Create a network, and yield this machine's address in the network."""
        self.run("network", "create", name)
        try:
            yield self.run("network", "inspect", name, "--format", "{{(index .IPAM.Config 0).Gateway}}").strip()
        finally:
            self.run("network", "rm", name)

    def run(self, *arguments: str, data: bytes | None = None) -> str:
        """Return a docker command's output."""
        process = subprocess.run([*self.docker, *arguments], input=data, check=False, capture_output=True)
        assert process.returncode == 0, f"docker {' '.join(arguments)}: {process.stderr.decode()}"
        return process.stdout.decode()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
