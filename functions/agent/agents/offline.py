"""The `offline` model: answers with the memory in its instructions, deterministically and without a network.

Importing this module imports the agent library. `offline_answer.py` composes the text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from functions.agent.agents.model_name import OFFLINE
from functions.agent.agents.offline_answer import compose

_MENTIONS_TIME: Final = re.compile(r"\b(?:time|clock|date)\b", re.IGNORECASE)
_TIME_ZONE: Final = re.compile(r"\b[A-Z][A-Za-z_]+/[A-Za-z][\w+\-/]*\b")
_MENTIONS_SEARCH: Final = re.compile(r"\b(?:search\w*|older|earlier)\b", re.IGNORECASE)
_MENTIONS_KNOWLEDGE: Final = re.compile(r"\bknow[ns]?\b.*\babout me\b", re.IGNORECASE)
_SEARCH_SUBJECT: Final = re.compile(r"\b(?:for|about)\s+(.+?)[\s?.!]*$", re.IGNORECASE | re.DOTALL)


def build_offline() -> FunctionModel:
    """Return the model."""
    return FunctionModel(_respond, model_name=OFFLINE)


async def _respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    requests = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    prompt = "\n".join(str(part.content) for part in requests if isinstance(part, UserPromptPart))
    results = [(part.tool_name, part.model_response_str()) for part in requests if isinstance(part, ToolReturnPart)]
    if not results and (calls := _tool_calls(prompt, [tool.name for tool in info.function_tools])):
        return ModelResponse(parts=calls)
    return ModelResponse(parts=[TextPart(compose(prompt, info.instructions or "", results))])


def _tool_calls(prompt: str, available: list[str]) -> list[ToolCallPart]:
    arguments = {name: _TOOL_ARGUMENTS[name](prompt) for name in available if name in _TOOL_ARGUMENTS}
    return [
        # A fixed id, because the library would generate a random one.
        ToolCallPart(tool_name=name, args=args, tool_call_id=name)
        for name, args in arguments.items()
        if args is not None
    ]


def _time_arguments(prompt: str) -> dict[str, str] | None:
    if not _MENTIONS_TIME.search(prompt):
        return None
    zone = _TIME_ZONE.search(prompt)
    return {"time_zone": zone.group()} if zone else {}


def _search_arguments(prompt: str) -> dict[str, str] | None:
    if not _MENTIONS_SEARCH.search(prompt):
        return None
    # Only "pizza" of "Search my older conversations for pizza" is a search term.
    subject = _SEARCH_SUBJECT.search(prompt)
    return {"query": subject.group(1) if subject else prompt}


def _known_arguments(prompt: str) -> dict[str, str] | None:
    return {} if _MENTIONS_KNOWLEDGE.search(prompt) else None


_TOOL_ARGUMENTS: Final[Mapping[str, Callable[[str], dict[str, str] | None]]] = {
    "current_time": _time_arguments,
    "search_conversations": _search_arguments,
    "what_is_known": _known_arguments,
}
"""For each tool, a function that returns the arguments of a call, or None if the prompt needs no call of the tool."""
