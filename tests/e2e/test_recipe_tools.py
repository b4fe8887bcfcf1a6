"""The stack of `make run` answers with an agent of the recipe's module."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.memory_api import MemoryApi


@pytest.mark.embedded("which start and stop other stacks")
def test_the_stack_loads_the_module_of_the_recipe(tmp_path: Path) -> None:
    """A request names the agent and the tools of the module. An unknown agent is refused with the known names."""
    settings = {**DEFAULT_SETTINGS, "AGENT__PLUGINS": "examples.plugin", "AGENT__ENTRY_POINTS": "false"}
    with StackProcess(tmp_path / "state", env=settings) as stack:
        api = MemoryApi(stack.info["api_url"])
        answer = api.run("Are you open on Monday?", agent_name="clerk", thread_id="shop", user_id="ada")
        assert "Are you open on Monday?" in answer["response"]
        assert api.run("Hi", tools=["opening_hours", "stock"])["response"]
        refused = api.send("POST", "/run", json={"prompt": "Hi", "agent_name": "courier"})
        assert refused.status_code == 422
        assert "clerk" in refused.text
        api.http.close()
