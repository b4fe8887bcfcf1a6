"""pydantic-ai's message history: `hybrid-memory-client[pydantic-ai]`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_core import PydanticSerializationError

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._items import OnRefused, pairs
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client._texts import Step, Texts
from hybrid_memory_client.errors import CannotBeKept

__all__ = ["AsyncMessageHistory", "MessageHistory"]
_KIND = "pydantic_ai"


class MessageHistory:
    """A thread as pydantic-ai's message history, tool calls and thinking included.

    Messages are kept in pydantic-ai's own JSON form, with its conversions: what a tool returned as a time, a `Decimal`,
    a UUID, bytes or a tuple comes back as a text or a list. NaN and infinity, of which JSON would make null, are
    refused.

    `agent.run_sync(prompt, message_history=history.load())`, then `history.save(result.new_messages())`: one exchange
    a run, whose texts are what the user and the model have said. What others have written to the thread comes as text
    messages.

    Args:
        client: Of the deployment.
        thread_id: The thread.
        user_id: Who it belongs to.
        allow_degraded: Go on without what may be missing when a layer does not answer, rather than raise.
        on_refused: Returns what is to be kept instead of a message that cannot be; None leaves it out.
    """

    def __init__(
        self,
        client: MemoryClient,
        thread_id: str,
        *,
        user_id: str | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._on_refused = on_refused
        self._journal = Journal(client, _KIND, thread_id, user_id, _messages, allow_degraded=allow_degraded)

    def load(self, limit: int | None = None) -> list[ModelMessage]:
        """Return the newest `limit` messages, oldest first; all without a limit.

        Raises:
            HistoryDegraded: A layer did not answer, and messages may be missing.
        """
        return ModelMessagesTypeAdapter.validate_python(self._journal.read(limit))

    def save(self, messages: Sequence[ModelMessage]) -> None:
        """Store a run's new messages.

        Raises:
            CannotBeKept: A message has no JSON form that the memory can hold; it holds NaN or infinity, say.
            NotKept: No store took them.
        """
        self._journal.append(pairs(messages, _pair, self._on_refused))


class AsyncMessageHistory:
    """The same for an `AsyncMemoryClient`."""

    def __init__(
        self,
        client: AsyncMemoryClient,
        thread_id: str,
        *,
        user_id: str | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._on_refused = on_refused
        self._journal = AsyncJournal(client, _KIND, thread_id, user_id, _messages, allow_degraded=allow_degraded)

    async def load(self, limit: int | None = None) -> list[ModelMessage]:
        """Return the newest `limit` messages, oldest first; all without a limit."""
        return ModelMessagesTypeAdapter.validate_python(await self._journal.read(limit))

    async def save(self, messages: Sequence[ModelMessage]) -> None:
        """Store a run's new messages."""
        await self._journal.append(pairs(messages, _pair, self._on_refused))


def _pair(message: ModelMessage) -> tuple[Any, Texts]:
    try:
        dumped = ModelMessagesTypeAdapter.dump_python([message], mode="json")
    except PydanticSerializationError as error:
        raise CannotBeKept(f"a message is no JSON: {error}") from error
    if not _is_finite(ModelMessagesTypeAdapter.dump_python([message])):
        raise CannotBeKept("a message holds NaN or infinity, which JSON does not have")
    # The first form may say more than what is read from it has to say; from then on it has to stay the same.
    kept = _again(dumped)
    if _again(kept) != kept:
        raise CannotBeKept("a message would come back changed")
    return kept[0], _texts(message)


def _again(dumped: list[Any]) -> list[Any]:
    found: list[Any] = ModelMessagesTypeAdapter.dump_python(
        ModelMessagesTypeAdapter.validate_python(dumped), mode="json"
    )
    return found


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_finite(each) for pair in value.items() for each in pair)
    return not isinstance(value, (list, tuple, set, frozenset)) or all(_is_finite(each) for each in value)


def _texts(message: ModelMessage) -> Texts:
    steps = tuple(step for part in message.parts if (step := _step(part)))
    if isinstance(message, ModelResponse):
        said = [part.content for part in message.parts if isinstance(part, TextPart)]
        return Texts(assistant="\n\n".join(said), steps=steps)
    prompts = [part.content for part in message.parts if isinstance(part, UserPromptPart)]
    parts = [part for prompt in prompts for part in ([prompt] if isinstance(prompt, str) else prompt)]
    text = "\n\n".join(part for part in parts if isinstance(part, str))
    return Texts(user=text, steps=steps, is_prompt=bool(prompts))


def _step(part: ModelRequestPart | ModelResponsePart) -> Step | None:
    if isinstance(part, ToolCallPart):
        return Step("tool_call", part.tool_call_id, part.tool_name, part.args_as_json_str())
    if isinstance(part, ToolReturnPart):
        return Step("tool_result", part.tool_call_id, part.tool_name, part.model_response_str())
    return None


def _messages(texts: Texts) -> list[Any]:
    made: list[ModelMessage] = []
    if texts.user:
        made.append(ModelRequest(parts=[UserPromptPart(texts.user)]))
    if texts.assistant:
        made.append(ModelResponse(parts=[TextPart(texts.assistant)]))
    dumped: list[Any] = ModelMessagesTypeAdapter.dump_python(made, mode="json")
    return dumped
