"""The runner works with the offline model: names, memory, tools and timeouts."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.agent import registry
from functions.agent.agents import pydantic_ai_engine as engine
from functions.agent.agents.runner import (
    AgentRunError,
    AgentRunner,
    AgentTimeoutError,
    UnknownAgentError,
    UnknownToolError,
)
from functions.agent.registry import AgentDefinition
from functions.agent.tools import ToolContext
from shared.errors import HybridMemoryError, SettingsError, StoreUnavailable
from shared.memory.search.results import SearchAnswer
from shared.settings import AgentSettings
from tests.support.offline_answers import TOOL_PREFIX, followed_preferences, is_offline_answer, remembered, used_tool
from tests.support.searches import found, item

INSTRUCTIONS = "You are a helpful assistant."


@dataclass
class FakeSearch:
    """A search that records its calls."""

    is_available: bool = True
    calls: list[tuple[str, str, int, str | None]] = field(default_factory=list)

    def __call__(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> SearchAnswer:
        self.calls.append((user_id, query, limit, exclude_thread))
        if not self.is_available:
            raise StoreUnavailable("postgres")
        return found(item("I love pizza", "Noted.", f"Dinner of {user_id}"))


def _runner(search: FakeSearch | None = None, timeout_seconds: float = 25) -> AgentRunner:
    return AgentRunner(AgentSettings(model="offline", timeout_seconds=timeout_seconds), search or FakeSearch())


def _run(
    runner: AgentRunner,
    prompt: str,
    *,
    instructions: str = INSTRUCTIONS,
    tools: Sequence[str] = (),
    user_id: str | None = "ana",
) -> str:
    return asyncio.run(
        runner.run(
            agent_name="assistant",
            tools=tools,
            instructions=instructions,
            prompt=prompt,
            thread_id="now",
            user_id=user_id,
        )
    )


def _with_memory(messages: Sequence[tuple[str, str]], preferences: Mapping[str, str] | None = None) -> str:
    """Return instructions with the memory, in the specified format of *Context Injection*."""
    parts = [INSTRUCTIONS]
    if messages:
        parts.append("Previous conversation:\n" + "\n".join(f"{role}: {content}" for role, content in messages))
    if preferences:
        parts.append("User preferences:\n" + "\n".join(f"{key}: {value}" for key, value in preferences.items()))
    return "\n\n".join(parts)


# --- start and names ---


def test_the_agent_library_is_not_loaded_before_the_first_run() -> None:
    """The process does not load the agent library before the first run."""
    program = """
import sys
from functions.agent.agents.model_name import validate_model
from functions.agent.agents.runner import AgentRunner
from shared.settings import AgentSettings
validate_model("bedrock:x")
AgentRunner(AgentSettings(model="openai:x"), None).check("assistant", ["current_time"])
print([name for name in ("pydantic_ai", "openai", "boto3", "botocore", "httpx2") if name in sys.modules])
"""
    root = Path(registry.__file__).parents[2]
    process = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert (process.stdout, process.stderr) == ("[]\n", "")


def test_an_invalid_model_stops_the_start() -> None:
    """The start reports an invalid model. The first run would be too late."""
    with pytest.raises(SettingsError, match="AGENT__MODEL"):
        AgentRunner(AgentSettings(model="nonsense"), FakeSearch())


def test_known_names_are_accepted() -> None:
    """A run accepts a known agent with known tools, no tools, or the same tool twice."""
    _runner().check("assistant", [])
    _runner().check("assistant", ["current_time", "search_conversations", "current_time"])


def test_an_unknown_agent_is_reported_with_the_known_ones() -> None:
    """The error for an unknown agent lists the registered agents."""
    with pytest.raises(UnknownAgentError, match=r"no agent 'nobody'\. Use one of: .*\bassistant\b.*\.$") as caught:
        _runner().check("nobody", [])
    assert (caught.value.name, caught.value.known) == ("nobody", tuple(sorted(registry.AGENTS)))
    assert isinstance(caught.value, HybridMemoryError)


def test_an_unknown_tool_is_reported_with_the_known_ones() -> None:
    """The error for an unknown tool lists the registered tools."""
    with pytest.raises(UnknownToolError) as caught:
        _run(_runner(), "Hello", tools=["current_time", "rm"])
    assert (caught.value.name, caught.value.known) == ("rm", tuple(sorted(registry.TOOLS)))


def test_a_new_agent_and_a_new_tool_need_one_entry_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new agent and a new tool need one entry each.

    The agent's instructions come first, and its tools are available.
    """

    def weather(context: ToolContext, city: str) -> str:
        """Return the weather."""
        return f"Rain in {city} for {context.user_id}."

    agent = AgentDefinition("clerk", instructions="You are a clerk.", tools=("weather",))
    monkeypatch.setitem(registry.AGENTS, "clerk", agent)
    monkeypatch.setitem(registry.TOOLS, "weather", weather)
    monkeypatch.setattr("functions.agent.agents.offline._TOOL_ARGUMENTS", {"weather": lambda _: {"city": "Oslo"}})
    answer = asyncio.run(
        _runner().run(
            agent_name="clerk",
            tools=[],
            instructions=_with_memory([("user", "Hi")]),
            prompt="?",
            thread_id=None,
            user_id="ana",
        )
    )
    assert used_tool("weather", "Rain in Oslo for ana.") in answer
    assert remembered(answer) == ["Hi"]


# --- memory ---


def test_the_model_gets_the_memory_of_the_instructions() -> None:
    """The model gets the prompt, the messages and the preferences."""
    answer = _run(_runner(), "Who am I?", instructions=_with_memory([("user", "My name is Ana.")], {"tone": "dry"}))
    assert answer.startswith("Your name is Ana.")
    assert remembered(answer) == ["My name is Ana."]
    assert followed_preferences(answer) == ["tone: dry"]


def test_the_same_input_gives_the_same_answer() -> None:
    """The same input gives the same answer, within one runner and across runners."""
    instructions = _with_memory([("user", "Hi"), ("assistant", "Hello")], {"tone": "dry"})
    runner = _runner()
    answers = {_run(each, "Hello", instructions=instructions) for each in (runner, runner, _runner())}
    assert len(answers) == 1


def test_answers_have_a_bounded_length() -> None:
    """The answers of a long conversation have a bounded length, although they become part of the memory."""
    runner = _runner()
    messages: list[tuple[str, str]] = []
    lengths = []

    async def run_turns() -> None:
        for turn in range(60):
            prompt = f"Turn {turn}: " + "word " * 20
            answer = await runner.run(
                agent_name="assistant",
                tools=[],
                instructions=_with_memory(messages[-100:]),
                prompt=prompt,
                thread_id=None,
                user_id=None,
            )
            messages.extend([("user", prompt), ("assistant", answer)])
            lengths.append(len(answer))

    asyncio.run(run_turns())
    assert max(lengths) < 3_000
    assert max(lengths[-10:]) <= max(lengths[10:20]) + 100


def test_the_answer_is_shorter_than_a_long_prompt() -> None:
    """The answer to the longest prompt with a full window is shorter than the prompt."""
    long_text = "x" * 200_000
    answer = _run(_runner(), long_text, instructions=_with_memory([("user", long_text), ("assistant", long_text)] * 50))
    assert len(answer) < 60_000


# --- tools ---


def test_the_library_calls_the_tools() -> None:
    """The library calls the tools' functions and gets their results."""
    search = FakeSearch()
    answer = _run(
        _runner(search),
        "What time is it in UTC? Search my older conversations for pizza!",
        tools=["current_time", "search_conversations"],
    )
    assert used_tool("current_time", f"{datetime.now(UTC).year}-") in answer
    assert "user: I love pizza" in answer
    assert search.calls == [("ana", "pizza", 5, "now")]


def test_the_time_zone_is_passed_to_the_tool() -> None:
    """The offline model passes the time zone to the tool."""
    answer = _run(_runner(), "What time is it on Mars/Olympus?", tools=["current_time"])
    assert used_tool("current_time") in answer
    assert "Mars/Olympus'" in answer or "No time zone but UTC" in answer


@pytest.mark.parametrize(
    ("prompt", "tools"),
    [("Hello", ["current_time", "search_conversations"]), ("What time is it? Search older ones.", [])],
)
def test_tools_are_called_only_if_asked_for(prompt: str, tools: list[str]) -> None:
    """The model calls a tool only if the prompt asks for the tool and the request allows it."""
    search = FakeSearch()
    assert TOOL_PREFIX not in _run(_runner(search), prompt, tools=tools)
    assert search.calls == []


def test_a_search_without_user_or_store_is_no_error() -> None:
    """A search without a user or without a store is no error of the turn."""
    prompt = "Search earlier conversations"
    assert "not known who the user is" in _run(_runner(), prompt, tools=["search_conversations"], user_id=None)
    unavailable_search = FakeSearch(is_available=False)
    assert "did not answer" in _run(_runner(unavailable_search), prompt, tools=["search_conversations"])
    assert unavailable_search.calls == [("ana", prompt, 5, "now")]


# --- time and failures ---


def test_model_and_agent_are_reused() -> None:
    """The next run reuses the model, the agent and the tool schemas."""
    runner = _runner()
    _run(runner, "time", tools=["current_time"])
    loaded_engine = runner._load_engine()
    before = (loaded_engine._model, loaded_engine._agents["assistant"], loaded_engine._tools["current_time"])
    _run(runner, "time", tools=["current_time"])
    assert runner._load_engine() is loaded_engine
    assert (loaded_engine._model, loaded_engine._agents["assistant"], loaded_engine._tools["current_time"]) == before


def test_concurrent_runs_use_their_own_users() -> None:
    """Two concurrent runs on one loop use their own users and threads."""
    search = FakeSearch()
    runner = _runner(search)

    async def run_concurrently() -> list[str]:
        runs = [
            runner.run(
                agent_name="assistant",
                tools=["search_conversations"],
                instructions=INSTRUCTIONS,
                prompt=f"Search for {user}'s words",
                thread_id=f"thread of {user}",
                user_id=user,
            )
            for user in ("ana", "bob")
        ]
        return await asyncio.gather(*runs)

    answers = asyncio.run(run_concurrently())
    assert [answer.partition("Dinner of ")[2][:3] for answer in answers] == ["ana", "bob"]
    assert sorted(search.calls) == [
        ("ana", "ana's words", 5, "thread of ana"),
        ("bob", "bob's words", 5, "thread of bob"),
    ]


def test_a_run_ends_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a model never answers, the run ends after the timeout, and the next run works."""
    runner = _runner(timeout_seconds=0.3)

    async def never_answer(*_: object, **__: object) -> None:
        await asyncio.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(runner._load_engine()._model, "request", never_answer)
        with pytest.raises(AgentTimeoutError, match=r"offline gave no answer within 0\.3 s"):
            _run(runner, "Hello")
    assert not issubclass(AgentTimeoutError, AgentRunError)
    assert is_offline_answer(_run(runner, "Hello"))


def test_any_exception_of_a_model_is_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a model raises any exception, the run's own error has only the exception's type."""
    runner = _runner()

    async def fail(*_: object, **__: object) -> None:
        message = "token sk-secret"
        raise ValueError(message)

    monkeypatch.setattr(runner._load_engine()._model, "request", fail)
    with pytest.raises(AgentRunError, match=r"^The model offline gave no answer: ValueError\.$"):
        _run(runner, "Hello")


def test_a_missing_sdk_is_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing SDK is an error of the run, and the next run tries to import it again."""
    runner = _runner()

    def fail_to_import(*_: object) -> None:
        raise ModuleNotFoundError(name="boto3")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "build_model", fail_to_import)
        with pytest.raises(AgentRunError, match="ModuleNotFoundError"):
            _run(runner, "Hello")
    assert is_offline_answer(_run(runner, "Hello"))
