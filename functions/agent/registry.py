"""The agents and tools that a request may name.

A deployment adds its own agents and tools by plugins: see `plugins.py`.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Final, get_type_hints

from pydantic import TypeAdapter

from functions.agent.request_errors import UnknownAgentError, UnknownToolError
from functions.agent.tools import current_time, search_conversations, what_is_known

Tool = Callable[..., str | Awaitable[str]]
"""A tool. Its parameters are a `ToolContext` and the model's arguments. The model reads its docstring.

A coroutine function runs on the event loop. Any other function runs in a separate thread.
"""


@dataclass(frozen=True, slots=True)
class AgentDefinition:
    """An agent, independent of the library that runs it.

    Attributes:
        instructions: Instructions that precede the instructions of each request; '' if there are none.
        tools: Names of the agent's own tools. A request may name more tools.
    """

    name: str
    instructions: str = ""
    tools: tuple[str, ...] = ()


_AGENTS: Final = (AgentDefinition("assistant"),)
# Model providers accept these names.
_TOOL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOOLS: Final[tuple[Tool, ...]] = (current_time, search_conversations, what_is_known)

AGENTS: Final[dict[str, AgentDefinition]] = {agent.name: agent for agent in _AGENTS}
TOOLS: Final[dict[str, Tool]] = {tool.__name__: tool for tool in _TOOLS}


def add_agent(agent: AgentDefinition) -> None:
    """Add an agent that requests may name.

    Raises:
        ValueError: An agent with this name exists.
    """
    if AGENTS.setdefault(agent.name, agent) != agent:
        message = f"there are two agents {agent.name}"
        raise ValueError(message)


def add_tool(tool: Tool) -> None:
    """Add a function as a tool that requests and agents may use by the function's name.

    Raises:
        ValueError: The function cannot be called as a tool, or a tool with this name exists.
    """
    if reason := _tool_error(tool):
        raise ValueError(reason)
    if TOOLS.setdefault(tool.__name__, tool) is not tool:
        message = f"there are two tools {tool.__name__}"
        raise ValueError(message)


def _tool_error(tool: object) -> str | None:
    """Return the reason why an object cannot be a tool; None if it can."""
    if not (inspect.isfunction(tool) or inspect.ismethod(tool)):
        return f"a tool must be a function, and {tool!r} is not"
    if not _TOOL_NAME.fullmatch(tool.__name__):
        return f"a tool's name must be 1 to 64 letters, digits, _ or -, and {tool.__name__!r} is not"
    if inspect.isgeneratorfunction(tool) or inspect.isasyncgenfunction(tool):
        return f"the tool {tool.__name__} must return its result instead of yielding it"
    first = next(iter(inspect.signature(tool).parameters.values()), None)
    if first is None or first.kind not in {first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD}:
        return f"the first parameter of the tool {tool.__name__} must be a ToolContext"
    return _parameter_error(tool, first.name)


def _parameter_error(tool: FunctionType | MethodType, first: str) -> str | None:
    """Return the reason why a model cannot pass a tool's parameters after the first; None if it can."""

    def described() -> None: ...

    described.__annotations__ = {
        name: kind for name, kind in tool.__annotations__.items() if name not in {first, "return"}
    }
    try:
        hints = get_type_hints(described, inspect.unwrap(tool).__globals__, include_extras=True)
        for kind in hints.values():
            TypeAdapter(kind).json_schema()
    except Exception as error:  # noqa: BLE001 - annotations are the plugin's own code
        reason = str(error).partition("\n")[0].partition(". ")[0]
        return f"the tool {tool.__name__} has a parameter that no model can pass: {reason}"
    return None


def find_agent(name: str) -> AgentDefinition:
    """Return the agent with this name.

    Raises:
        UnknownAgentError: It does not exist.
    """
    if name not in AGENTS:
        raise UnknownAgentError(name, AGENTS)
    return AGENTS[name]


def find_tools(agent: AgentDefinition, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the agent's own tools, then the requested ones, each once.

    Raises:
        UnknownToolError: A name is not registered.
    """
    all_names = tuple(dict.fromkeys((*agent.tools, *names)))
    for name in all_names:
        if name not in TOOLS:
            raise UnknownToolError(name, TOOLS)
    return all_names
