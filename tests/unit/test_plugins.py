"""Agents and tools of a deployment's own, and where tools run."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from functions.agent import registry
from functions.agent.registry import AgentDefinition
from functions.agent.runner import AgentRunner
from functions.agent.tools import ToolContext
from shared.errors import SettingsError
from shared.settings import AgentSettings


class Search:
    """A search that notes its thread."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        """Find nothing."""
        self.threads.append(threading.get_ident())
        return []


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    agents, tools = dict(registry.AGENTS), dict(registry.TOOLS)
    yield
    for held, before in ((registry.AGENTS, agents), (registry.TOOLS, tools)):
        held.clear()
        held.update(before)  # type: ignore[arg-type]  # each with its own kind


def _run(runner: AgentRunner, agent: str, tools: list[str]) -> str:
    return asyncio.run(
        runner.run(agent_name=agent, tools=tools, instructions="", prompt="?", thread_id=None, user_id="ada")
    )


def _calls(monkeypatch: pytest.MonkeyPatch, **arguments: dict[str, str]) -> None:
    """Let the offline model call these tools."""
    when = {name: lambda _, given=given: given for name, given in arguments.items()}
    monkeypatch.setattr("functions.agent.offline._WHEN", when)


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its agent has its tools, a plain one and a coroutine; it may be loaded twice."""
    _calls(monkeypatch, opening_hours={"day": "Monday"}, stock={"article": "tea"})
    settings = AgentSettings(model="offline", plugins=" examples.plugin ,")
    for _ in range(2):
        answer = _run(AgentRunner(settings, Search()), "clerk", [])
        assert "The shop is open from 9 to 17 on Monday, also for ada." in answer
        assert "There are 3 of tea." in answer


def test_where_tools_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain function in another thread, its search and a coroutine on the event loop's."""
    threads: dict[str, int] = {}

    def plain(context: ToolContext) -> str:
        """Note the thread."""
        threads["plain"] = threading.get_ident()
        context.search("ada", "tea", limit=1, exclude_thread=None)
        return "done"

    async def coroutine(context: ToolContext) -> str:
        """Note the thread."""
        threads["coroutine"] = threading.get_ident()
        context.search("ada", "tea", limit=1, exclude_thread=None)
        return "done"

    registry.add_tool(plain)
    registry.add_tool(coroutine)
    _calls(monkeypatch, plain={}, coroutine={})
    search, here = Search(), threading.get_ident()
    answer = _run(AgentRunner(AgentSettings(model="offline"), search), "assistant", ["plain", "coroutine"])
    assert "plain answered: done" in answer
    assert threads["coroutine"] == here != threads["plain"]
    assert search.threads == [here, here]


def test_a_tool_that_blocks_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else the loop has to do is done while the tool waits for it."""
    gate = threading.Event()

    def waits(_: ToolContext) -> str:
        """Wait."""
        return "opened" if gate.wait(20) else "shut"

    registry.add_tool(waits)
    _calls(monkeypatch, waits={})

    async def both() -> str:
        runner = AgentRunner(AgentSettings(model="offline"), Search())
        running = asyncio.create_task(
            runner.run(
                agent_name="assistant", tools=["waits"], instructions="", prompt="?", thread_id=None, user_id="ada"
            )
        )
        asyncio.get_running_loop().call_later(0.05, gate.set)
        return await running

    assert "waits answered: opened" in asyncio.run(both())


def _two_tools() -> None:
    def current_time(_: ToolContext) -> str:
        return ""

    registry.add_tool(current_time)


@pytest.mark.parametrize(
    ("register", "told"),
    [
        (None, "cannot be used: AttributeError"),
        (_two_tools, "there are two tools current_time"),
        (lambda: registry.add_agent(AgentDefinition("assistant", "Other")), "there are two agents assistant"),
        (
            lambda: registry.add_agent(AgentDefinition("clerk", tools=("none",))),
            "clerk' has no such tool: none",
        ),
    ],
)
def test_a_plugin_that_cannot_work(register: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start ends with a sentence that names the variable."""
    module = ModuleType("made_for_the_test")
    if register:
        module.__dict__["register"] = register
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(SettingsError, match=f"^AGENT__PLUGINS.*{told}"):
        AgentRunner(AgentSettings(plugins=module.__name__), Search())


@pytest.mark.parametrize("name", ["no_such_module", "..", "examples.none"])
def test_a_plugin_that_is_not_there(name: str) -> None:
    """Neither a typing error nor what is no module's name passes in silence."""
    with pytest.raises(SettingsError, match=r"^AGENT__PLUGINS names .*, which cannot be used: "):
        AgentRunner(AgentSettings(plugins=name), Search())


def test_the_example_is_the_documented_one() -> None:
    """The page names the file and the setting."""
    page = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text()
    assert "(../examples/plugin.py)" in page
    assert "`AGENT__PLUGINS=my_package.my_module`" in page
