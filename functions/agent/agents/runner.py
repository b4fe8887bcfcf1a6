"""Runs an agent by its registered name, with tools, instructions that include the memory, and a prompt."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from functions.agent.agents.model_name import parse_model
from functions.agent.agents.plugins import load_plugins
from functions.agent.registry import find_agent, find_tools
from functions.agent.request_errors import (
    AgentRunError,
    AgentTimeoutError,
    ContextTooLongError,
    PromptTooLongError,
    UnknownAgentError,
    UnknownToolError,
)
from functions.agent.tools import SearchConversations, ToolContext, nothing_known
from shared.memory.budget import Selection
from shared.memory.context import join_parts
from shared.memory.token_count import count_tokens
from shared.settings import AgentSettings

if TYPE_CHECKING:
    from functions.agent.agents.pydantic_ai_engine import Engine
    from shared.tracing.tracer import Tracer

_MAX_HALVINGS: Final = 5

__all__ = ["AgentRunError", "AgentRunner", "AgentTimeoutError", "UnknownAgentError", "UnknownToolError"]


class MemorySource(Protocol):
    """A turn's memory, which can be shortened."""

    def select(self, max_tokens: int | None) -> Selection:
        """Return the memory within this number of tokens; None for the default limit."""
        ...


class AgentRunner:
    """Runs agents on the configured model. The first run loads the model, and later runs reuse it.

    A runner belongs to one event loop, because the model's connections belong to one loop.

    Args:
        settings: The model and its timeout.
        search: Searches a user's other conversations, for the search tool.
        tracer: Creates spans of the model's requests; None if tracing is off.

    Raises:
        SettingsError: `AGENT__MODEL` names no supported model, or a plugin cannot be loaded.
    """

    def __init__(
        self,
        settings: AgentSettings,
        search: SearchConversations,
        tracer: "Tracer | None" = None,
        known: Callable[[str], Sequence[dict[str, Any]]] = nothing_known,
    ) -> None:
        self._model = parse_model(settings.model)
        load_plugins(settings.plugin_modules, use_entry_points=settings.entry_points)
        self._timeout_seconds = settings.timeout_seconds
        self._search = search
        self._known = known
        self._tracer = tracer
        self._engine: Engine | None = None
        # The token limit for prompt, instructions and memory, after the model rejected a larger context.
        self._accepted_tokens: int | None = None

    def check(self, agent_name: str, tools: Sequence[str]) -> None:
        """Check the names in a request before the run.

        Raises:
            UnknownAgentError: No such agent.
            UnknownToolError: No such tool.
        """
        find_tools(find_agent(agent_name), tools)

    async def run(
        self,
        *,
        agent_name: str,
        tools: Sequence[str],
        instructions: str,
        prompt: str,
        memory: MemorySource | None = None,
        thread_id: str | None,
        user_id: str | None,
    ) -> str:
        """Return the agent's answer.

        Args:
            agent_name: A registered agent.
            tools: Registered tools, for this run.
            instructions: The agent's instructions. The memory is appended to them; it is not passed as a message
                history.
            prompt: The user's message.
            memory: The turn's memory. It is shortened if the model rejects the context as too long.
            thread_id: The current conversation, which a search excludes.
            user_id: The user whose other conversations may be searched; None if unknown.

        Raises:
            UnknownAgentError: No such agent.
            UnknownToolError: No such tool.
            AgentRunError: The model failed or returned no text.
            PromptTooLongError: The prompt and the instructions alone are too long for the model.
            AgentTimeoutError: No answer within `AGENT__TIMEOUT_SECONDS`, including the time to load the model.
        """
        definition = find_agent(agent_name)
        names = find_tools(definition, tools)
        context = ToolContext(search=self._search, user_id=user_id, thread_id=thread_id, known=self._known)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                call_model = functools.partial(
                    self._load_engine().answer, definition, names, prompt=prompt, context=context
                )
                return await self._answer(call_model, instructions, prompt, memory)
        except TimeoutError as error:
            raise AgentTimeoutError(
                f"The model {self._model} gave no answer within {self._timeout_seconds:g} s."
            ) from error

    async def _answer(
        self, call_model: Callable[..., Awaitable[str]], instructions: str, prompt: str, memory: MemorySource | None
    ) -> str:
        """Return the answer. While the model rejects the context as too long, retry with half of the token limit."""
        if memory is None:
            return await call_model(instructions=instructions)
        other_tokens = count_tokens(instructions) + count_tokens(prompt)
        selection = memory.select(None if self._accepted_tokens is None else self._accepted_tokens - other_tokens)
        max_tokens, is_rejected = selection.tokens, False
        for halvings_left in reversed(range(_MAX_HALVINGS + 1)):
            try:
                answer = await call_model(instructions=join_parts(instructions, selection.context))
            except ContextTooLongError as error:
                if not halvings_left or not selection.context:
                    is_prompt = count_tokens(prompt) >= count_tokens(instructions)
                    raise PromptTooLongError("prompt" if is_prompt else "instructions", str(self._model)) from error
                max_tokens, is_rejected = max_tokens // 2, True
                selection = memory.select(max_tokens if halvings_left > 1 else 0)
            else:
                if is_rejected:
                    # Store the limit instead of the memory's length, which is much shorter than the limit if one long
                    # exchange did not fit.
                    self._accepted_tokens = other_tokens + max_tokens
                elif self._accepted_tokens is not None:
                    self._accepted_tokens = max(self._accepted_tokens, other_tokens + selection.tokens)
                return answer
        raise AssertionError  # the last attempt returns or raises

    def _load_engine(self) -> "Engine":
        if self._engine is None:
            from functions.agent.agents.pydantic_ai_engine import Engine  # noqa: PLC0415 - takes a second of CPU, which only /run needs

            self._engine = Engine(self._model, self._timeout_seconds, self._tracer)
        return self._engine
