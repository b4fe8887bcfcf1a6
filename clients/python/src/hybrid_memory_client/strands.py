"""Strands Agents' session repository: `hybrid-memory-client[strands]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from strands.session import SessionRepository
from strands.types.content import Message
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage

from hybrid_memory_client._items import NewestFirst, Texts
from hybrid_memory_client._sync_client import MemoryClient
from hybrid_memory_client._sync_journal import Journal

if TYPE_CHECKING:
    from strands.multiagent import MultiAgentBase

__all__ = ["HybridSessionRepository"]
_KIND: Final = "strands"
_STATE: Final = "#strands"
# Messages: a session is the first exchange of its second thread.
_FIRST_PAGE: Final = 10


class HybridSessionRepository(SessionRepository):
    """Sessions in the memory, for a `RepositorySessionManager`: tool calls, states and binary contents included.

    The messages of a session's agents are exchanges of the thread of the session's id, one a message, with its text
    for other readers. What else Strands keeps (the session, the agents' states) lies in a second thread,
    `<session_id>#strands`. Both are only added to: a changed message (a guardrail's redaction) and a changed state are
    stored as the newer one, and the newest counts. **The text that was redacted stays in the memory** for other
    readers; delete the thread to be rid of it. What others have written to the thread is not shown to the agents.

    Methods raise the client's errors; an outage is never a session that is not there.

    Args:
        client: Of the deployment.
        user_id: Who the threads belong to.
        allow_degraded: Go on without what may be missing when a layer does not answer, rather than raise.
    """

    def __init__(self, client: MemoryClient, *, user_id: str | None = None, allow_degraded: bool = False) -> None:
        self._client = client
        self._user_id = user_id
        self._allow_degraded = allow_degraded

    def _journal(self, thread_id: str) -> Journal:
        return Journal(self._client, _KIND, thread_id, self._user_id, lambda _: [], allow_degraded=self._allow_degraded)

    def _newest(self, session_id: str, of: str, named: str) -> dict[str, Any] | None:
        """Return the newest state of that kind and name."""
        for entry in self._journal(session_id + _STATE).entries(NewestFirst(_KIND)):
            for item in reversed(entry.items()):
                if item["of"] == of and item["id"] == named:
                    state: dict[str, Any] = item["state"]
                    return state
        return None

    def _note(self, session_id: str, of: str, named: str, state: dict[str, Any]) -> None:
        self._journal(session_id + _STATE).append([({"of": of, "id": named, "state": state}, Texts())])

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
        # It never changes, while the agents' states that follow it are many.
        for entry in self._journal(session_id + _STATE).entries(order="asc", page_size=_FIRST_PAGE):
            for item in entry.items():
                if item["of"] == "session" and item["id"] == session_id:
                    return Session.from_dict(item["state"])
        return None

    def delete_session(self, session_id: str) -> None:
        """Delete a session with everything in it."""
        self._journal(session_id).clear()
        self._journal(session_id + _STATE).clear()

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent."""
        self._note(session_id, "agent", session_agent.agent_id, session_agent.to_dict())

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        """Return an agent as it was stored last, or None."""
        found = self._newest(session_id, "agent", agent_id)
        return SessionAgent.from_dict(found) if found else None

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Store an agent's newer state.

        Raises:
            SessionException: There is no such agent.
        """
        known = self.read_agent(session_id, session_agent.agent_id)
        if known is None:
            raise SessionException(f"Agent {session_agent.agent_id} is not in session {session_id}")
        session_agent.created_at = known.created_at
        self._note(session_id, "agent", session_agent.agent_id, session_agent.to_dict())

    def create_message(
        self,
        session_id: str,
        agent_id: str,
        session_message: SessionMessage,
        **kwargs: Any,
    ) -> None:
        """Store a message."""
        item = {"agent_id": agent_id, "message": session_message.to_dict()}
        self._journal(session_id).append([(item, _texts(session_message.message))])

    def read_message(
        self,
        session_id: str,
        agent_id: str,
        message_id: int,
        **kwargs: Any,
    ) -> SessionMessage | None:
        """Return a message as it was stored last, or None."""
        return next((each for each in self._messages(session_id, agent_id) if each.message_id == message_id), None)

    def update_message(
        self,
        session_id: str,
        agent_id: str,
        session_message: SessionMessage,
        **kwargs: Any,
    ) -> None:
        """Store a message's newer form; what it replaces stays for other readers of the thread.

        Raises:
            SessionException: There is no such message.
        """
        known = self.read_message(session_id, agent_id, session_message.message_id)
        if known is None:
            raise SessionException(f"Message {session_message.message_id} is not in session {session_id}")
        session_message.created_at = known.created_at
        item = {"agent_id": agent_id, "message": session_message.to_dict()}
        self._journal(session_id).append([(item, Texts())])

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

    def _messages(self, session_id: str, agent_id: str) -> list[SessionMessage]:
        by_id: dict[int, SessionMessage] = {}
        for item in self._journal(session_id).read():
            if item["agent_id"] == agent_id:
                message = SessionMessage.from_dict(item["message"])
                by_id[message.message_id] = message
        return [by_id[number] for number in sorted(by_id)]

    def create_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store the state of a group of agents."""
        self._note(session_id, "multi_agent", multi_agent.id, multi_agent.serialize_state())

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> dict[str, Any] | None:
        """Return the state of a group of agents as it was stored last, or None."""
        return self._newest(session_id, "multi_agent", multi_agent_id)

    def update_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Store a newer state of a group of agents."""
        self._note(session_id, "multi_agent", multi_agent.id, multi_agent.serialize_state())


def _texts(message: Message) -> Texts:
    text = "\n\n".join(content["text"] for content in message["content"] if "text" in content)
    return Texts(user=text) if message["role"] == "user" else Texts(assistant=text)
