"""A function's artifact under AWS's runtime interface client and emulator, as on Lambda.

The function can import only the artifact, the runtime's own libraries and the standard library, as on AWS.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from infra.local.processes import free_port

_EMULATORS: Final = {
    "x86_64": "aws-lambda-rie-x86_64",
    "aarch64": "aws-lambda-rie-arm64",
    "arm64": "aws-lambda-rie-arm64",
}
_START_SECONDS: Final = 30
_INVOKE_SECONDS: Final = 60


class Invocable:
    """A running function that handles events until the context ends.

    Args:
        python: An interpreter of the runtime's version.
        artifact: The function's artifact.
        build_environment: The environment of the SAM CLI, which ships the emulator, and the runtime's libraries.
        handler: The handler's name in the template.
        environment: The function's environment variables.
        log: The file for the function's output.
    """

    def __init__(
        self,
        *,
        python: Path,
        artifact: Path,
        build_environment: Path,
        handler: str,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self.log = log
        port, runtime_port = free_port(), free_port()
        self._address = ("127.0.0.1", port)
        emulator = next(
            build_environment.glob(f"lib/*/site-packages/samcli/local/rapid/{_EMULATORS[platform.machine()]}")
        )
        self._command = [
            *(str(emulator), "--log-level", "error"),
            *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
            # `-S` and `-s` exclude the interpreter's and the user's site-packages.
            *(str(python), "-S", "-s", "-B", "-m", "awslambdaric", handler),
        ]
        self._artifact = artifact
        self._environment = {
            "PATH": os.environ["PATH"],
            "TZ": ":UTC",
            "LAMBDA_TASK_ROOT": str(artifact),
            "PYTHONPATH": os.pathsep.join([str(artifact), str(build_environment / "runtime")]),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def invoke(self, event: Any) -> Any:
        """Return the function's result for an event. An error fails the test."""
        url = f"http://127.0.0.1:{self._address[1]}/2015-03-31/functions/function/invocations"
        with httpx.Client(trust_env=False, timeout=_INVOKE_SECONDS) as client:
            response = client.post(url, content=json.dumps(event))
        answer = response.json()
        is_failed = response.status_code != httpx.codes.OK or (isinstance(answer, dict) and "errorType" in answer)
        assert not is_failed, f"{answer}\n{self.log.read_text()}"
        return answer

    def __enter__(self) -> Self:
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._artifact,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection(self._address, timeout=1).close()
            except OSError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, f"not started after {_START_SECONDS} s: {self.log.read_text()}"
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        # Kill the whole process group, because the emulator does not end the runtime that it started.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
