"""pydantic-ai's message history: `hybrid-memory-client[pydantic-ai]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_core import PydanticSerializationError

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._items import Texts
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client.errors import CannotBeKept

__all__ = ["AsyncMessageHistory", "MessageHistory"]
_KIND = "pydantic_ai"


class MessageHistory:
    """A thread as pydantic-ai's message history, tool calls and thinking included.

    `agent.run_sync(prompt, message_history=history.load())`, then `history.save(result.new_messages())`: one exchange
    a run, whose texts are what the user and the model have said. What others have written to the thread comes as text
    messages.

    Args:
        client: Of the deployment.
        thread_id: The thread.
        user_id: Who it belongs to.
        allow_degraded: Go on without what may be missing when a layer does not answer, rather than raise.
    """

    def __init__(
        self, client: MemoryClient, thread_id: str, *, user_id: str | None = None, allow_degraded: bool = False
    ) -> None:
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
            CannotBeKept: A message is larger than an exchange can carry, or would come back changed.
            NotKept: No store took them.
        """
        self._journal.append(_items(messages))


class AsyncMessageHistory:
    """The same for an `AsyncMemoryClient`."""

    def __init__(
        self, client: AsyncMemoryClient, thread_id: str, *, user_id: str | None = None, allow_degraded: bool = False
    ) -> None:
        self._journal = AsyncJournal(client, _KIND, thread_id, user_id, _messages, allow_degraded=allow_degraded)

    async def load(self, limit: int | None = None) -> list[ModelMessage]:
        """Return the newest `limit` messages, oldest first; all without a limit."""
        return ModelMessagesTypeAdapter.validate_python(await self._journal.read(limit))

    async def save(self, messages: Sequence[ModelMessage]) -> None:
        """Store a run's new messages."""
        await self._journal.append(_items(messages))


def _items(messages: Sequence[ModelMessage]) -> list[tuple[Any, Texts]]:
    try:
        dumped = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
    except PydanticSerializationError as error:
        raise CannotBeKept(f"a message is no JSON: {error}") from error
    if ModelMessagesTypeAdapter.dump_python(ModelMessagesTypeAdapter.validate_python(dumped), mode="json") != dumped:
        raise CannotBeKept("a message would come back changed")
    return [(item, _texts(message)) for item, message in zip(dumped, messages, strict=True)]


def _texts(message: ModelMessage) -> Texts:
    if isinstance(message, ModelResponse):
        return Texts(assistant="\n\n".join(part.content for part in message.parts if isinstance(part, TextPart)))
    prompts = [part.content for part in message.parts if isinstance(part, UserPromptPart)]
    said = [part for prompt in prompts for part in ([prompt] if isinstance(prompt, str) else prompt)]
    return Texts(user="\n\n".join(part for part in said if isinstance(part, str)))


def _messages(texts: Texts) -> list[Any]:
    made: list[ModelMessage] = []
    if texts.user:
        made.append(ModelRequest(parts=[UserPromptPart(texts.user)]))
    if texts.assistant:
        made.append(ModelResponse(parts=[TextPart(texts.assistant)]))
    dumped: list[Any] = ModelMessagesTypeAdapter.dump_python(made, mode="json")
    return dumped
