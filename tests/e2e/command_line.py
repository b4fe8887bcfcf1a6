"""Runs the installed command against the deployment under test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.e2e.deployment import Deployment

SCRIPT: Final = Path(sys.executable).with_name("hybrid-memory")
_SETTINGS: Final = ("SYNC__", "REDIS__", "DATABASE__", "HYBRID_MEMORY_", "AWS_ENDPOINT_URL", "COLUMNS", "LINES")
CompletedCommand = subprocess.CompletedProcess[str]


class CommandLine:
    """Runs `hybrid-memory` in a directory without a stack, so that only the options name the deployment."""

    def __init__(self, deployment: Deployment, directory: Path) -> None:
        self._directory = directory
        self.api_url = deployment.api_url
        self._options = [
            f"--api-url={deployment.api_url}",
            f"--endpoint-url={deployment.endpoint_url}",
            f"--queue-url={deployment.queue_url}",
            f"--dlq-url={deployment.dlq_url}",
            f"--redis-url={deployment.redis_url}",
            f"--database-url={deployment.database_url}",
        ]

    def command(self, *words: str) -> list[str]:
        """Return the command with the options that name the deployment."""
        return [str(SCRIPT), *self._options, *words]

    def environment(self, **settings: str) -> dict[str, str]:
        """Return an environment that names no deployment."""
        own_variables = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        region = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        return {**own_variables, **region, **settings}

    def run(
        self, *words: str, code: int | None = 0, command: Sequence[str] | None = None, **environment: str
    ) -> CompletedCommand:
        """Run a command and check its exit code. None accepts any exit code."""
        completed = subprocess.run(
            command or self.command(*words),
            cwd=self._directory,
            env=self.environment(**environment),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert code in (None, completed.returncode), (
            f"{words}: {completed.returncode}\n{completed.stdout[-2000:]}\n{completed.stderr[-2000:]}"
        )
        assert "Traceback" not in completed.stderr
        return completed

    def json(self, *words: str, code: int | None = 0) -> Any:
        """Run a command with `--json` and return its output."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def lines(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """Run an export and return its lines."""
        return [json.loads(line) for line in self.run(*words, code=code).stdout.splitlines()]
