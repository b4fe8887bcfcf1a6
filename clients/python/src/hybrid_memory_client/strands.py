"""A session repository for Strands Agents: `hybrid-memory-client[strands]`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from strands.session import SessionRepository
from strands.types.content import Message
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage

from hybrid_memory_client._items import OnRefused, items_from_objects
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client._texts import ExchangeTexts, ToolStep

if TYPE_CHECKING:
    from strands.multiagent import MultiAgentBase

__all__ = ["HybridSessionRepository"]
_FRAMEWORK: Final = "strands"
# The suffix of the thread in which older versions of this package stored states.
_OLD_SUFFIX: Final = "#strands"
# Few messages are enough: the session is in the first exchange of its thread.
_FIRST_PAGE: Final = 10
# An unchanged state is stored again if it is not among this many newest items.
_RECENT_ITEMS: Final = 8
_TIMES: Final = ("created_at", "updated_at")


class HybridSessionRepository(SessionRepository):
    """Sessions in the memory for a `RepositorySessionManager`, including tool calls, states and binary contents.

    A session is stored in the thread with the session's id. One exchange contains a turn: the user's message, the tool
    calls and their results, and the answer, with texts for other readers. The session and the agents' states are stored
    in the exchanges' metadata whenever they change. Agents do not see exchanges of other programs.

    A changed message, such as a redaction by a guardrail, replaces the older version if this process still adds items
    to the exchange that contains it. Otherwise the changed message is stored in addition. Agents then read only the
    newer version, but **the redacted text stays in the memory** for other readers. Delete the thread to remove the
    text.

    Methods raise the client's errors. An outage is never reported as a missing session.

    Args:
        client: A client of the deployment.
        user_id: The threads' owner.
        allow_degraded: If a layer does not respond, continue even if messages may be missing.
        on_refused: Returns a replacement for a `SessionMessage` that cannot be stored; None skips the message.
    """

    def __init__(
        self,
        client: MemoryClient,
        *,
        user_id: str | None = None,
        allow_degraded: bool = False,
        on_refused: OnRefused | None = None,
    ) -> None:
        self._client = client
        self._user_id = user_id
        self._allow_degraded = allow_degraded
        self._on_refused = on_refused

    def _journal(self, thread_id: str) -> Journal:
        return Journal(
            self._client, _FRAMEWORK, thread_id, self._user_id, lambda _: [], allow_degraded=self._allow_degraded
        )

    def _newest_first(self, session_id: str) -> Iterator[dict[str, Any]]:
        """Yield the items that Strands stored, newest first, then the states that an older version stored."""
        threads = (session_id, session_id + _OLD_SUFFIX)
        return (
            candidate.item
            for candidate in chain.from_iterable(self._journal(name).iter_newest_first() for name in threads)
        )

    def _read_state(
        self, session_id: str, kind: str, item_id: str, max_items: int | None = None
    ) -> dict[str, Any] | None:
        """Return the newest state of a session, agent or group of agents.

        Args:
            session_id: The session.
            kind: `session`, `agent` or `multi_agent`.
            item_id: The id of the session, agent or group.
            max_items: Maximum number of items to search; all if None.
        """
        for number, item in enumerate(self._newest_first(session_id)):
            if max_items is not None and number >= max_items:
                return None
            if _is_state(item, kind, item_id):
                state: dict[str, Any] = item["state"]
                return state
        return None

    def _store_state(self, session_id: str, kind: str, item_id: str, state: dict[str, Any]) -> None:
        """Store a state; replace its older version if possible."""
        item = {"of": kind, "id": item_id, "state": state}
        journal = self._journal(session_id)
        if not journal.revise(item, ExchangeTexts(), lambda older: _is_state(older, kind, item_id)):
            journal.append([(item, ExchangeTexts())])

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        """Store a session.

        Raises:
            SessionException: A session with this id exists.
        """
        if self.read_session(session.session_id) is not None:
            raise SessionException(f"Session {session.session_id} already exists")
        self._store_state(session.session_id, "session", session.session_id, session.to_dict())
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        """Return a session, or None."""
        # A session never changes, and it is in the oldest exchange, so the oldest exchanges are read first.
        for thread_id in (session_id, session_id + _OLD_SUFFIX):
            for exchange in self._journal(thread_id).read_exchanges(order="asc", page_size=_FIRST_PAGE):
                for item in exchange.items():
                    if _is_state(item, "session", session_id):
                        return Session.from_dict(item["state"])
        return None

    def delete_session(self, session_id: str) -> None:
        """Delete a session and everything in it.

        Raises:
            SessionException: The session does not exist.
        """
        # Delete both threads, even if the first one does not exist.
        existed, old_existed = self._journal(session_id).clear(), self._journal(session_id + _OLD_SUFFIX).clear()
        if not (existed or old_existed):
            raise SessionException(f"Session {session_id} does not exist")

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent."""
        self._store_state(session_id, "agent", session_agent.agent_id, session_agent.to_dict())

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        """Return the last stored version of an agent, or None."""
        state = self._read_state(session_id, "agent", agent_id)
        return SessionAgent.from_dict(state) if state else None

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent's state if it has changed.

        Raises:
            SessionException: The agent does not exist.
        """
        agent_id = session_agent.agent_id
        recent = self._read_state(session_id, "agent", agent_id, _RECENT_ITEMS)
        stored = recent or self._read_state(session_id, "agent", agent_id)
        if stored is None:
            raise SessionException(f"Agent {agent_id} is not in session {session_id}")
        session_agent.created_at = stored["created_at"]
        state = session_agent.to_dict()
        if recent is None or _without_times(recent) != _without_times(state):
            self._store_state(session_id, "agent", agent_id, state)

    def create_message(
        self,
        session_id: str,
        agent_id: str,
        session_message: SessionMessage,
        **kwargs: Any,
    ) -> None:
        """Store a message."""
        self._journal(session_id).append(self._to_items(agent_id, session_message))

    def read_message(
        self,
        session_id: str,
        agent_id: str,
        message_id: int,
        **kwargs: Any,
    ) -> SessionMessage | None:
        """Return the last stored version of a message, or None."""
        for stored in self._journal(session_id).iter_newest_first():
            if _is_message(stored.item, agent_id, message_id):
                return SessionMessage.from_dict(stored.item["message"])
        return None

    def update_message(
        self,
        session_id: str,
        agent_id: str,
        session_message: SessionMessage,
        **kwargs: Any,
    ) -> None:
        """Store a newer version of a message.

        Raises:
            SessionException: The message does not exist.
        """
        message_id = session_message.message_id
        stored = self.read_message(session_id, agent_id, message_id)
        if stored is None:
            raise SessionException(f"Message {message_id} is not in session {session_id}")
        session_message.created_at = stored.created_at
        journal = self._journal(session_id)
        for item, texts in self._to_items(agent_id, session_message):
            if not journal.revise(item, texts, lambda older: _is_message(older, agent_id, message_id)):
                journal.append([(item, ExchangeTexts())])

    def list_messages(
        self,
        session_id: str,
        agent_id: str,
        limit: int | None = None,
        offset: int = 0,
        **kwargs: Any,
    ) -> list[SessionMessage]:
        """Return the last stored version of each of an agent's messages, in order."""
        messages = self._messages(session_id, agent_id)
        return messages[offset:] if limit is None else messages[offset : offset + limit]

    def _to_items(self, agent_id: str, session_message: SessionMessage) -> list[tuple[Any, ExchangeTexts]]:
        def convert(each: SessionMessage) -> tuple[Any, ExchangeTexts]:
            return {"agent_id": agent_id, "message": each.to_dict()}, _to_texts(each.to_message())

        return items_from_objects([session_message], convert, self._on_refused)

    def _messages(self, session_id: str, agent_id: str) -> list[SessionMessage]:
        by_id: dict[int, SessionMessage] = {}
        for item in self._journal(session_id).read():
            if item.get("agent_id") == agent_id:
                message = SessionMessage.from_dict(item["message"])
                by_id[message.message_id] = message
        return [by_id[number] for number in sorted(by_id)]

    def create_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store the state of a group of agents."""
        self._store_state(session_id, "multi_agent", multi_agent.id, multi_agent.serialize_state())

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> dict[str, Any] | None:
        """Return the last stored state of a group of agents, or None."""
        return self._read_state(session_id, "multi_agent", multi_agent_id)

    def update_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store the state of a group of agents if it has changed.

        Raises:
            SessionException: The group does not exist.
        """
        state = multi_agent.serialize_state()
        recent = self._read_state(session_id, "multi_agent", multi_agent.id, _RECENT_ITEMS)
        if recent is None and self.read_multi_agent(session_id, multi_agent.id) is None:
            raise SessionException(f"MultiAgent state {multi_agent.id} in session {session_id} does not exist")
        if recent != state:
            self._store_state(session_id, "multi_agent", multi_agent.id, state)


def _is_state(item: dict[str, Any], kind: str, item_id: str) -> bool:
    return item.get("of") == kind and item.get("id") == item_id


def _is_message(item: dict[str, Any], agent_id: str, message_id: int) -> bool:
    return item.get("agent_id") == agent_id and bool(item["message"]["message_id"] == message_id)


def _without_times(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in _TIMES}


def _to_texts(message: Message) -> ExchangeTexts:
    text = "\n\n".join(content["text"] for content in message["content"] if "text" in content)
    steps = tuple(step for content in message["content"] if (step := _to_step(content)))
    if message["role"] != "user":
        return ExchangeTexts(assistant=text, steps=steps)
    return ExchangeTexts(
        user=text, steps=steps, is_prompt=not any("toolResult" in content for content in message["content"])
    )


def _to_step(content: Any) -> ToolStep | None:
    if "toolUse" in content:
        use = content["toolUse"]
        return ToolStep("tool_call", use["toolUseId"], use["name"], json.dumps(use["input"], ensure_ascii=False))
    if "toolResult" not in content:
        return None
    result = content["toolResult"]
    texts = [part["text"] for part in result["content"] if "text" in part]
    return ToolStep("tool_result", result["toolUseId"], text="\n\n".join(texts))
