"""A deployment adds its own agents and tools. Plain functions run in worker threads, coroutines on the event loop."""

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
from functions.agent.agents.tool_calls import to_library_tool
from functions.agent.registry import AgentDefinition
from functions.agent.tools import ToolContext
from shared.errors import SettingsError
from shared.memory.search.results import SearchAnswer
from shared.settings import AgentSettings
from tests.support.offline_answers import used_tool
from tests.support.searches import found

pytestmark = pytest.mark.usefixtures("restored_registry")


class Search:
    """A search that records the thread that calls it."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def __call__(self, *_: Any, **__: Any) -> SearchAnswer:
        """Find nothing."""
        self.threads.append(threading.get_ident())
        return found()


def _run(runner: AgentRunner, agent: str, tools: list[str]) -> str:
    return asyncio.run(
        runner.run(agent_name=agent, tools=tools, instructions="", prompt="?", thread_id=None, user_id="ada")
    )


def _call_tools(monkeypatch: pytest.MonkeyPatch, **arguments: dict[str, str]) -> None:
    """Make the offline model call these tools."""
    tool_arguments = {name: lambda _, value=value: value for name, value in arguments.items()}
    monkeypatch.setattr("functions.agent.agents.offline._TOOL_ARGUMENTS", tool_arguments)


def test_the_example_has_an_agent_with_two_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's agent has both tools, a plain function and a coroutine. The example may be loaded twice."""
    _call_tools(monkeypatch, opening_hours={"day": "Monday"}, stock={"article": "tea"})
    settings = AgentSettings(model="offline", plugins=" examples.plugin ,")
    for _ in range(2):
        answer = _run(AgentRunner(settings, Search()), "clerk", [])
        assert "The shop is open from 9 to 17 on Monday, also for ada." in answer
        assert "There are 3 of tea." in answer


def test_only_plain_functions_run_in_worker_threads(monkeypatch: pytest.MonkeyPatch) -> None:
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
    _call_tools(monkeypatch, plain={}, coroutine={})
    search, loop_thread = Search(), threading.get_ident()
    answer = _run(AgentRunner(AgentSettings(model="offline"), search), "assistant", ["plain", "coroutine"])
    assert used_tool("plain", "done") in answer
    assert threads["coroutine"] == loop_thread != threads["plain"]
    assert search.threads == [loop_thread, loop_thread]


def test_a_blocking_tool_does_not_block_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain function that waits does not block the event loop."""
    gate = threading.Event()

    def wait_for_gate(_: ToolContext) -> str:
        """Wait for the gate."""
        return "open" if gate.wait(20) else "closed"

    registry.add_tool(wait_for_gate)
    _call_tools(monkeypatch, wait_for_gate={})

    async def open_gate_during_run() -> str:
        runner = AgentRunner(AgentSettings(model="offline"), Search())
        running = asyncio.create_task(
            runner.run(
                agent_name="assistant",
                tools=["wait_for_gate"],
                instructions="",
                prompt="?",
                thread_id=None,
                user_id="ada",
            )
        )
        asyncio.get_running_loop().call_later(0.05, gate.set)
        return await running

    assert used_tool("wait_for_gate", "open") in asyncio.run(open_gate_during_run())


def _add_duplicate_tool() -> None:
    def current_time(_: ToolContext) -> str:
        return ""

    registry.add_tool(current_time)


@pytest.mark.parametrize(
    ("register", "expected"),
    [
        (None, "cannot be used: AttributeError"),
        (_add_duplicate_tool, "there are two tools current_time"),
        (lambda: registry.add_agent(AgentDefinition("assistant", "Other")), "there are two agents assistant"),
        (
            lambda: registry.add_agent(AgentDefinition("clerk", tools=("none",))),
            "clerk' has no such tool: none",
        ),
    ],
)
def test_an_invalid_plugin_stops_the_start(register: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that cannot work stops the start with a message that names the variable."""
    module = ModuleType("test_plugin")
    if register:
        module.__dict__["register"] = register
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(SettingsError, match=f"^AGENT__PLUGINS.*{expected}"):
        AgentRunner(AgentSettings(plugins=module.__name__), Search())


@pytest.mark.parametrize("name", ["no_such_module", "..", "examples.none"])
def test_a_missing_plugin_is_reported(name: str) -> None:
    """If a plugin is missing, the message reports the misspelt or invalid module name."""
    with pytest.raises(SettingsError, match=r"^AGENT__PLUGINS names .*, which cannot be used: "):
        AgentRunner(AgentSettings(plugins=name), Search())


def test_the_documentation_names_the_example() -> None:
    """The recipe names the example's file and its setting."""
    page = (Path(__file__).parents[2] / "docs" / "recipes" / "your-own-tools.md").read_text()
    assert "(../../examples/plugin.py)" in page
    assert "AGENT__PLUGINS=examples.plugin make run" in page


def _failing_function(error: BaseException) -> Any:
    def fails(_: ToolContext) -> str:
        """Fail."""
        raise error

    return fails


def _failing_coroutine(error: BaseException) -> Any:
    async def fails(_: ToolContext) -> str:
        """Fail."""
        raise error

    return fails


_ERRORS = [ValueError("secret"), TimeoutError("secret"), SystemExit("secret"), asyncio.CancelledError("secret")]


@pytest.mark.parametrize(
    "tool", [*map(_failing_function, [*_ERRORS, StopIteration("secret")]), *map(_failing_coroutine, _ERRORS)]
)
def test_the_reason_of_a_failed_tool_is_only_logged(
    tool: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If a tool fails, the model does not get the reason. The log has the reason, and the user gets an answer."""
    registry.add_tool(tool)
    _call_tools(monkeypatch, fails={})
    monkeypatch.setattr(logging.getLogger("functions"), "propagate", True)
    answer = _run(AgentRunner(AgentSettings(model="offline"), Search()), "assistant", ["fails"])
    assert "The tool fails failed: " in answer
    assert "secret" not in answer
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("result", "expected"),
    [(7, "7"), (None, "null"), ({"a": ["\u00fc"]}, '{"a": ["\u00fc"]}'), ("lone \ud800", "lone ?"), (b"x", "b'x'")],
)
def test_a_result_other_than_text_becomes_text(result: object, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool's result that is not text becomes JSON, without characters that a request cannot contain."""

    def return_result(_: ToolContext) -> Any:
        """Return the result."""
        return result

    registry.add_tool(return_result)
    _call_tools(monkeypatch, return_result={})
    assert used_tool("return_result", expected) in _run(
        AgentRunner(AgentSettings(model="offline"), Search()), "assistant", ["return_result"]
    ).replace('"b', "b")


def test_a_returned_coroutine_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a plain function returns a coroutine, the runner awaits the coroutine on the event loop.

    The coroutine can search there.
    """

    async def search_later(context: ToolContext) -> str:
        context.search("ada", "tea", limit=1, exclude_thread=None)
        return "found"

    def return_coroutine(context: ToolContext) -> Any:
        """Return a coroutine."""
        return search_later(context)

    registry.add_tool(return_coroutine)
    _call_tools(monkeypatch, return_coroutine={})
    search = Search()
    assert used_tool("return_coroutine", "found") in _run(
        AgentRunner(AgentSettings(model="offline"), search), "assistant", ["return_coroutine"]
    )
    assert search.threads == [threading.get_ident()]


def test_the_runs_timeout_ends_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the time for the answer ends while a tool runs, the run times out. The tool does not count as failed."""

    async def wait_forever(_: ToolContext) -> str:
        """Wait."""
        await asyncio.Event().wait()
        return ""

    registry.add_tool(wait_forever)
    _call_tools(monkeypatch, wait_forever={})
    with pytest.raises(AgentTimeoutError):
        _run(AgentRunner(AgentSettings(model="offline", timeout_seconds=0.5), Search()), "assistant", ["wait_forever"])


class _Callable:
    __name__ = "callable"

    async def __call__(self, _: ToolContext) -> str:
        return ""


def _generator(_: ToolContext) -> Iterator[str]:
    yield ""


def _no_context(*, day: str) -> str:
    return day


async def _async_generator(_: ToolContext) -> Any:
    yield ""


def _unsupported_parameter(_: ToolContext, search: Search) -> str:
    return repr(search)


def _unknown_parameter_type(_: ToolContext, value: UnknownType) -> str:  # type: ignore[name-defined]  # noqa: F821
    return repr(value)


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (_generator, "must return its result"),
        (_async_generator, "must return its result"),
        (_Callable(), "must be a function"),
        (functools.partial(_generator), "must be a function"),
        ("current_time", "must be a function"),
        (lambda _: "", "a tool's name"),
        (len, "must be a function"),
        (_no_context, "must be a ToolContext"),
        (_unsupported_parameter, "a parameter that no model can pass: .*Search"),
        (_unknown_parameter_type, "a parameter that no model can pass: .*UnknownType"),
    ],
)
def test_an_invalid_tool_is_refused(tool: Any, expected: str) -> None:
    """The registry refuses an invalid tool at the start, when the tool is added."""
    with pytest.raises(ValueError, match=expected):
        registry.add_tool(tool)


def test_a_coroutine_is_refused_as_register(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start refuses a coroutine as `register`, because nothing would await the coroutine."""

    async def register() -> None:
        registry.add_agent(AgentDefinition("clerk"))

    _assert_refused(register, "plain function", monkeypatch)


def test_an_exit_of_register_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """If `register` exits, the start ends with a message."""
    _assert_refused(lambda: sys.exit(3), "SystemExit: 3", monkeypatch)


def _assert_refused(register: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("test_plugin")
    module.__dict__["register"] = register
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(SettingsError, match=f"^AGENT__PLUGINS.*{expected}"):
        AgentRunner(AgentSettings(model="offline", plugins=module.__name__), Search())


def _unknown_return_type(_: ToolContext, number: int) -> UnknownType:  # type: ignore[name-defined]  # noqa: F821
    return number


def test_a_return_annotation_does_not_matter() -> None:
    """The annotation of a tool's return value has no effect, because the model always gets text.

    The annotated name may exist for type checks only.
    """
    registry.add_tool(_unknown_return_type)
    adapted = to_library_tool("_unknown_return_type")
    assert list(adapted.function_schema.json_schema["properties"]) == ["number"]
