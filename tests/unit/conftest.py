"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from functions.agent import registry


@pytest.fixture
def restored_registry() -> Iterator[None]:
    """Remove the agents and tools that a test has registered."""
    agents, tools = dict(registry.AGENTS), dict(registry.TOOLS)
    yield
    for registered, original in ((registry.AGENTS, agents), (registry.TOOLS, tools)):
        registered.clear()
        registered.update(original)  # type: ignore[arg-type]  # each with its own kind
