"""LocalStack's runtime executor for machines without Docker: each execution environment is a process.

In LocalStack's image, each execution environment is a container. All other parts are LocalStack's own: API Gateway, the
event source mapping, the schedule, the function's environment, its artifact and its logs.
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, Final

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

_WORKER: Final = Path(__file__).with_name("worker.py")
_HOST: Final = "127.0.0.1"
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "NO_PROXY", "no_proxy", "TMPDIR", "PYTHONNOUSERSITE")


class ProcessExecutor(RuntimeExecutor):  # type: ignore[misc]  # LocalStack is not installed where mypy runs
    """An execution environment: one process, one invocation at a time."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 - LocalStack's name
        super().__init__(id, function_version)
        self._environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._log_path = Path(os.environ["TMPDIR"]) / f"{function_version.id.function_name}-{id}.log"

    def start(self, env_vars: dict[str, Any]) -> None:
        """Start the function, and return when its handler is imported.

        Raises:
            LambdaRuntimeException: The handler cannot be imported.
        """
        code = str(self.function_version.config.code.get_unzipped_code_location())
        self._environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._environment |= {name: str(value) for name, value in env_vars.items()}
        self._environment |= {
            "LAMBDA_TASK_ROOT": code,
            # The function must not read the user's AWS configuration.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        self._spawn()

    def _spawn(self) -> None:
        self._log = self._log_path.open("ab+")
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environment,
            cwd=self._environment["LAMBDA_TASK_ROOT"],
        )
        started = self._read(config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT)
        if started is None or "error" in started:
            self.stop()
            raise LambdaRuntimeException(f"The function could not be imported: {started}")

    def stop(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._log):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Send an event to the function and wait for its result, up to its timeout."""
        if self._process is None:
            self._spawn()
        assert self._process is not None
        assert self._process.stdin is not None
        request_id = payload["invoke-id"]
        event = {"request_id": request_id, "arn": payload["invoked-function-arn"], "event": payload["payload"]}
        log_start = self._log_path.stat().st_size
        self._process.stdin.write(json.dumps(event).encode() + b"\n")
        self._process.stdin.flush()
        timeout = self.function_version.config.timeout
        answer = self._read(timeout)
        if answer is None:
            self.stop()  # as on Lambda, the next invocation gets a new execution environment
            answer = {"error": {"errorMessage": f"{request_id} timed out after {timeout} s, or its process ended"}}
        is_error = "error" in answer
        output = self._log_path.read_bytes()[log_start:].decode(errors="replace")
        logs = f"START RequestId: {request_id}\n{output}END RequestId: {request_id}\n"
        content = json.dumps(answer["error"] if is_error else answer["answer"]).encode()
        return InvocationResult(request_id, content, is_error=is_error, logs=logs)

    def _read(self, seconds: float) -> dict[str, Any] | None:
        """Return the process's next line, or None after the end of the process or after the timeout."""
        assert self._process is not None
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else None

    def get_address(self) -> str:
        """Return the execution environment's address."""
        return _HOST

    def get_endpoint_from_executor(self) -> str:
        """Return LocalStack's address as seen from the execution environment."""
        return _HOST

    def get_runtime_endpoint(self) -> str:
        """Return the URL from which a container would fetch its events. A process does not need this URL."""
        return f"http://{_HOST}:{config.GATEWAY_LISTEN[0].port}"

    def get_logs(self) -> str:
        """Return the function's complete output."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the artifact."""
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Keep the artifact. The server deletes its whole directory when it stops."""
