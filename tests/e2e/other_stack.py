"""Runs a second stack with its own settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.client import StackProcess
from tests.e2e.deployment import from_stack
from tests.e2e.memory_api import MemoryApi
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers


@dataclass(frozen=True)
class OtherStack:
    """A running stack with its clients."""

    process: StackProcess
    api: MemoryApi
    layers: Layers
    servers: Servers


@contextmanager
def running(state_dir: Path, settings: dict[str, str]) -> Iterator[OtherStack]:
    """Run a stack in a state directory, with settings in its environment."""
    with StackProcess(state_dir, env=settings) as process:
        deployment = from_stack(process.info)
        api = MemoryApi(deployment.api_url)
        try:
            yield OtherStack(process, api, Layers(deployment.redis_url, deployment.database_url), Servers(process))
        finally:
            api.http.close()
