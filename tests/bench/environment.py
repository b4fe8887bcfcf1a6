"""Where a benchmark runs: the cores, and the environment that the agent function reads."""

from __future__ import annotations

import os
import sys

from infra.local.environment import isolate

_SETTINGS = ("REDIS__", "MEMORY__", "AGENT__", "AUTH__", "DATABASE__", "SYNC__", "SEARCH__")


def separate_cores(*servers: int) -> None:
    """Give this process a core and the servers the others: waking a sleeping core costs more than a small answer.

    Left to the scheduler, the floor is four times higher or lower from run to run. Does nothing where there is one
    core, or no way to say so.
    """
    if sys.platform != "linux":
        return
    first, *others = sorted(os.sched_getaffinity(0))
    if others:
        os.sched_setaffinity(0, {first})
        for server in servers:
            os.sched_setaffinity(server, others)


def pin_to_one_core() -> None:
    """Keep this process, and every server that it starts from now on, on the last core."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def configure(redis_port: int, database_url: str) -> None:
    """Set what the agent function reads; the client of the queue needs a URL, and no test reaches that one."""
    isolate()
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
