"""Fixtures that import the functions as Lambda does and run them on real servers."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from infra.local.servers import ValkeyServer
from tests.support.queues import Queues

Import = Callable[[str], ModuleType]


@pytest.fixture
def load(queues: Queues, database_url: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Return an importer of functions: each import is a cold start. The fixture closes the connections afterwards."""
    for name, value in {
        "REDIS__HOST": "127.0.0.1",
        "REDIS__PORT": str(valkey.port),
        "DATABASE__URL": database_url,
        "SYNC__QUEUE_URL": queues.url,
        "SYNC__DLQ_URL": queues.dlq_url,
        "DERIVE__QUEUE_URL": queues.url,
        "DERIVE__DLQ_URL": queues.dlq_url,
        "AGENT__MODEL": "offline",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "test",
        "STAGE": "local",
    }.items():
        monkeypatch.setenv(name, value)
    loaded: list[ModuleType] = []

    def load(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        loaded.append(importlib.import_module(name))
        return loaded[-1]

    yield load
    # A cold start turns the garbage collector off and freezes the start's objects. If the start fails, the collector
    # stays off.
    gc.enable()
    gc.unfreeze()
    for module in loaded:
        _close(module)
        sys.modules.pop(module.__name__, None)
    for name in ("shared", "functions", "opentelemetry"):
        # The function has set its own log handlers. Remove them, so that pytest sees the next test's log lines.
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


def _close(module: ModuleType) -> None:
    if hasattr(module, "derivations"):
        module.archive._connection.close()
        if module.learning is not None:
            module.learning._forget_memories.__self__._connection.close()
        return
    archive = module.operations._memory.archive if hasattr(module, "operations") else module.sweep._archive
    archive._connection.close()
    cache = module.operations._memory.cache if hasattr(module, "operations") else module.sweep._cache
    cache._connection.close()
    if hasattr(module, "loop"):
        module.loop.close()
        asyncio.set_event_loop(None)
