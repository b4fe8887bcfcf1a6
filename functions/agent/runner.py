"""Runs an agent: a registered name, tools, instructions that carry the memory, and a prompt become an answer."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from functions.agent.errors import AgentRunError, AgentTimeoutError, UnknownAgentError, UnknownToolError
from functions.agent.models import parse_model
from functions.agent.plugins import load_plugins
from functions.agent.registry import find_agent, find_tools
from functions.agent.tools import SearchConversations, ToolContext
from shared.settings import AgentSettings

if TYPE_CHECKING:
    from functions.agent.engine import Engine

__all__ = ["AgentRunError", "AgentRunner", "AgentTimeoutError", "UnknownAgentError", "UnknownToolError"]


class AgentRunner:
    """Runs agents on the configured model, which is loaded by the first run and reused by the later ones.

    One runner belongs to one event loop: the model's connections do.

    Args:
        settings: The model, and how long it may take.
        search: Searches a user's older conversations, for the tool of that purpose.

    Raises:
        SettingsError: `AGENT__MODEL` names nothing that can run, or `AGENT__PLUGINS` what cannot be loaded.
    """

    def __init__(self, settings: AgentSettings, search: SearchConversations) -> None:
        self._model = parse_model(settings.model)
        load_plugins(settings.plugin_modules)
        self._timeout_seconds = settings.timeout_seconds
        self._search = search
        self._engine: Engine | None = None

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
        thread_id: str | None,
        user_id: str | None,
    ) -> str:
        """Return the agent's answer.

        Args:
            agent_name: A registered agent.
            tools: Registered tools, for this run.
            instructions: With the memory appended: it is no message history.
            prompt: What the user says.
            thread_id: The current conversation, which a search leaves out.
            user_id: Whose older conversations may be searched; None when unknown.

        Raises:
            UnknownAgentError: No such agent.
            UnknownToolError: No such tool.
            AgentRunError: The model failed or had nothing to say.
            AgentTimeoutError: No answer within `AGENT__TIMEOUT_SECONDS`, loading included.
        """
        definition = find_agent(agent_name)
        names = find_tools(definition, tools)
        context = ToolContext(search=self._search, user_id=user_id, thread_id=thread_id)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._loaded().answer(
                    definition, names, instructions=instructions, prompt=prompt, context=context
                )
        except TimeoutError as error:
            raise AgentTimeoutError(
                f"The model {self._model} gave no answer within {self._timeout_seconds:g} s."
            ) from error

    def _loaded(self) -> "Engine":
        if self._engine is None:
            from functions.agent.engine import Engine  # noqa: PLC0415 - costs a second of CPU, which only /run needs

            self._engine = Engine(self._model, self._timeout_seconds)
        return self._engine
