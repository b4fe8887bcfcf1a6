"""Microsoft Agent Framework's history and context providers: `hybrid-memory-client[agent-framework]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agent_framework import (
    AgentSession,
    Content,
    ContextProvider,
    HistoryProvider,
    Message,
    SessionContext,
    SupportsAgentRun,
)

from hybrid_memory_client._async_client import AsyncMemoryClient
from hybrid_memory_client._async_journal import AsyncJournal
from hybrid_memory_client._items import OnRefused, items_from_objects
from hybrid_memory_client._texts import ExchangeTexts, ToolStep
from hybrid_memory_client.errors import CannotBeKept, HistoryDegraded, Unavailable

__all__ = ["HybridContextProvider", "HybridHistoryProvider"]
_FRAMEWORK: Final = "agent_framework"
_RAW: Final = "raw_representation"
_EXCEPTION: Final = "exception"


class HybridHistoryProvider(HistoryProvider):
    """Stores a session's messages, including tool calls and their results, in the thread with the session's id.

    Each run is one exchange. Its texts are the messages of the user and the agent, which other readers of the thread
    see. Exchanges of other programs are returned as text messages.

    A caller may pass the whole conversation at each run. The provider compares it with the end of the thread, and does
    not store the same messages again. If a layer does not respond to this check, messages may be stored twice, but they
    are not lost.

    Reading raises `HistoryDegraded` if a layer does not respond and messages may be missing. Storing raises `NotKept`
    if no store accepted the messages, and `CannotBeKept` for a message that JSON would change. Like the framework, this
    class does not store the raw objects of a model's provider. It stores that a tool raised an exception, but not the
    exception's text.

    Args:
        client: A client of the deployment.
        user_id: The threads' owner.
        source_id: The provider's name in the framework.
        limit: How many of the newest messages are loaded; all if None.
        allow_degraded: Continue even if messages may be missing.
        on_refused: Returns a replacement for a message that cannot be stored; None skips the message.
        options: The framework's own options: `load_messages`, `store_inputs`, `store_outputs`, …
    """

    def __init__(
        self,
        client: AsyncMemoryClient,
        *,
        user_id: str | None = None,
        source_id: str = "hybrid_memory",
        limit: int | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
        **options: Any,
    ) -> None:
        super().__init__(source_id, **options)
        self._on_refused = on_refused
        self._client = client
        self._user_id = user_id
        self._limit = limit
        self._allow_degraded = allow_degraded

    def _journal(self, session_id: str | None) -> AsyncJournal:
        return _journal(self._client, session_id, self._user_id, allow_degraded=self._allow_degraded)

    async def get_messages(
        self,
        session_id: str | None,
        *,
        state: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> list[Message]:
        """Return the session's messages, oldest first."""
        return [Message.from_dict(item) for item in await self._journal(session_id).read(self._limit)]

    async def save_messages(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        state: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Store messages: a run as one exchange, or as several exchanges if it is too large for one."""
        await _store(self._client, session_id, self._user_id, messages, self._on_refused)


class HybridContextProvider(ContextProvider):
    """Adds the memory's context to an agent's instructions before each run: preferences, and the conversation as text.

    Args:
        client: A client of the deployment.
        user_id: The user whose preferences are added.
        history: Whether the conversation in the session's thread is added too. Each run is then stored as the thread's
            next exchange, with its tool calls, which a `HybridHistoryProvider` can read. Set it for an agent without a
            history provider.
        source_id: The provider's name in the framework.
        allow_degraded: Continue even if preferences or exchanges may be missing, instead of raising `HistoryDegraded`.
        on_refused: Returns a replacement for a message that cannot be stored; None skips the message.
    """

    def __init__(
        self,
        client: AsyncMemoryClient,
        *,
        user_id: str | None = None,
        history: bool = False,
        source_id: str = "hybrid_memory_context",
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        super().__init__(source_id)
        self._on_refused = on_refused
        self._client = client
        self._user_id = user_id
        self._history = history
        self._allow_degraded = allow_degraded

    async def before_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, Any],
    ) -> None:
        """Add the memory's context to the instructions."""
        thread_id = context.session_id if self._history else None
        memory = await self._client.invoking(thread_id=thread_id, user_id=self._user_id)
        # PostgreSQL has everything except undrained exchanges. If it does not respond, preferences and exchanges may be
        # missing.
        missing = [layer for layer in memory.degraded if layer == "postgres" or (self._history and layer != "redis")]
        if missing and not self._allow_degraded:
            raise HistoryDegraded(memory.degraded)
        if memory.context:
            context.extend_instructions(self.source_id, memory.context)

    async def after_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, Any],
    ) -> None:
        """Store the exchange if this provider is the history.

        Messages that the caller passed again are not stored twice.
        """
        if not self._history or context.response is None:
            return
        messages = [*context.input_messages, *context.response.messages]
        await _store(self._client, context.session_id, self._user_id, messages, self._on_refused)


def _journal(
    client: AsyncMemoryClient, session_id: str | None, user_id: str | None, *, allow_degraded: bool
) -> AsyncJournal:
    if not session_id:
        raise CannotBeKept("a session without an id has no thread")
    return AsyncJournal(client, _FRAMEWORK, session_id, user_id, _to_messages, allow_degraded=allow_degraded)


async def _store(
    client: AsyncMemoryClient,
    session_id: str | None,
    user_id: str | None,
    messages: Sequence[Message],
    on_refused: OnRefused | None,
) -> None:
    # A failure of this read must not prevent storing.
    journal = _journal(client, session_id, user_id, allow_degraded=True)
    new_messages = list(messages)
    if _may_repeat_turns(new_messages):
        try:
            stored = [Message.from_dict(item) for item in await journal.read(len(new_messages))]
        except Unavailable:
            stored = []
        new_messages = _without_stored(new_messages, stored)
    await journal.append(
        items_from_objects(new_messages, lambda message: (_to_dict(message), _to_texts(message)), on_refused)
    )


def _may_repeat_turns(messages: Sequence[Message]) -> bool:
    """Return whether the messages may include earlier turns: an assistant message precedes a user message."""
    roles = [message.role for message in messages]
    return "assistant" in roles and "user" in roles[roles.index("assistant") :]


def _without_stored(messages: list[Message], stored: list[Message]) -> list[Message]:
    """Return the messages of the conversation that are not stored yet.

    Args:
        messages: The conversation, or its end.
        stored: The newest messages of the thread, at most as many as `messages`.
    """
    for start in range(len(messages) - len(stored) + 1):
        if _is_overlap(stored, messages[start : start + len(stored)]):
            return messages[start + len(stored) :]
    for count in range(min(len(messages), len(stored)), 0, -1):
        if _is_overlap(stored[-count:], messages[:count]):
            return messages[count:]
    return messages


def _is_overlap(stored: Sequence[Message], passed: Sequence[Message]) -> bool:
    if not stored or not all(map(_is_same, stored, passed)):
        return False
    # A user may repeat a message, so one equal user message does not prove that the caller passed it again.
    return len(stored) > 1 or stored[0].role != "user" or stored[0].message_id is not None


def _is_same(one: Message, other: Message) -> bool:
    if one.message_id is not None and other.message_id is not None:
        return one.message_id == other.message_id
    return one.role == other.role and _stored_values(one.contents) == _stored_values(other.contents)


def _to_dict(message: Message) -> dict[str, Any]:
    item: dict[str, Any] = message.to_dict()
    for content in item.get("contents", []):
        for annotation in content.get("annotations", []):
            # The raw objects of a model's provider are not stored.
            annotation.pop(_RAW, None)
    # The framework silently omits values that it cannot serialise.
    if _stored_values(Message.from_dict(item)) != _stored_values(message):
        raise CannotBeKept("a message has a value that is not JSON")
    return item


def _stored_values(value: Any) -> Any:
    """Return all values of a message, except those that the framework omits on purpose."""
    if isinstance(value, (Message, Content)):
        fields = {key: _stored_values(each) for key, each in vars(value).items() if _is_stored(key, each)}
        return fields | _failure_mark(value)
    if isinstance(value, Mapping):
        return {key: _stored_values(each) for key, each in value.items() if key != _RAW}
    return [_stored_values(each) for each in value] if isinstance(value, list) else value


def _is_stored(name: str, value: object) -> bool:
    return name not in {_RAW, _EXCEPTION} and not name.startswith("_") and value not in (None, {})


def _failure_mark(value: Message | Content) -> dict[str, bool]:
    """Return whether a tool failed. The reason is not stored because it may contain secrets."""
    return {_EXCEPTION: True} if getattr(value, _EXCEPTION, None) is not None else {}


def _to_texts(message: Message) -> ExchangeTexts:
    steps = tuple(step for content in message.contents if (step := _to_step(content)))
    if message.role == "user":
        return ExchangeTexts(user=message.text, steps=steps, is_prompt=True)
    return ExchangeTexts(assistant=message.text if message.role == "assistant" else "", steps=steps)


def _to_step(content: Content) -> ToolStep | None:
    if content.type == "function_call":
        return ToolStep("tool_call", str(content.call_id), str(content.name), str(content.arguments or ""))
    if content.type == "function_result":
        return ToolStep("tool_result", str(content.call_id), text=str(content.result or ""))
    return None


def _to_messages(texts: ExchangeTexts) -> list[Any]:
    sides = (("user", texts.user), ("assistant", texts.assistant))
    return [Message(role, [text]).to_dict() for role, text in sides if text]
