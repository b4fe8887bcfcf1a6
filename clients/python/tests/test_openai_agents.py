"""The OpenAI Agents SDK's runner with a session in the memory, compared with the SDK's own SQLite session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from agents import Agent, Runner, Session, SessionSettings, SQLiteSession, function_tool, set_tracing_disabled
from offline.openai_agents_model import OfflineModel
from offline.script import ToolCall

from hybrid_memory_client import AsyncMemoryClient, CannotBeKept, HistoryDegraded, MemoryClient, NotKept
from hybrid_memory_client.openai_agents import HybridMemorySession

set_tracing_disabled(disabled=True)


@function_tool
def weather(city: str) -> str:
    """Return the weather."""
    return f"Sun in {city}."


def user(text: str) -> Any:
    """Return a user item."""
    return {"role": "user", "content": text}


CALL: Any = {"type": "function_call", "name": "weather", "arguments": '{"city": "Köln"}', "call_id": "c1"}
OUTPUT: Any = {"type": "function_call_output", "call_id": "c1", "output": "Sun 🎉"}


def output(value: object) -> Any:
    """Return the tool's output item with another value."""
    return {**OUTPUT, "output": value}


async def _assert_equal_items(session: Session, other: Session) -> list[Any]:
    """Check that two sessions have equal items, except for generated ids, and return the items."""
    shown = [[{**item, "id": ""} for item in await each.get_items()] for each in (session, other)]
    assert shown[0] == shown[1]
    return shown[0]


def test_another_process_continues_runs_with_tools(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """Every item is stored as in the SDK's own session, and the model gets all of them."""

    async def check() -> None:
        async with async_client as client:
            sdk_session = SQLiteSession("s")
            sessions: list[Callable[[], Session]] = [
                lambda: HybridMemorySession(thread_id, client),
                lambda: sdk_session,
            ]
            for create in sessions:
                model = OfflineModel(ToolCall("weather", {"city": "Köln"}), "Sunny.", "You are welcome.")
                agent = Agent(name="assistant", model=model, tools=[weather])
                for prompt, shown in (("How is the weather?", 3), ("Thank you.", 5)):
                    await Runner.run(agent, prompt, session=create())
                    assert len(model.shown) == shown
            items = await _assert_equal_items(sessions[0](), sdk_session)
            assert [item.get("type") or item["role"] for item in items] == [
                "user",
                "function_call",
                "function_call_output",
                "message",
                "user",
                "message",
            ]
            texts = [(m.role, m.content) async for m in client.iter_messages(thread_id) if m.content]
            assert texts == [
                ("user", "How is the weather?"),
                ("assistant", "Sunny."),
                ("user", "Thank you."),
                ("assistant", "You are welcome."),
            ]

    asyncio.run(check())


def test_a_failed_run_keeps_its_items(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """A new process reads the messages and tool calls from before the failure."""

    async def check() -> None:
        async with async_client as client:
            model = OfflineModel(ToolCall("weather", {"city": "Köln"}), RuntimeError("gone"))
            agent = Agent(name="assistant", model=model, tools=[weather])
            with pytest.raises(RuntimeError, match="gone"):
                await Runner.run(agent, "How is the weather?", session=HybridMemorySession(thread_id, client))
            stored = await HybridMemorySession(thread_id, client).get_items()
            assert [item.get("type") or item.get("role") for item in stored] == [
                "user",
                "function_call",
                "function_call_output",
            ]

    asyncio.run(check())


def test_limits_and_pops(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """Limits and pops in any order have the same results as the SDK's own session."""

    async def check() -> None:
        async with async_client as client:
            session, sdk_session = HybridMemorySession(thread_id, client), SQLiteSession("s")
            for each in (session, sdk_session):
                await each.add_items([user("one"), CALL])
                await each.add_items([OUTPUT])
                await each.add_items([])
                await each.add_items([{"role": "assistant", "content": "two"}, user("three")])
            for limit in (None, 0, 1, 3, 4, 9):
                assert await session.get_items(limit) == await sdk_session.get_items(limit), limit
            for _ in range(3):
                assert await session.pop_item() == await sdk_session.pop_item()
            for each in (session, sdk_session):
                await each.add_items([user("four")])
            for limit in (None, 1, 2):
                assert await session.get_items(limit) == await sdk_session.get_items(limit), limit
            for _ in range(4):
                assert await HybridMemorySession(thread_id, client).pop_item() == await sdk_session.pop_item()
            assert await session.get_items() == []

    asyncio.run(check())


def test_concurrent_retractions(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """Each caller gets a different item, and none is lost."""

    async def check() -> None:
        async with async_client as client:
            added = [user(f"{number}") for number in range(6)]
            await HybridMemorySession(thread_id, client).add_items(added[:3])
            await HybridMemorySession(thread_id, client).add_items(added[3:])
            popped_items = await asyncio.gather(*(HybridMemorySession(thread_id, client).pop_item() for _ in range(8)))
            distinct_items = sorted((item for item in popped_items if item is not None), key=str)
            assert distinct_items == sorted(added, key=str)
            assert await HybridMemorySession(thread_id, client).get_items() == []

    asyncio.run(check())


def test_a_turn_is_one_exchange(async_client: AsyncMemoryClient, client: MemoryClient, thread_id: str) -> None:
    """A turn is one exchange. Its tool steps are in the exchange's metadata, for every reader."""

    async def check() -> None:
        async with async_client as memory:
            for number in range(2):
                model = OfflineModel(ToolCall("weather", {"city": "Köln"}, id=f"c{number}"), "Sunny.")
                agent = Agent(name="assistant", model=model, tools=[weather])
                await Runner.run(agent, "How is the weather?", session=HybridMemorySession(thread_id, memory))

    asyncio.run(check())
    messages = list(client.iter_messages(thread_id))
    assert [each.content for each in messages] == ["How is the weather?", "Sunny."] * 2
    assert messages[0].metadata is not None
    assert [step["type"] for step in messages[0].metadata["steps"]] == ["tool_call", "tool_result"]
    assert "kind" not in messages[0].metadata


def test_the_session_implements_the_sdks_protocol(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """The SDK accepts the class as a session, and the session applies the SDK's settings."""

    async def check() -> None:
        async with async_client as client:
            session = HybridMemorySession(thread_id, client, session_settings=SessionSettings(limit=1))
            assert isinstance(session, Session)
            await session.add_items([user("one"), user("two")])
            assert await session.get_items() == [user("two")]

    asyncio.run(check())


def test_settings_match_the_sdks_own_sessions(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """As in the SDK's own session, settings may be omitted or a dictionary. An unknown name is refused."""

    async def check() -> None:
        async with async_client as client:
            for settings in (None, {"limit": 1}, SessionSettings(limit=1)):
                sdk_session = SQLiteSession(thread_id, session_settings=settings)
                session = HybridMemorySession(thread_id, client, session_settings=settings)
                assert session.session_settings == sdk_session.session_settings
            await session.add_items([user("one"), user("two")])
            assert await session.get_items() == [user("two")]
            assert await session.get_items(5) == [user("one"), user("two")]
            with pytest.raises(TypeError, match="limitt"):
                HybridMemorySession(thread_id, client, session_settings={"limitt": 1})

    asyncio.run(check())


def test_clearing_deletes_the_thread(async_client: AsyncMemoryClient, client: MemoryClient, thread_id: str) -> None:
    """Clearing a session deletes the thread, even if it does not exist. The thread can be used again."""

    async def check() -> None:
        async with async_client as memory:
            session = HybridMemorySession(thread_id, memory)
            await session.clear_session()
            await session.add_items([user("one")])
            await session.clear_session()
            assert await session.get_items() == []
            await session.add_items([user("two")])
            assert await session.get_items() == [user("two")]

    asyncio.run(check())
    assert [each.content for each in client.read_messages(thread_id).items] == ["two", ""]


def test_exchanges_of_other_programs_are_messages(
    async_client: AsyncMemoryClient, client: MemoryClient, thread_id: str
) -> None:
    """Exchanges of other programs, such as the service's agent, are returned as items.

    These items can be retracted like any other item.
    """
    client.run("My name is Ada.", thread_id=thread_id)

    async def check() -> None:
        async with async_client as memory:
            session = HybridMemorySession(thread_id, memory)
            await session.add_items([CALL])
            first, second, call = await session.get_items()
            assert (first, call) == (user("My name is Ada."), CALL)
            assert second["role"] == "assistant"  # type: ignore[typeddict-item] # of the many kinds of items
            assert [await session.pop_item(), await session.pop_item()] == [CALL, second]
            assert await session.get_items() == [first]

    asyncio.run(check())


def test_large_items(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """Many items need several exchanges, and a long message is stored once.

    An item that is not JSON is refused with its batch.
    """

    async def check() -> None:
        async with async_client as memory:
            session = HybridMemorySession(thread_id, memory)
            outputs: list[Any] = [{**OUTPUT, "output": f"{number}" * 40_000} for number in range(5)]
            await session.add_items([user("x" * 190_000), *outputs])
            assert await session.get_items() == [user("x" * 190_000), *outputs]
            for bad in (float("nan"), object(), ("a", "tuple"), {1: 2}, {"$exchange": "user"}, "\x00", "\ud800", 2**64):
                with pytest.raises(CannotBeKept):
                    await session.add_items([output(bad)])
            assert len(await session.get_items()) == 6
            larger = output("".join(f"{number:x}" for number in range(60_000)))
            await session.add_items([user("small"), larger])
            assert (await session.get_items(2)) == [user("small"), larger]

    asyncio.run(check())


def test_an_outage_is_not_an_empty_history(async_outage: AsyncMemoryClient) -> None:
    """During an outage, reading and writing raise an error.

    With `allow_degraded`, reading succeeds, and the session names the missing layers.
    """

    async def check() -> None:
        session = HybridMemorySession("t", async_outage)
        with pytest.raises(HistoryDegraded):
            await session.get_items()
        with pytest.raises(HistoryDegraded):
            await session.pop_item()
        with pytest.raises(NotKept):
            await session.add_items([user("one")])
        lenient = HybridMemorySession("t", async_outage, allow_degraded=True)
        assert len(await lenient.get_items()) == 2
        assert lenient.degraded == ("redis", "queue")

    asyncio.run(check())
