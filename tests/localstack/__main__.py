"""A run of tests/e2e on PostgreSQL, Valkey and LocalStack, deployed as by docker-compose.yml.

Usage: python -m tests.localstack [pytest's own arguments]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.local import PROJECT_ROOT
from infra.local.environment import ACCESS_KEY, LOCAL, REGION, SETTING_PREFIXES
from infra.local.servers import PostgresServer, ValkeyServer
from tests.localstack.server import LocalStackServer


def main(arguments: list[str]) -> int:
    """Deploy, run the tests, and return the exit code of the first command that fails, or 0."""
    with (
        tempfile.TemporaryDirectory(prefix="hybrid-memory-localstack-") as directory,
        PostgresServer(Path(directory) / "postgres") as postgres,
        ValkeyServer(Path(directory) / "valkey") as valkey,
        LocalStackServer(Path(directory) / "localstack") as localstack,
    ):
        # The tests expect default settings, so the environment must not contain the user's settings.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
        environment = inherited | {
            # The deployment calls make and uv by name.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": localstack.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "REDIS__HOST": "127.0.0.1",
            "REDIS__PORT": str(valkey.port),
            "DATABASE__URL": postgres.url,
            "NO_PROXY": LOCAL,
            "no_proxy": LOCAL,
        }
        for command in (["-m", "infra.local.compose.deploy"], ["-m", "pytest", "tests/e2e", *arguments]):
            code = subprocess.run([sys.executable, *command], cwd=PROJECT_ROOT, env=environment, check=False).returncode
            if code:
                sys.stderr.write(localstack.log.read_text(errors="replace")[-20_000:])
                return code
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
