"""A deployment adds its own agents and tools, and the tools run in certain threads."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from functions.agent import registry
from functions.agent.agents.runner import AgentRunner, AgentTimeoutError
from functions.agent.agents.tool_calls import adapt
from functions.agent.registry import AgentDefinition
from functions.agent.tools import ToolContext
from shared.errors import SettingsError
from shared.settings import AgentSettings


class Search:
    """A search that records the thread that calls it."""

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
    """Make the offline model call these tools."""
    when = {name: lambda _, given=given: given for name, given in arguments.items()}
    monkeypatch.setattr("functions.agent.agents.offline._WHEN", when)


def test_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's agent has both tools, a plain function and a coroutine. The example may be loaded twice."""
    _calls(monkeypatch, opening_hours={"day": "Monday"}, stock={"article": "tea"})
    settings = AgentSettings(model="offline", plugins=" examples.plugin ,")
    for _ in range(2):
        answer = _run(AgentRunner(settings, Search()), "clerk", [])
        assert "The shop is open from 9 to 17 on Monday, also for ada." in answer
        assert "There are 3 of tea." in answer


def test_where_tools_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain function runs in a worker thread. A coroutine and all searches run on the event loop's thread."""
    threads: dict[str, int] = {}

    def plain(context: ToolContext) -> str:
        """Record the thread."""
        threads["plain"] = threading.get_ident()
        context.search("ada", "tea", limit=1, exclude_thread=None)
        return "done"

    async def coroutine(context: ToolContext) -> str:
        """Record the thread."""
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
    """A plain function that waits does not block the event loop."""
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
    ("register", "reply"),
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
def test_a_plugin_that_cannot_work(register: Any, reply: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that cannot work stops the start with a message that names the variable."""
    module = ModuleType("made_for_the_test")
    if register:
        module.__dict__["register"] = register
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(SettingsError, match=f"^AGENT__PLUGINS.*{reply}"):
        AgentRunner(AgentSettings(plugins=module.__name__), Search())


@pytest.mark.parametrize("name", ["no_such_module", "..", "examples.none"])
def test_a_missing_plugin(name: str) -> None:
    """If a plugin is missing, the message reports the misspelt or invalid module name."""
    with pytest.raises(SettingsError, match=r"^AGENT__PLUGINS names .*, which cannot be used: "):
        AgentRunner(AgentSettings(plugins=name), Search())


def test_the_example_is_the_documented_one() -> None:
    """The page about adapters names the example's file and its setting."""
    page = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text()
    assert "(../examples/plugin.py)" in page
    assert "`AGENT__PLUGINS=my_package.my_module`" in page


def _fails(error: BaseException) -> Any:
    def fails(_: ToolContext) -> str:
        """Fail."""
        raise error

    return fails


def _fails_later(error: BaseException) -> Any:
    async def fails(_: ToolContext) -> str:
        """Fail."""
        raise error

    return fails


_ERRORS = [ValueError("secret"), TimeoutError("secret"), SystemExit("secret"), asyncio.CancelledError("secret")]


@pytest.mark.parametrize("made", [*map(_fails, [*_ERRORS, StopIteration("secret")]), *map(_fails_later, _ERRORS)])
def test_a_tool_that_fails(made: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """If a tool fails, the model does not get the reason. The log has the reason, and the user gets an answer."""
    registry.add_tool(made)
    _calls(monkeypatch, fails={})
    monkeypatch.setattr(logging.getLogger("functions"), "propagate", True)
    answer = _run(AgentRunner(AgentSettings(model="offline"), Search()), "assistant", ["fails"])
    assert "The tool fails failed: " in answer
    assert "secret" not in answer
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("result", "reply"),
    [(7, "7"), (None, "null"), ({"a": ["\u00fc"]}, '{"a": ["\u00fc"]}'), ("lone \ud800", "lone ?"), (b"x", "b'x'")],
)
def test_a_result_other_than_text_becomes_text(result: object, reply: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool's result that is not text becomes JSON, without characters that a request cannot contain."""

    def returns(_: ToolContext) -> Any:
        """Return it."""
        return result

    registry.add_tool(returns)
    _calls(monkeypatch, returns={})
    assert f"returns answered: {reply}" in _run(
        AgentRunner(AgentSettings(model="offline"), Search()), "assistant", ["returns"]
    ).replace('"b', "b")


def test_a_plain_function_that_returns_a_coroutine(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a plain function returns a coroutine, the runner awaits the coroutine on the event loop.

    The coroutine can search there.
    """

    async def later(context: ToolContext) -> str:
        context.search("ada", "tea", limit=1, exclude_thread=None)
        return "found"

    def wrapped(context: ToolContext) -> Any:
        """Do it later."""
        return later(context)

    registry.add_tool(wrapped)
    _calls(monkeypatch, wrapped={})
    search = Search()
    assert "wrapped answered: found" in _run(
        AgentRunner(AgentSettings(model="offline"), search), "assistant", ["wrapped"]
    )
    assert search.threads == [threading.get_ident()]


def test_the_time_for_the_answer_ends_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the time for the answer ends while a tool runs, the run times out. The tool does not count as failed."""

    async def waits(_: ToolContext) -> str:
        """Wait."""
        await asyncio.Event().wait()
        return ""

    registry.add_tool(waits)
    _calls(monkeypatch, waits={})
    with pytest.raises(AgentTimeoutError):
        _run(AgentRunner(AgentSettings(model="offline", timeout_seconds=0.5), Search()), "assistant", ["waits"])


class _Callable:
    __name__ = "callable"

    async def __call__(self, _: ToolContext) -> str:
        return ""


def _yields(_: ToolContext) -> Iterator[str]:
    yield ""


def _no_context(*, day: str) -> str:
    return day


async def _yields_later(_: ToolContext) -> Any:
    yield ""


def _takes_no_json(_: ToolContext, search: Search) -> str:
    return repr(search)


def _takes_what_is_not_there(_: ToolContext, thing: NotThere) -> str:  # type: ignore[name-defined]  # noqa: F821
    return repr(thing)


@pytest.mark.parametrize(
    ("tool", "reply"),
    [
        (_yields, "has to return it"),
        (_yields_later, "has to return it"),
        (_Callable(), "has to be a function"),
        (functools.partial(_yields), "has to be a function"),
        ("current_time", "has to be a function"),
        (lambda _: "", "a tool's name"),
        (len, "has to be a function"),
        (_no_context, "ToolContext first"),
        (_takes_no_json, "a parameter that no model can pass: .*Search"),
        (_takes_what_is_not_there, "a parameter that no model can pass: .*NotThere"),
    ],
)
def test_invalid_tools(tool: Any, reply: str) -> None:
    """The registry refuses an invalid tool at the start, when the tool is added."""
    with pytest.raises(ValueError, match=reply):
        registry.add_tool(tool)


def test_a_register_that_is_a_coroutine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start refuses a coroutine as `register`, because nothing would await the coroutine."""

    async def register() -> None:
        registry.add_agent(AgentDefinition("clerk"))

    _is_refused(register, "plain function", monkeypatch)


def test_a_register_that_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    """If `register` exits, the start ends with a message."""
    _is_refused(lambda: sys.exit(3), "SystemExit: 3", monkeypatch)


def _is_refused(register: Any, reply: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("made_for_the_test")
    module.__dict__["register"] = register
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(SettingsError, match=f"^AGENT__PLUGINS.*{reply}"):
        AgentRunner(AgentSettings(model="offline", plugins=module.__name__), Search())


def _returns_what_is_not_there(_: ToolContext, number: int) -> NotThere:  # type: ignore[name-defined]  # noqa: F821
    return number


def test_a_return_annotation_does_not_matter() -> None:
    """The annotation of a tool's return value has no effect, because the model always gets text.

    The annotated name may exist for type checks only.
    """
    registry.add_tool(_returns_what_is_not_there)
    adapted = adapt("_returns_what_is_not_there")
    assert list(adapted.function_schema.json_schema["properties"]) == ["number"]
