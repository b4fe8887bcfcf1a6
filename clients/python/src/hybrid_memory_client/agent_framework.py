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
from hybrid_memory_client._items import OnRefused, pairs
from hybrid_memory_client._texts import Step, Texts
from hybrid_memory_client.errors import CannotBeKept, HistoryDegraded, Unavailable

__all__ = ["HybridContextProvider", "HybridHistoryProvider"]
_KIND: Final = "agent_framework"
_RAW: Final = "raw_representation"
_EXCEPTION: Final = "exception"


class HybridHistoryProvider(HistoryProvider):
    """Keeps a session's messages in the thread of the session's id, tool calls and their results included.

    One exchange a run, whose texts are what the user and the agent have said: that is what other readers of the thread
    see. What others have written to the thread comes as text messages.

    A caller may pass the conversation so far at each run: what the thread ends with already is not stored again. If
    that cannot be looked up because a layer does not answer, messages may be stored twice rather than not at all.

    Reading raises `HistoryDegraded` when a layer does not answer and messages may be missing; storing raises `NotKept`
    when no store took them, and `CannotBeKept` for a message that would come back changed. What the framework itself
    leaves out of a stored message is left out here: the provider's own objects, and the text of a tool's exception, in
    whose place its own marker stands.

    Args:
        client: Of the deployment.
        user_id: Who the threads belong to.
        source_id: The provider's name in the framework.
        limit: How many of the newest messages are loaded; all when left out.
        allow_degraded: Go on without what may be missing.
        on_refused: Returns what is to be kept instead of a message that cannot be; None leaves it out.
        options: The framework's own: `load_messages`, `store_inputs`, `store_outputs`, …
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
        """Store messages: a run as one exchange, or as several when it is too large for one."""
        await _keep(self._client, session_id, self._user_id, messages, self._on_refused)


class HybridContextProvider(ContextProvider):
    """Tells an agent before each run what the memory holds: the user's preferences, and the conversation as text.

    Args:
        client: Of the deployment.
        user_id: Whose preferences.
        history: Whether the conversation in the session's thread is told too, and the run kept as its next exchange:
            for an agent without a history provider. Tool calls are kept too, and a `HybridHistoryProvider` finds them.
        source_id: The provider's name in the framework.
        allow_degraded: Go on when a layer that the history may be in did not answer, rather than raise
            `HistoryDegraded`.
        on_refused: Returns what is to be kept instead of a message that cannot be; None leaves it out.
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
        """Add what the memory holds to the instructions."""
        thread_id = context.session_id if self._history else None
        found = await self._client.invoking(thread_id=thread_id, user_id=self._user_id)
        # PostgreSQL has all but what is not drained yet; without it, preferences and exchanges may be missing.
        missing = [layer for layer in found.degraded if layer == "postgres" or (self._history and layer != "redis")]
        if missing and not self._allow_degraded:
            raise HistoryDegraded(found.degraded)
        if found.context:
            context.extend_instructions(self.source_id, found.context)

    async def after_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, Any],
    ) -> None:
        """Keep the exchange, if this provider is the history; not what the caller has passed of it once more."""
        if not self._history or context.response is None:
            return
        messages = [*context.input_messages, *context.response.messages]
        await _keep(self._client, context.session_id, self._user_id, messages, self._on_refused)


def _journal(
    client: AsyncMemoryClient, session_id: str | None, user_id: str | None, *, allow_degraded: bool
) -> AsyncJournal:
    if not session_id:
        raise CannotBeKept("a session without an id has no thread")
    return AsyncJournal(client, _KIND, session_id, user_id, _messages, allow_degraded=allow_degraded)


async def _keep(
    client: AsyncMemoryClient,
    session_id: str | None,
    user_id: str | None,
    messages: Sequence[Message],
    on_refused: OnRefused | None,
) -> None:
    # What stops a look at what is kept must not stop the keeping.
    journal = _journal(client, session_id, user_id, allow_degraded=True)
    new = list(messages)
    if _may_be_replayed(new):
        try:
            kept = [Message.from_dict(item) for item in await journal.read(len(new))]
        except Unavailable:
            kept = []
        new = _new_of(new, kept)
    await journal.append(pairs(new, lambda message: (_item(message), _texts(message)), on_refused))


def _may_be_replayed(messages: Sequence[Message]) -> bool:
    """Return whether the agent has spoken before the user's last message: a run alone is asked, then answers."""
    roles = [message.role for message in messages]
    return "assistant" in roles and "user" in roles[roles.index("assistant") :]


def _new_of(messages: list[Message], kept: list[Message]) -> list[Message]:
    """Return what follows, in a conversation that may be told from its beginning, the newest of what is kept of it.

    Args:
        messages: The conversation, or its end.
        kept: The newest messages of the thread, as many as there are of the others, or all.
    """
    for start in range(len(messages) - len(kept) + 1):
        if _is_overlap(kept, messages[start : start + len(kept)]):
            return messages[start + len(kept) :]
    for count in range(min(len(messages), len(kept)), 0, -1):
        if _is_overlap(kept[-count:], messages[:count]):
            return messages[count:]
    return messages


def _is_overlap(kept: Sequence[Message], told: Sequence[Message]) -> bool:
    if not kept or not all(map(_is_same, kept, told)):
        return False
    # That a user says the same once more shows nothing by itself.
    return len(kept) > 1 or kept[0].role != "user" or kept[0].message_id is not None


def _is_same(one: Message, other: Message) -> bool:
    if one.message_id is not None and other.message_id is not None:
        return one.message_id == other.message_id
    return one.role == other.role and _state(one.contents) == _state(other.contents)


def _item(message: Message) -> dict[str, Any]:
    item: dict[str, Any] = message.to_dict()
    for content in item.get("contents", []):
        for annotation in content.get("annotations", []):
            # The provider's own object, as everywhere else.
            annotation.pop(_RAW, None)
    # The framework leaves out what it cannot serialise, without a word.
    if _state(Message.from_dict(item)) != _state(message):
        raise CannotBeKept("a message would come back changed: it holds what is no JSON")
    return item


def _state(value: Any) -> Any:
    """Return all that a message holds, but for what the framework leaves out on purpose."""
    if isinstance(value, (Message, Content)):
        return {key: _state(each) for key, each in vars(value).items() if _is_kept(key, each)} | _failure(value)
    if isinstance(value, Mapping):
        return {key: _state(each) for key, each in value.items() if key != _RAW}
    return [_state(each) for each in value] if isinstance(value, list) else value


def _is_kept(name: str, value: object) -> bool:
    return name not in {_RAW, _EXCEPTION} and not name.startswith("_") and value not in (None, {})


def _failure(value: Message | Content) -> dict[str, bool]:
    """Return whether a tool has failed; why is not stored, because it may be secret."""
    return {_EXCEPTION: True} if getattr(value, _EXCEPTION, None) is not None else {}


def _texts(message: Message) -> Texts:
    steps = tuple(step for content in message.contents if (step := _step(content)))
    if message.role == "user":
        return Texts(user=message.text, steps=steps, is_prompt=True)
    return Texts(assistant=message.text if message.role == "assistant" else "", steps=steps)


def _step(content: Content) -> Step | None:
    if content.type == "function_call":
        return Step("tool_call", str(content.call_id), str(content.name), str(content.arguments or ""))
    if content.type == "function_result":
        return Step("tool_result", str(content.call_id), text=str(content.result or ""))
    return None


def _messages(texts: Texts) -> list[Any]:
    sides = (("user", texts.user), ("assistant", texts.assistant))
    return [Message(role, [text]).to_dict() for role, text in sides if text]
