"""Strands Agents' session repository: `hybrid-memory-client[strands]`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from strands.session import SessionRepository
from strands.types.content import Message
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage

from hybrid_memory_client._items import OnRefused, pairs
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal
from hybrid_memory_client._texts import Step, Texts

if TYPE_CHECKING:
    from strands.multiagent import MultiAgentBase

__all__ = ["HybridSessionRepository"]
_KIND: Final = "strands"
# Where older versions of this package kept the states.
_OLD: Final = "#strands"
# Messages: a session is the first exchange of its thread.
_FIRST_PAGE: Final = 10
# States that are looked at before one that has not changed is stored again all the same.
_MOST_RECENT: Final = 8
_TIMES: Final = ("created_at", "updated_at")


class HybridSessionRepository(SessionRepository):
    """Sessions in the memory, for a `RepositorySessionManager`: tool calls, states and binary contents included.

    All of a session lies in the thread of the session's id. One exchange holds a turn: the user's message, the tool
    calls and their results, the answer, with the texts for other readers. What else Strands keeps (the session, the
    agents' states) lies beside them in the exchanges' metadata, and is stored when it changes. What others have written
    to the thread is not shown to the agents.

    A changed message (a guardrail's redaction) replaces the older one in the turn that this process is adding to.
    Elsewhere it is stored as the newer one, which counts, and **the text that was redacted stays in the memory** for
    other readers; delete the thread to be rid of it.

    Methods raise the client's errors; an outage is never a session that is not there.

    Args:
        client: Of the deployment.
        user_id: Who the threads belong to.
        allow_degraded: Go on without what may be missing when a layer does not answer, rather than raise.
        on_refused: Returns what is to be kept instead of a `SessionMessage` that cannot be; None leaves it out.
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
        return Journal(self._client, _KIND, thread_id, self._user_id, lambda _: [], allow_degraded=self._allow_degraded)

    def _newest_first(self, session_id: str) -> Iterator[dict[str, Any]]:
        """Yield what Strands has stored, newest first; what an older version has stored of states comes last."""
        threads = (session_id, session_id + _OLD)
        return (found.item for found in chain.from_iterable(self._journal(name).newest_first() for name in threads))

    def _state(self, session_id: str, of: str, named: str, most: int | None = None) -> dict[str, Any] | None:
        """Return the newest state of that kind and name.

        Args:
            session_id: The session.
            of: The kind.
            named: The name.
            most: How many items are looked at; all when left out.
        """
        for number, item in enumerate(self._newest_first(session_id)):
            if most is not None and number >= most:
                return None
            if _is_state(item, of, named):
                state: dict[str, Any] = item["state"]
                return state
        return None

    def _note(self, session_id: str, of: str, named: str, state: dict[str, Any]) -> None:
        """Store a state, in the place of its older form where that is possible."""
        item = {"of": of, "id": named, "state": state}
        journal = self._journal(session_id)
        if not journal.revise(item, Texts(), lambda older: _is_state(older, of, named)):
            journal.append([(item, Texts())])

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        """Store a session.

        Raises:
            SessionException: There is one of that id.
        """
        if self.read_session(session.session_id) is not None:
            raise SessionException(f"Session {session.session_id} already exists")
        self._note(session.session_id, "session", session.session_id, session.to_dict())
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        """Return a session, or None."""
        # It never changes, while what follows it is much.
        for thread_id in (session_id, session_id + _OLD):
            for entry in self._journal(thread_id).entries(order="asc", page_size=_FIRST_PAGE):
                for item in entry.items():
                    if _is_state(item, "session", session_id):
                        return Session.from_dict(item["state"])
        return None

    def delete_session(self, session_id: str) -> None:
        """Delete a session with everything in it."""
        self._journal(session_id).clear()
        self._journal(session_id + _OLD).clear()

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent."""
        self._note(session_id, "agent", session_agent.agent_id, session_agent.to_dict())

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        """Return an agent as it was stored last, or None."""
        found = self._state(session_id, "agent", agent_id)
        return SessionAgent.from_dict(found) if found else None

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent's newer state, if it is another.

        Raises:
            SessionException: There is no such agent.
        """
        named = session_agent.agent_id
        recent = self._state(session_id, "agent", named, _MOST_RECENT)
        known = recent or self._state(session_id, "agent", named)
        if known is None:
            raise SessionException(f"Agent {named} is not in session {session_id}")
        session_agent.created_at = known["created_at"]
        state = session_agent.to_dict()
        if recent is None or _timeless(recent) != _timeless(state):
            self._note(session_id, "agent", named, state)

    def create_message(
        self,
        session_id: str,
        agent_id: str,
        session_message: SessionMessage,
        **kwargs: Any,
    ) -> None:
        """Store a message."""
        self._journal(session_id).append(self._pairs(agent_id, session_message))

    def read_message(
        self,
        session_id: str,
        agent_id: str,
        message_id: int,
        **kwargs: Any,
    ) -> SessionMessage | None:
        """Return a message as it was stored last, or None."""
        for found in self._journal(session_id).newest_first():
            if _is_message(found.item, agent_id, message_id):
                return SessionMessage.from_dict(found.item["message"])
        return None

    def update_message(
        self,
        session_id: str,
        agent_id: str,
        session_message: SessionMessage,
        **kwargs: Any,
    ) -> None:
        """Store a message's newer form.

        Raises:
            SessionException: There is no such message.
        """
        message_id = session_message.message_id
        known = self.read_message(session_id, agent_id, message_id)
        if known is None:
            raise SessionException(f"Message {message_id} is not in session {session_id}")
        session_message.created_at = known.created_at
        journal = self._journal(session_id)
        for item, texts in self._pairs(agent_id, session_message):
            if not journal.revise(item, texts, lambda older: _is_message(older, agent_id, message_id)):
                journal.append([(item, Texts())])

    def list_messages(
        self,
        session_id: str,
        agent_id: str,
        limit: int | None = None,
        offset: int = 0,
        **kwargs: Any,
    ) -> list[SessionMessage]:
        """Return an agent's messages in their order, each as it was stored last."""
        found = self._messages(session_id, agent_id)
        return found[offset:] if limit is None else found[offset : offset + limit]

    def _pairs(self, agent_id: str, session_message: SessionMessage) -> list[tuple[Any, Texts]]:
        def pair(each: SessionMessage) -> tuple[Any, Texts]:
            return {"agent_id": agent_id, "message": each.to_dict()}, _texts(each.to_message())

        return pairs([session_message], pair, self._on_refused)

    def _messages(self, session_id: str, agent_id: str) -> list[SessionMessage]:
        by_id: dict[int, SessionMessage] = {}
        for item in self._journal(session_id).read():
            if item.get("agent_id") == agent_id:
                message = SessionMessage.from_dict(item["message"])
                by_id[message.message_id] = message
        return [by_id[number] for number in sorted(by_id)]

    def create_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store the state of a group of agents."""
        self._note(session_id, "multi_agent", multi_agent.id, multi_agent.serialize_state())

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> dict[str, Any] | None:
        """Return the state of a group of agents as it was stored last, or None."""
        return self._state(session_id, "multi_agent", multi_agent_id)

    def update_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store a newer state of a group of agents, if it is another."""
        state = multi_agent.serialize_state()
        recent = self._state(session_id, "multi_agent", multi_agent.id, _MOST_RECENT)
        if recent != state:
            self._note(session_id, "multi_agent", multi_agent.id, state)


def _is_state(item: dict[str, Any], of: str, named: str) -> bool:
    return item.get("of") == of and item.get("id") == named


def _is_message(item: dict[str, Any], agent_id: str, message_id: int) -> bool:
    return item.get("agent_id") == agent_id and bool(item["message"]["message_id"] == message_id)


def _timeless(state: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key not in _TIMES}


def _texts(message: Message) -> Texts:
    text = "\n\n".join(content["text"] for content in message["content"] if "text" in content)
    steps = tuple(step for content in message["content"] if (step := _step(content)))
    if message["role"] != "user":
        return Texts(assistant=text, steps=steps)
    return Texts(user=text, steps=steps, is_prompt=not any("toolResult" in content for content in message["content"]))


def _step(content: Any) -> Step | None:
    if "toolUse" in content:
        use = content["toolUse"]
        return Step("tool_call", use["toolUseId"], use["name"], json.dumps(use["input"], ensure_ascii=False))
    if "toolResult" not in content:
        return None
    result = content["toolResult"]
    texts = [part["text"] for part in result["content"] if "text" in part]
    return Step("tool_result", result["toolUseId"], text="\n\n".join(texts))
