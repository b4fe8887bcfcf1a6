"""Strands' agents with sessions in the memory, compared with Strands' own file sessions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from offline.script import ToolCall
from offline.strands_model import OfflineModel
from strands import Agent, tool
from strands.session import FileSessionManager, RepositorySessionManager
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from hybrid_memory_client import CannotBeKept, HistoryDegraded, MemoryClient, NotKept
from hybrid_memory_client.strands import HybridSessionRepository


@tool
def weather(city: str) -> str:
    """Return the weather."""
    return f"Sun in {city} 🎉."


def _plain(messages: Any) -> list[Any]:
    """Return messages without the ids that Strands generates."""
    return [{"role": each["role"], "content": each["content"]} for each in messages]


def test_another_process_continues_runs_with_tools(client: MemoryClient, thread_id: str, tmp_path: Path) -> None:
    """The model gets the same messages as with Strands' own file sessions, and the agent's state is restored."""
    shown = []
    factories: list[Callable[[], RepositorySessionManager]] = [
        lambda: RepositorySessionManager(thread_id, HybridSessionRepository(client)),
        lambda: FileSessionManager(thread_id, storage_dir=str(tmp_path)),
    ]
    for create in factories:
        model = OfflineModel(ToolCall("weather", {"city": "Köln"}), "Sunny.", "You are welcome.")
        for number, prompt in enumerate(("How is the weather?", "Thank you.")):
            agent = Agent(model=model, tools=[weather], session_manager=create(), callback_handler=None)
            assert agent.state.get("asked") == (number or None)
            agent.state.set("asked", number + 1)
            agent(prompt)
        shown.append(_plain(model.shown))
    assert shown[0] == shown[1]
    assert [next(iter(content)) for each in shown[0] for content in each["content"]] == [
        "text",
        "toolUse",
        "toolResult",
        "text",
        "text",
    ]
    texts = [(each.role, each.content) for each in client.iter_messages(thread_id) if each.content]
    assert texts == [
        ("user", "How is the weather?"),
        ("assistant", "Sunny."),
        ("user", "Thank you."),
        ("assistant", "You are welcome."),
    ]


@pytest.fixture
def repository(client: MemoryClient) -> HybridSessionRepository:
    """Return a repository."""
    return HybridSessionRepository(client)


def _message(number: int, *content: Any, role: str = "user") -> SessionMessage:
    return SessionMessage({"role": role, "content": list(content)}, number)  # type: ignore[typeddict-item] # any role


def test_sessions_and_agents(repository: HybridSessionRepository, thread_id: str) -> None:
    """A missing session is None, a duplicate is an error, and the newest state is returned."""
    assert repository.read_session(thread_id) is None
    assert repository.read_agent(thread_id, "a") is None
    session = Session(thread_id, SessionType.AGENT)
    repository.create_session(session)
    assert repository.read_session(thread_id) == session
    with pytest.raises(SessionException):
        repository.create_session(session)
    with pytest.raises(SessionException):
        repository.update_agent(thread_id, SessionAgent("a", {}, {}))
    for agent_id in ("a", "b"):
        repository.create_agent(thread_id, SessionAgent(agent_id, {"of": agent_id}, {}))
    repository.update_agent(thread_id, SessionAgent("a", {"n": 2, "raw": b"\x00\xff"}, {"m": 1}))
    agent_state = repository.read_agent(thread_id, "a")
    assert agent_state is not None
    assert (agent_state.state, agent_state.conversation_manager_state) == ({"n": 2, "raw": b"\x00\xff"}, {"m": 1})
    other = repository.read_agent(thread_id, "b")
    assert other is not None
    assert other.state == {"of": "b"}
    repository.delete_session(thread_id)
    assert repository.read_session(thread_id) is None
    with pytest.raises(SessionException, match=thread_id):
        repository.delete_session(thread_id)


def test_groups_of_agents(repository: HybridSessionRepository, thread_id: str, tmp_path: Path) -> None:
    """As in Strands' own sessions, the newest state is returned, and a missing group cannot be changed."""
    file_sessions = FileSessionManager(thread_id, storage_dir=str(tmp_path))
    repository.create_session(Session(thread_id, SessionType.AGENT))
    for each in (file_sessions, repository):
        with pytest.raises(SessionException, match="group"):
            each.update_multi_agent(thread_id, _group(1))
        each.create_multi_agent(thread_id, _group(1))
        each.update_multi_agent(thread_id, _group(2))
        assert each.read_multi_agent(thread_id, "group") == {"id": "group", "round": 2}


def _group(number: int) -> Any:
    return SimpleNamespace(id="group", serialize_state=lambda: {"id": "group", "round": number})


def test_reading_a_long_session_needs_one_request(url: str, thread_id: str) -> None:
    """The session needs one request, because it is in the first exchange. An agent's newest state needs another one."""
    requests: list[httpx.Request] = []
    with (
        httpx.Client(event_hooks={"request": [requests.append]}) as http,
        MemoryClient(url, http_client=http) as client,
    ):
        repository = HybridSessionRepository(client)
        session = Session(thread_id, SessionType.AGENT)
        repository.create_session(session)
        repository.create_agent(thread_id, SessionAgent("a", {}, {}))
        for number in range(120):
            repository.create_agent(thread_id, SessionAgent("a", {"n": number}, {}))
        requests.clear()
        assert repository.read_session(thread_id) == session
        agent_state = repository.read_agent(thread_id, "a")
        assert agent_state is not None
        assert agent_state.state == {"n": 119}
        assert len(requests) == 2
        # Exchanges of other programs do not belong to the session.
        client.invoked("My name is Ada.", "Hello, Ada.", thread_id=thread_id)
        assert repository.list_messages(thread_id, "a") == []


def test_messages(repository: HybridSessionRepository, client: MemoryClient, thread_id: str) -> None:
    """An agent's messages are returned in the order of their numbers, in pages, including bytes."""
    picture = {"image": {"format": "png", "source": {"bytes": b"\x00\x01\xff"}}}
    messages = [_message(0, {"text": "What is it?"}, picture), _message(1, {"text": "Noise."}, role="assistant")]
    for each in messages:
        repository.create_message(thread_id, "a", each)
    repository.create_message(thread_id, "b", _message(0, {"text": "Other."}))
    assert repository.list_messages(thread_id, "a") == messages
    assert repository.list_messages(thread_id, "a", limit=1) == messages[:1]
    assert repository.list_messages(thread_id, "a", limit=5, offset=1) == messages[1:]
    assert repository.read_message(thread_id, "a", 1) == messages[1]
    assert repository.read_message(thread_id, "a", 7) is None
    assert repository.list_messages(thread_id, "nobody") == []
    # A guardrail's redaction: this agent reads the newer version, other readers still see the older text.
    messages[0].redact_message = {"role": "user", "content": [{"text": "[redacted]"}]}
    repository.update_message(thread_id, "a", messages[0])
    assert next(each.to_message()["content"] for each in repository.list_messages(thread_id, "a")) == [
        {"text": "[redacted]"}
    ]
    assert next(client.iter_messages(thread_id)).content == "What is it?"
    with pytest.raises(SessionException):
        repository.update_message(thread_id, "a", _message(9, {"text": "x"}))


def test_a_message_that_cannot_be_stored(
    repository: HybridSessionRepository, outage: MemoryClient, thread_id: str
) -> None:
    """An invalid message is refused, a large picture is stored, and an outage is not reported as a missing session."""
    with pytest.raises(CannotBeKept):
        repository.create_message(thread_id, "a", _message(0, {"text": "NUL \x00"}))
    assert repository.list_messages(thread_id, "a") == []
    large = _message(0, {"image": {"format": "png", "source": {"bytes": bytes(range(256)) * 600}}})
    repository.create_message(thread_id, "a", large)
    assert repository.list_messages(thread_id, "a") == [large]
    outage_repository = HybridSessionRepository(outage)
    with pytest.raises(HistoryDegraded):
        outage_repository.read_session(thread_id)
    with pytest.raises(HistoryDegraded):
        outage_repository.list_messages(thread_id, "a")
    with pytest.raises(NotKept):
        outage_repository.create_message(thread_id, "a", _message(0, {"text": "x"}))
