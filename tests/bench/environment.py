"""Sets the cores of a benchmark and the agent function's environment variables."""

from __future__ import annotations

import os
import sys

from infra.local.environment import ignore_user_configuration

_SETTINGS = ("REDIS__", "MEMORY__", "AGENT__", "AUTH__", "DATABASE__", "SYNC__", "SEARCH__")


def separate_cores(*servers: int) -> None:
    """Assign one core to this process and the others to the servers.

    Waking a sleeping core takes longer than a small reply. Without pinning, the time of bare servers varies fourfold
    between runs. With one core, or on a system without pinning, this function does nothing.
    """
    if sys.platform != "linux":
        return
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(0, {first})
        for server in servers:
            os.sched_setaffinity(server, others)


def pin_to_one_core() -> None:
    """Pin this process and all servers that it starts to the last core."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def configure(redis_port: int, database_url: str) -> None:
    """Set the agent function's environment. The queue's client needs a URL, which no benchmark calls."""
    ignore_user_configuration()
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        del os.environ[name]
    os.environ.update(
        REDIS__HOST="127.0.0.1",
        REDIS__PORT=str(redis_port),
        DATABASE__URL=database_url,
        SYNC__QUEUE_URL="http://127.0.0.1:9/000000000000/none",
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        POWERTOOLS_SERVICE_NAME="agent",
    )
