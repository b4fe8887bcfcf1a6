"""LocalStack as a child process on 127.0.0.1, without Docker or downloads."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

from infra.local import PROJECT_ROOT
from infra.local.environment import INHERITED_VARIABLES, LOCAL
from infra.local.processes import kill_all, listens, spawn, wait_until
from infra.local.servers.child import ChildServer

PYTHON: Final = PROJECT_ROOT / ".venv-localstack" / "bin" / "python"
START_SECONDS: Final = 120
_LAUNCH: Final = Path(__file__).parent / "runtime" / "launch.py"
_SERVICES: Final = "apigateway,cloudformation,cloudwatch,events,iam,lambda,logs,s3,sqs,ssm,sts"
_WITHOUT_PROXY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalStackServer(ChildServer):
    """A running LocalStack. Its state is in memory and in a directory that is emptied at every start."""

    name = "LocalStack"

    @property
    def url(self) -> str:
        """Return the AWS endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name in INHERITED_VARIABLES} | {
            "HOME": str(self.data_dir),  # LocalStack's plugin discovery caches its results here
            "FILESYSTEM_ROOT": str(self.data_dir / "filesystem"),
            "TMPDIR": str(self.data_dir),
            "GATEWAY_LISTEN": f"127.0.0.1:{self.port}",
            "LOCALSTACK_HOST": f"127.0.0.1:{self.port}",
            "SQS_ENDPOINT_STRATEGY": "path",  # such queue URLs need no DNS
            "SERVICES": _SERVICES,
            "STRICT_SERVICE_LOADING": "1",
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "LAMBDA_IGNORE_ARCHITECTURE": "1",
            "LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT": "120",
            # LocalStack must use no other connections, and no Docker engine, even if an engine runs.
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
            "DNS_ADDRESS": "0",
            "OVERRIDE_IN_DOCKER": "0",
            "DOCKER_HOST": f"unix://{self.data_dir}/no-docker.sock",
            "NO_PROXY": LOCAL,
            "no_proxy": LOCAL,
            "PYTHONUNBUFFERED": "1",
            "PYTHONNOUSERSITE": "1",
            "TZ": "UTC",
        }

    def _launch(self) -> None:
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.data_dir.mkdir(parents=True)
        self._process = spawn([str(PYTHON), str(_LAUNCH)], self.log, environment=self._environment(), cwd=self.data_dir)
        wait_until(self._is_healthy, self._process, name=self.name, log=self.log, seconds=START_SECONDS)

    def _is_healthy(self) -> bool:
        if self._process is None or not listens(self._process, self.port):
            return False
        try:
            with _WITHOUT_PROXY.open(f"{self.url}/_localstack/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _request_stop(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()  # LocalStack's data is not needed after a stop

    def stop(self, seconds: float = 5) -> None:
        """Stop LocalStack and its function processes and remove its directory."""
        members = self._members() if self.is_running() else []
        super().stop(seconds)
        kill_all(members)
        shutil.rmtree(self.data_dir, ignore_errors=True)
