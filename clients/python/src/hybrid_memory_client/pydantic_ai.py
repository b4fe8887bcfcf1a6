"""A message history for pydantic-ai: `hybrid-memory-client[pydantic-ai]`."""

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
from hybrid_memory_client._items import OnRefused, items_from_objects
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client._texts import ExchangeTexts, ToolStep
from hybrid_memory_client.errors import CannotBeKept

__all__ = ["AsyncMessageHistory", "MessageHistory"]
_FRAMEWORK = "pydantic_ai"


class MessageHistory:
    """A thread as pydantic-ai's message history, including tool calls and thinking.

    Messages are stored in pydantic-ai's own JSON form, with its conversions: a time, a `Decimal`, a UUID, bytes or a
    tuple in a tool's result is read back as a text or a list. NaN and infinity are refused, because JSON would turn
    them into null.

    Call `agent.run_sync(prompt, message_history=history.load())`, then `history.save(result.new_messages())`. Each run
    is one exchange. Its texts are the messages of the user and the model. Exchanges of other programs are returned as
    text messages.

    Args:
        client: A client of the deployment.
        thread_id: The thread.
        user_id: The thread's owner.
        allow_degraded: If a layer does not respond, continue even if messages may be missing.
        on_refused: Returns a replacement for a message that cannot be stored; None skips the message.
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
        self._journal = Journal(client, _FRAMEWORK, thread_id, user_id, _to_messages, allow_degraded=allow_degraded)

    def load(self, limit: int | None = None) -> list[ModelMessage]:
        """Return the newest `limit` messages, oldest first; all if the limit is None.

        Raises:
            HistoryDegraded: A layer did not respond, and messages may be missing.
        """
        return ModelMessagesTypeAdapter.validate_python(self._journal.read(limit))

    def save(self, messages: Sequence[ModelMessage]) -> None:
        """Store a run's new messages.

        Raises:
            CannotBeKept: A message has no JSON form that can be stored, e.g. because it contains NaN or infinity.
            NotKept: No store accepted the messages.
        """
        self._journal.append(items_from_objects(messages, _to_item, self._on_refused))


class AsyncMessageHistory:
    """`MessageHistory` for an `AsyncMemoryClient`."""

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
        self._journal = AsyncJournal(
            client, _FRAMEWORK, thread_id, user_id, _to_messages, allow_degraded=allow_degraded
        )

    async def load(self, limit: int | None = None) -> list[ModelMessage]:
        """Return the newest `limit` messages, oldest first; all if the limit is None."""
        return ModelMessagesTypeAdapter.validate_python(await self._journal.read(limit))

    async def save(self, messages: Sequence[ModelMessage]) -> None:
        """Store a run's new messages."""
        await self._journal.append(items_from_objects(messages, _to_item, self._on_refused))


def _to_item(message: ModelMessage) -> tuple[Any, ExchangeTexts]:
    try:
        dumped = ModelMessagesTypeAdapter.dump_python([message], mode="json")
    except PydanticSerializationError as error:
        raise CannotBeKept(f"a message is not JSON: {error}") from error
    if not _is_finite(ModelMessagesTypeAdapter.dump_python([message])):
        raise CannotBeKept("a message holds NaN or infinity, which JSON does not have")
    # The first round trip through JSON may drop fields. A second round trip must not change the message.
    stable = _round_trip(dumped)
    if _round_trip(stable) != stable:
        raise CannotBeKept("JSON would change a message")
    return stable[0], _to_texts(message)


def _round_trip(dumped: list[Any]) -> list[Any]:
    messages: list[Any] = ModelMessagesTypeAdapter.dump_python(
        ModelMessagesTypeAdapter.validate_python(dumped), mode="json"
    )
    return messages


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_finite(each) for pair in value.items() for each in pair)
    return not isinstance(value, (list, tuple, set, frozenset)) or all(_is_finite(each) for each in value)


def _to_texts(message: ModelMessage) -> ExchangeTexts:
    steps = tuple(step for part in message.parts if (step := _to_step(part)))
    if isinstance(message, ModelResponse):
        replies = [part.content for part in message.parts if isinstance(part, TextPart)]
        return ExchangeTexts(assistant="\n\n".join(replies), steps=steps)
    prompts = [part.content for part in message.parts if isinstance(part, UserPromptPart)]
    parts = [part for prompt in prompts for part in ([prompt] if isinstance(prompt, str) else prompt)]
    text = "\n\n".join(part for part in parts if isinstance(part, str))
    return ExchangeTexts(user=text, steps=steps, is_prompt=bool(prompts))


def _to_step(part: ModelRequestPart | ModelResponsePart) -> ToolStep | None:
    if isinstance(part, ToolCallPart):
        return ToolStep("tool_call", part.tool_call_id, part.tool_name, part.args_as_json_str())
    if isinstance(part, ToolReturnPart):
        return ToolStep("tool_result", part.tool_call_id, part.tool_name, part.model_response_str())
    return None


def _to_messages(texts: ExchangeTexts) -> list[Any]:
    messages: list[ModelMessage] = []
    if texts.user:
        messages.append(ModelRequest(parts=[UserPromptPart(texts.user)]))
    if texts.assistant:
        messages.append(ModelResponse(parts=[TextPart(texts.assistant)]))
    dumped: list[Any] = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    return dumped
