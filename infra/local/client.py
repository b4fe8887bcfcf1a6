"""A stack in a separate process, for end-to-end tests."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infra.local import PROJECT_ROOT, LocalStackError

START_SECONDS = 120
STOP_SECONDS = 40
TAIL_LINES = 40


class StackProcess:
    """Runs `python -m infra.local run` in `state_dir`, with `env` added to the environment."""

    def __init__(self, state_dir: Path, env: dict[str, str] | None = None) -> None:
        self.state_dir = Path(state_dir).resolve()
        self.log = self.state_dir / "run.log"
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def info(self) -> dict[str, Any]:
        """The current content of `stack.json`; raises FileNotFoundError if no stack runs."""
        return dict(json.loads((self.state_dir / "stack.json").read_text()))

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self._process is None:
            raise LocalStackError("The stack is not running.")
        return self._process.pid

    def output(self, lines: int = TAIL_LINES) -> str:
        """Return the supervisor's last lines of output."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def start(self) -> None:
        """Start the stack and return when `stack.json` exists.

        Raises:
            LocalStackError: The stack ended or took too long; the message contains the end of its output.
        """
        self.state_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "infra.local", "run", "--state-dir", str(self.state_dir), "--with-parent"],
                cwd=PROJECT_ROOT,
                env={**os.environ, **(self._env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_up():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._end()
                raise LocalStackError(f"The stack did not start:\n{self.output()}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Stop the stack with SIGTERM and return its exit code.

        Raises:
            LocalStackError: The stack did not end in time, or its exit code was not 0; the message contains the end of
                its output.
        """
        code = self._end()
        if code != 0:
            raise LocalStackError(f"The stack ended with {code}:\n{self.output()}")
        return code

    def _is_up(self) -> bool:
        try:
            return bool(self.info["pids"]["supervisor"] == self.pid)
        except (OSError, ValueError, KeyError):
            return False

    def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # its servers end with it
            process.wait()
            return -1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self._end()  # the test's own failure is more important
