"""The agents and tools that a request may name.

A new tool is a function in `tools.py` and its name in `_TOOLS`; a new agent is one more entry of `_AGENTS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from functions.agent.errors import UnknownAgentError, UnknownToolError
from functions.agent.tools import current_time, search_conversations

Tool = Callable[..., str]
"""Takes a `ToolContext` first and then what the model passes; its docstring is what the model reads about it."""


@dataclass(frozen=True, slots=True)
class AgentDefinition:
    """An agent, independent of the library that runs it.

    Attributes:
        instructions: Standing instructions, placed before those of the request; '' when the request's are all.
        tools: Names of the tools the agent always has, besides those of the request.
    """

    name: str
    instructions: str = ""
    tools: tuple[str, ...] = ()


_AGENTS: Final = (AgentDefinition("assistant"),)
_TOOLS: Final[tuple[Tool, ...]] = (current_time, search_conversations)

AGENTS: Final[Mapping[str, AgentDefinition]] = {agent.name: agent for agent in _AGENTS}
TOOLS: Final[Mapping[str, Tool]] = {tool.__name__: tool for tool in _TOOLS}


def find_agent(name: str) -> AgentDefinition:
    """Return the agent of that name.

    Raises:
        UnknownAgentError: There is none.
    """
    if name not in AGENTS:
        raise UnknownAgentError(name, AGENTS)
    return AGENTS[name]


def find_tools(agent: AgentDefinition, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the agent's own tools and the requested ones, each once, in that order.

    Raises:
        UnknownToolError: A name is not registered.
    """
    wanted = tuple(dict.fromkeys((*agent.tools, *names)))
    for name in wanted:
        if name not in TOOLS:
            raise UnknownToolError(name, TOOLS)
    return wanted
