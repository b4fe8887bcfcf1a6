"""Runs an agent: a registered name, tools, instructions that carry the memory, and a prompt become an answer."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

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
from functions.agent.tools import SearchConversations, ToolContext
from shared.memory.budget import Shown
from shared.memory.context import join_parts
from shared.memory.token_count import count_tokens
from shared.settings import AgentSettings

if TYPE_CHECKING:
    from functions.agent.agents.pydantic_ai_engine import Engine
    from shared.tracing.tracer import Tracer

_MAX_HALVINGS: Final = 5

__all__ = ["AgentRunError", "AgentRunner", "AgentTimeoutError", "UnknownAgentError", "UnknownToolError"]


class MemorySource(Protocol):
    """A turn's memory, of which less can be shown."""

    def at_most(self, tokens: int | None) -> Shown:
        """Return as much as has so many tokens; None for all that may be shown."""
        ...


class AgentRunner:
    """Runs agents on the configured model, which is loaded by the first run and reused by the later ones.

    One runner belongs to one event loop: the model's connections do.

    Args:
        settings: The model, and how long it may take.
        search: Searches a user's older conversations, for the tool of that purpose.
        tracer: Makes spans of the model's requests; None where traces are off.

    Raises:
        SettingsError: `AGENT__MODEL` names nothing that can run, or `AGENT__PLUGINS` what cannot be loaded.
    """

    def __init__(self, settings: AgentSettings, search: SearchConversations, tracer: "Tracer | None" = None) -> None:
        self._model = parse_model(settings.model)
        load_plugins(settings.plugin_modules)
        self._timeout_seconds = settings.timeout_seconds
        self._search = search
        self._tracer = tracer
        self._engine: Engine | None = None
        # How many tokens of prompt, instructions and memory are sent, once the model has refused more.
        self._accepted: int | None = None

    def check(self, agent_name: str, tools: Sequence[str]) -> None:
        """Check the names of a request, before anything is spent on it.

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
            instructions: What the agent is told. The memory is appended to it: it is no message history.
            prompt: What the user says.
            memory: The turn's memory; shown less of it is, the less the model takes.
            thread_id: The current conversation, which a search leaves out.
            user_id: Whose older conversations may be searched; None when unknown.

        Raises:
            UnknownAgentError: No such agent.
            UnknownToolError: No such tool.
            AgentRunError: The model failed or had nothing to say.
            PromptTooLongError: The model takes not even the prompt and the instructions.
            AgentTimeoutError: No answer within `AGENT__TIMEOUT_SECONDS`, loading included.
        """
        definition = find_agent(agent_name)
        names = find_tools(definition, tools)
        context = ToolContext(search=self._search, user_id=user_id, thread_id=thread_id)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                ask = functools.partial(self._loaded().answer, definition, names, prompt=prompt, context=context)
                return await self._answer(ask, instructions, prompt, memory)
        except TimeoutError as error:
            raise AgentTimeoutError(
                f"The model {self._model} gave no answer within {self._timeout_seconds:g} s."
            ) from error

    async def _answer(
        self, ask: Callable[..., Awaitable[str]], instructions: str, prompt: str, memory: MemorySource | None
    ) -> str:
        """Return the answer; while the model finds the context too long, ask again with half of the memory."""
        if memory is None:
            return await ask(instructions=instructions)
        beside = count_tokens(instructions) + count_tokens(prompt)
        shown = memory.at_most(None if self._accepted is None else self._accepted - beside)
        most, is_refused = shown.tokens, False
        for halvings_left in reversed(range(_MAX_HALVINGS + 1)):
            try:
                answer = await ask(instructions=join_parts(instructions, shown.context))
            except ContextTooLongError as error:
                if not halvings_left or not shown.context:
                    is_prompt = count_tokens(prompt) >= count_tokens(instructions)
                    raise PromptTooLongError("prompt" if is_prompt else "instructions", str(self._model)) from error
                most, is_refused = most // 2, True
                shown = memory.at_most(most if halvings_left > 1 else 0)
            else:
                if is_refused:
                    # Not what was shown, which is much less where one long exchange did not fit.
                    self._accepted = beside + most
                elif self._accepted is not None:
                    self._accepted = max(self._accepted, beside + shown.tokens)
                return answer
        raise AssertionError  # the last try returns or raises

    def _loaded(self) -> "Engine":
        if self._engine is None:
            from functions.agent.agents.pydantic_ai_engine import Engine  # noqa: PLC0415 - costs a second of CPU, which only /run needs

            self._engine = Engine(self._model, self._timeout_seconds, self._tracer)
        return self._engine
