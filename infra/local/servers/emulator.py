"""The AWS emulator as a child process; its function workers and their directories end with it."""

import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from infra.local.environment import emulator_environment
from infra.local.processes import kill_all, leftovers, listens, spawn, wait_until
from infra.local.servers.child import ChildServer

SCRIPT = Path(__file__).parents[1] / "aws_emulator.py"
START_SECONDS = 30
QUEUE_STOP_FILE = "queue-stopped"
"""A file in the data directory. Until the Unix time in it, SQS refuses messages and delivers none."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmulatorServer(ChildServer):
    """ministack on 127.0.0.1. Its state is in memory and in a directory that is emptied at every start."""

    name = "The AWS emulator"

    def __init__(self, data_dir: Path, settings: Mapping[str, str], *, preferred: tuple[int | None, ...] = ()) -> None:
        super().__init__(data_dir, preferred=preferred)
        self._settings = settings
        self.function_log = self.data_dir.with_name("functions.log")

    @property
    def url(self) -> str:
        """The AWS endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def _launch(self) -> None:
        kill_all(leftovers(self.data_dir))
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = emulator_environment(
            self._settings, port=self.port, temporary=self.data_dir, log=self.function_log
        )
        environment["QUEUE_STOP_FILE"] = str(self.data_dir / QUEUE_STOP_FILE)
        # With -P, the script's own directory is not on the import path.
        program = [sys.executable, "-P", str(SCRIPT)]
        self._process = spawn(program, self.log, environment=environment, cwd=self.data_dir)
        wait_until(self._responds, self._process, name=self.name, log=self.log, seconds=START_SECONDS)

    def _responds(self) -> bool:
        if self._process is None or not listens(self._process, self.port):
            return False
        try:
            with _DIRECT.open(f"{self.url}/_ministack/health", timeout=5) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's status code
        except OSError:
            return False

    def _request_stop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()  # the emulator has no data to save, and its clean shutdown waits for every connection

    def stop(self, seconds: float = 5) -> None:
        """Stop the emulator and its workers and remove their directories."""
        members = self._members() if self.is_running() else []
        super().stop(seconds)
        kill_all([*members, *leftovers(self.data_dir)])
        shutil.rmtree(self.data_dir, ignore_errors=True)
