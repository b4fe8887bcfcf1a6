"""Runs agents with the agent library. This module is imported at the first run, because it imports the library."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pydantic_ai import Agent, FunctionToolset, Tool, UsageLimits
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, UserError

from functions.agent.agents.context_errors import is_context_too_long
from functions.agent.agents.model_clients import build_model
from functions.agent.agents.tool_calls import to_library_tool
from functions.agent.registry import AgentDefinition
from functions.agent.request_errors import AgentRunError, ContextTooLongError
from functions.agent.tools import ToolContext
from shared.model_name import ModelName

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer

# Limits the cost of a model that keeps calling tools.
MAX_REQUESTS: Final = 8
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Engine:
    """The objects that all runs reuse: the model with its connections, the agents, and the tool schemas.

    Args:
        model: The model to run.
        timeout_seconds: The caller's timeout.
        tracer: Creates spans of the model's requests; None if tracing is off.

    Raises:
        AgentRunError: The model cannot be built: its SDK is missing, or a key or region is not set.
    """

    def __init__(self, model: ModelName, timeout_seconds: float, tracer: "Tracer | None" = None) -> None:
        self._name = model
        self._agents: dict[str, Agent[ToolContext, str]] = {}
        self._tools: dict[str, Tool[ToolContext]] = {}
        try:
            self._model = build_model(model, timeout_seconds)
        except Exception as error:
            raise AgentRunError(_error_message(model, error)) from error
        if tracer is not None:
            from functions.agent.agents.traced_model import TracedModel  # noqa: PLC0415 - imported only if tracing is on

            self._model = TracedModel(self._model, model, tracer)

    async def answer(
        self, definition: AgentDefinition, tools: Sequence[str], *, instructions: str, prompt: str, context: ToolContext
    ) -> str:
        """Return the model's answer, without characters that JSON or PostgreSQL cannot store.

        Raises:
            ContextTooLongError: The model rejected the context as too long.
            AgentRunError: The model failed or returned no text.
        """
        try:
            result = await self._agent(definition).run(
                prompt,
                instructions=instructions,
                deps=context,
                toolsets=[FunctionToolset([self._tool(name) for name in tools])] if tools else None,
                usage_limits=UsageLimits(request_limit=MAX_REQUESTS),
                infer_name=False,
            )
        except Exception as error:
            # The library passes an SDK's own errors (e.g. missing credentials) through unchanged.
            kind = ContextTooLongError if is_context_too_long(error) else AgentRunError
            raise kind(_error_message(self._name, error)) from error
        answer = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", result.output)
        if not answer.strip():
            raise AgentRunError(f"The model {self._name} gave an empty answer.")
        return answer

    def _agent(self, definition: AgentDefinition) -> Agent[ToolContext, str]:
        if definition.name not in self._agents:
            self._agents[definition.name] = Agent(
                self._model,
                name=definition.name,
                deps_type=ToolContext,
                instructions=definition.instructions or None,
            )
        return self._agents[definition.name]

    def _tool(self, name: str) -> Tool[ToolContext]:
        if name not in self._tools:
            self._tools[name] = to_library_tool(name)
        return self._tools[name]


def _error_message(model: ModelName, error: Exception) -> str:
    """Return a message about the failure, without the provider's text, which may contain a key or the prompt."""
    if isinstance(error, UserError):
        return f"The model {model} is not set up: {error.message}"
    if isinstance(error, ModelHTTPError):
        code = f" ({error.provider_error_code})" if error.provider_error_code else ""
        return f"The model {model} answered with HTTP status {error.status_code}{code}."
    if isinstance(error, ModelAPIError):
        return f"The model {model} could not be asked: {type(error).__name__}."
    return f"The model {model} gave no answer: {type(error).__name__}."
