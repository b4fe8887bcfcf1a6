"""doc."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from infra.local.servers import ValkeyServer
from tests.model.machine import MemoryMachine
from tests.model.world import World


@pytest.fixture
def world(valkey: ValkeyServer, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The system under test."""
    monkeypatch.setattr("shared.memory.turn._MOST_DRAIN_SECONDS", -1.0)
    made = World(valkey, database_url)
    yield made
    made.close()


def test_machine(world: World) -> None:
    """Machine."""
    run_state_machine_as_test(
        lambda: MemoryMachine(world),
        settings=settings(
            max_examples=int(os.environ.get("N", "20")),
            stateful_step_count=int(os.environ.get("S", "50")),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            derandomize=bool(os.environ.get("D")),
        ),
    )
    print(MemoryMachine.steps)
