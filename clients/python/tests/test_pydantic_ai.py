"""pydantic-ai's messages in the memory, from runs with its test model."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.test import TestModel

from hybrid_memory_client import AsyncMemoryClient, CannotBeKept, HistoryDegraded, MemoryClient, NotKept
from hybrid_memory_client.pydantic_ai import AsyncMessageHistory, MessageHistory

agent = Agent(TestModel())


@agent.tool_plain
def weather(city: str) -> str:
    """Return the weather."""
    return f"Sun in {city} 🎉."


def test_runs_with_tools(client: MemoryClient, thread_id: str, user_id: str) -> None:
    """The next process gets every message of the earlier runs unchanged."""
    messages: list[ModelMessage] = []
    for prompt in ("How is the weather?", "Thank you."):
        history = MessageHistory(client, thread_id, user_id=user_id)
        assert history.load() == messages
        result = agent.run_sync(prompt, message_history=history.load())
        history.save(result.new_messages())
        messages = result.all_messages()
    assert len(messages) == 6
    assert MessageHistory(client, thread_id).load() == messages
    assert MessageHistory(client, thread_id).load(2) == messages[-2:]
    texts = [each.content for each in client.iter_messages(thread_id)]
    assert texts[::2] == ["How is the weather?", "Thank you."]
    assert "Sun in a" in texts[1]


def test_the_asynchronous_history(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """With an `AsyncMemoryClient`, too, the next process gets every message unchanged."""

    async def check() -> None:
        async with async_client as client:
            history = AsyncMessageHistory(client, thread_id)
            result = await agent.run("How is the weather?", message_history=await history.load())
            await history.save(result.new_messages())
            assert await history.load() == result.all_messages()

    asyncio.run(check())


def test_contents_other_than_text(client: MemoryClient, thread_id: str) -> None:
    """Thinking, small and large files, and metadata are read back. An invalid value is refused with its batch."""
    history = MessageHistory(client, thread_id)
    paper = BinaryContent(b"\x00\x01\xff" * 1000, media_type="application/pdf")
    messages: list[ModelMessage] = [
        ModelRequest(parts=[UserPromptPart(["What is it?", paper])], metadata={"a": 1}),
        ModelResponse(parts=[ThinkingPart("Hm.", signature="s"), TextPart("Noise.")]),
    ]
    history.save(messages)
    assert history.load() == messages
    with pytest.raises(CannotBeKept):
        history.save([ModelRequest(parts=[ToolReturnPart("t", "x", "c", metadata=object())])])
    assert len(history.load()) == 2
    assert [each.content for each in client.iter_messages(thread_id)] == ["What is it?", "Noise."]
    large = BinaryContent(bytes(range(256)) * 600, media_type="application/pdf")
    messages.append(ModelRequest(parts=[UserPromptPart(["And this?", large])]))
    history.save(messages[2:])
    assert history.load() == messages


def _agent_with_tool_result(returned: Any) -> Agent:
    def look() -> Any:
        return returned

    return Agent(TestModel(), tools=[look])


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (datetime(2026, 11, 22, 20, 0, tzinfo=UTC), "2026-11-22T20:00:00Z"),
        (date(2026, 11, 22), "2026-11-22"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=7), str(UUID(int=7))),
        (b"\x00abc", "AGFiYw=="),
        ((1, 2), [1, 2]),
        ({"at": date(2026, 11, 22)}, {"at": "2026-11-22"}),
    ],
)
def test_a_tools_result_is_stored_as_json(client: MemoryClient, thread_id: str, returned: Any, shown: Any) -> None:
    """pydantic-ai converts the result to JSON, and a later run continues from it."""
    clock = _agent_with_tool_result(returned)
    history = MessageHistory(client, thread_id)
    history.save(clock.run_sync("What time is it?").new_messages())
    loaded = history.load()
    contents = [part.content for message in loaded for part in message.parts if isinstance(part, ToolReturnPart)]
    assert contents == [shown]
    history.save(clock.run_sync("And now?", message_history=loaded).new_messages())
    assert history.load()[: len(loaded)] == loaded


@pytest.mark.parametrize("returned", [float("nan"), [1, float("inf")], {"a": (float("-inf"),)}])
def test_nan_is_refused(client: MemoryClient, thread_id: str, returned: Any) -> None:
    """NaN and infinity are refused. JSON would turn them into null."""
    result = _agent_with_tool_result(returned).run_sync("How much is it?")
    with pytest.raises(CannotBeKept, match="NaN"):
        MessageHistory(client, thread_id).save(result.new_messages())
    assert MessageHistory(client, thread_id).load() == []


def test_exchanges_of_other_programs(client: MemoryClient, thread_id: str) -> None:
    """Exchanges of other programs are returned as text messages, and a run continues from them."""
    client.invoked("My name is Ada.", "Hello, Ada.", thread_id=thread_id)
    loaded = MessageHistory(client, thread_id).load()
    assert [
        part.content for message in loaded for part in message.parts if isinstance(part, (UserPromptPart, TextPart))
    ] == [
        "My name is Ada.",
        "Hello, Ada.",
    ]
    assert len(agent.run_sync("Thank you.", message_history=loaded).all_messages()) == 4


def test_an_outage_is_not_an_empty_history(outage: MemoryClient) -> None:
    """During an outage, reading and writing raise an error."""
    with pytest.raises(HistoryDegraded):
        MessageHistory(outage, "t").load()
    with pytest.raises(NotKept):
        MessageHistory(outage, "t").save([ModelRequest(parts=[UserPromptPart("Hello")])])
    assert len(MessageHistory(outage, "t", allow_degraded=True).load()) == 2
