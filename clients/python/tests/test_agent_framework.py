"""Microsoft Agent Framework's agents with the client's providers, compared with the framework's in-process history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from agent_framework import Agent, Content, InMemoryHistoryProvider, Message, tool
from offline.agent_framework_model import OfflineChatClient
from offline.script import ToolCall

from hybrid_memory_client import AsyncMemoryClient, CannotBeKept, HistoryDegraded, MemoryClient, NotKept, RetryPolicy
from hybrid_memory_client.agent_framework import HybridContextProvider, HybridHistoryProvider


@tool(approval_mode="never_require")
def weather(city: str) -> str:
    """Return the weather."""
    return f"Sun in {city} 🎉."


def _plain(messages: list[Message]) -> list[Any]:
    """Return the role, author and contents of each message, without generated ids."""
    shown = []
    for each in (message.to_dict() for message in messages):
        contents = [{key: value for key, value in content.items() if key != "id"} for content in each["contents"]]
        shown.append({"role": each["role"], "author_name": each.get("author_name"), "contents": contents})
    return shown


def test_another_process_continues_runs_with_tools(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """The model gets the same messages as with the framework's own history, including tool calls and results."""

    async def check() -> None:
        async with async_client as client:
            shown = []
            for create in (lambda: HybridHistoryProvider(client), InMemoryHistoryProvider):
                model = OfflineChatClient(ToolCall("weather", {"city": "Köln"}), "Sunny.", "You are welcome.")
                provider = create()
                session = Agent(model).create_session(session_id=thread_id)
                for prompt in ("How is the weather?", "Thank you."):
                    agent = Agent(model, tools=[weather], context_providers=[provider])
                    if isinstance(provider, HybridHistoryProvider):
                        # No state is kept in the process between the runs.
                        session = agent.create_session(session_id=thread_id)
                        provider = HybridHistoryProvider(client)
                        agent = Agent(model, tools=[weather], context_providers=[provider])
                    await agent.run(prompt, session=session)
                shown.append(_plain(model.shown))
            assert shown[0] == shown[1]
            kinds = [content["type"] for message in shown[0] for content in message["contents"]]
            assert kinds == ["text", "function_call", "function_result", "text", "text"]

    asyncio.run(check())


def test_other_readers_see_the_texts(async_client: AsyncMemoryClient, client: MemoryClient, thread_id: str) -> None:
    """Each run is one exchange, and the agent gets the exchanges of other programs."""

    async def check() -> None:
        async with async_client as memory:
            model = OfflineChatClient(ToolCall("weather", {"city": "Köln"}), "Sunny.")
            agent = Agent(model, tools=[weather], context_providers=[HybridHistoryProvider(memory)])
            await agent.run("How is the weather?", session=agent.create_session(session_id=thread_id))
            await memory.invoked("My name is Ada.", "Hello, Ada.", thread_id=thread_id)
            await agent.run("Thank you.", session=agent.create_session(session_id=thread_id))
            assert [message.text for message in model.shown][-3:] == ["My name is Ada.", "Hello, Ada.", "Thank you."]

    asyncio.run(check())
    assert [each.content for each in client.iter_messages(thread_id)][:4] == [
        "How is the weather?",
        "Sunny.",
        "My name is Ada.",
        "Hello, Ada.",
    ]


def test_the_context_provider_adds_preferences(async_client: AsyncMemoryClient, thread_id: str, user_id: str) -> None:
    """By default the provider adds only preferences, for use with a history provider.

    With `history`, it also adds the conversation as text, and stores the run.
    """

    async def check() -> None:
        async with async_client as memory:
            await memory.merge_preferences(user_id, {"tone": "brief"})
            model = OfflineChatClient(ToolCall("weather", {"city": "Köln"}), "Sunny.")
            provider = HybridContextProvider(memory, user_id=user_id, history=True)
            agent = Agent(model, "Be kind.", tools=[weather], context_providers=[provider])
            await agent.run("How is the weather?", session=agent.create_session(session_id=thread_id))
            await agent.run("Thank you.", session=agent.create_session(session_id=thread_id))
            assert model.instructions == (
                "Be kind.\nPrevious conversation:\nuser: How is the weather?\nassistant: Sunny."
                "\n\nUser preferences:\ntone: brief"
            )
            assert len(model.shown) == 1
            other = Agent(model, context_providers=[HybridContextProvider(memory, user_id=user_id)])
            await other.run("Hello", session=other.create_session(session_id=thread_id))
            assert model.instructions == "User preferences:\ntone: brief"
            # Tool calls are stored too, for readers that use them.
            stored = await HybridHistoryProvider(memory).get_messages(thread_id)
            assert [content.type for message in stored for content in message.contents] == [
                "text",
                "function_call",
                "function_result",
                "text",
                "text",
                "text",
            ]

    asyncio.run(check())


@pytest.mark.parametrize("create", [HybridHistoryProvider, lambda client: HybridContextProvider(client, history=True)])
def test_a_repeated_conversation_is_stored_once(
    async_client: AsyncMemoryClient, thread_id: str, create: Callable[[AsyncMemoryClient], Any]
) -> None:
    """A caller may pass the whole conversation at each run and repeat messages. Each message is stored once."""

    async def check() -> None:
        async with async_client as memory:
            agent = Agent(OfflineChatClient(*["Hello."] * 5), context_providers=[create(memory)])
            conversation: list[Message] = []
            for number, prompt in enumerate(("Hi", "Hi", "Who am I?", "Hi"), start=1):
                conversation.append(Message("user", [prompt]))
                answer = await agent.run(conversation, session=agent.create_session(session_id=thread_id))
                conversation += answer.messages
                stored = await HybridHistoryProvider(memory).get_messages(thread_id)
                assert len(stored) == 2 * number
            assert [message.text for message in stored] == [message.text for message in conversation]
            # The caller passes only the end of the conversation. Then it passes the same pair of messages twice,
            # without the conversation.
            conversation = [*conversation[-2:], Message("user", ["Bye"])]
            await agent.run(conversation, session=agent.create_session(session_id=thread_id))
            for _ in range(2):
                pair = [Message("user", ["Hi"]), Message("assistant", ["Hello."])]
                await HybridHistoryProvider(memory).save_messages(thread_id, pair)
            stored = await HybridHistoryProvider(memory).get_messages(thread_id)
            assert [message.text for message in stored[8:]] == ["Bye", "Hello.", "Hi", "Hello.", "Hi", "Hello."]

    asyncio.run(check())


@pytest.mark.parametrize("status", [200, 503])
def test_messages_are_stored_twice_if_the_check_fails(status: int) -> None:
    """If the check for stored messages fails, messages are stored twice and the run succeeds.

    The provider checks only if the caller may have passed earlier messages again.
    """
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.method == "POST":
            body = {"exchange_id": str(UUID(int=1)), "durability": "queue", "cached": False}
            return httpx.Response(202, json=body)
        return httpx.Response(status, json={"items": [], "next_cursor": None, "degraded": ["redis"]})

    async def check() -> None:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        memory = AsyncMemoryClient("http://memory", http_client=http, retry=RetryPolicy(attempts=1))
        conversation = [Message(role, ["x"]) for role in ("user", "assistant", "user", "assistant")]
        await HybridHistoryProvider(memory).save_messages("t", conversation[:2])
        assert [request.method for request in sent] == ["POST"]
        await HybridHistoryProvider(memory).save_messages("t", conversation)
        assert [request.method for request in sent] == ["POST", "GET", "POST"]
        assert len(json.loads(sent[-1].content)["metadata"]["agent_framework"]["items"]) == 4

    asyncio.run(check())


def test_a_message_that_cannot_be_stored(async_client: AsyncMemoryClient, thread_id: str) -> None:
    """A message that cannot be stored is refused, and nothing of its run is stored."""

    async def check() -> None:
        async with async_client as memory:
            provider = HybridHistoryProvider(memory)
            picture = Content.from_data(b"\x00\x01" * 10, media_type="image/png")
            await provider.save_messages(thread_id, [Message("user", ["What is it?", picture])])
            assert [each.to_dict() for each in await provider.get_messages(thread_id)] == [
                Message("user", ["What is it?", picture]).to_dict()
            ]
            large = Message("tool", [Content.from_data(bytes(range(256)) * 600, media_type="image/png")])
            tuple_content = Content.from_function_result("c", result="x", additional_properties={"a": (1, 2)})
            object_content = Content.from_text("x", additional_properties={"a": object()})
            for content in (tuple_content, object_content, Content.from_text("NUL \x00")):
                with pytest.raises(CannotBeKept):
                    await provider.save_messages(thread_id, [Message("user", ["Hello"]), Message("tool", [content])])
            with pytest.raises(CannotBeKept, match="without an id"):
                await provider.get_messages(None)
            assert len(await provider.get_messages(thread_id)) == 1
            text = "".join(f"{number:x}" for number in range(20_000))
            result = Message("tool", [Content.from_function_result("c", result=text)])
            await provider.save_messages(thread_id, [large, result])
            stored = (await provider.get_messages(thread_id))[1:]
            assert [each.to_dict() for each in stored] == [large.to_dict(), result.to_dict()]
            lenient = HybridHistoryProvider(memory, on_refused=lambda message, _: Message(message.role, ["refused"]))
            await lenient.save_messages(thread_id, [Message("tool", [object_content])])
            assert (await lenient.get_messages(thread_id))[-1].text == "refused"

    asyncio.run(check())


@tool(approval_mode="never_require")
def broken(city: str) -> str:
    """Raise an error."""
    raise ValueError(f"no weather in {city}")


@pytest.mark.parametrize("create", [HybridHistoryProvider, lambda client: HybridContextProvider(client, history=True)])
def test_a_tool_that_raises(
    async_client: AsyncMemoryClient, thread_id: str, create: Callable[[AsyncMemoryClient], Any]
) -> None:
    """If a tool raises an error, the answer is returned and stored.

    The tool's failure is stored without its reason, as in the framework.
    """

    async def check() -> None:
        async with async_client as memory:
            model = OfflineChatClient(ToolCall("broken", {"city": "Köln"}), "Sorry.")
            agent = Agent(model, tools=[broken], context_providers=[create(memory)])
            answer = await agent.run("How is the weather?", session=agent.create_session(session_id=thread_id))
            assert answer.text == "Sorry."
            stored = await HybridHistoryProvider(memory).get_messages(thread_id)
            assert [each.to_dict() for each in stored[1:]] == [each.to_dict() for each in answer.messages]
            (result,) = [content for each in stored for content in each.contents if content.type == "function_result"]
            assert result.exception
            assert "no weather" not in str(result.exception)

    asyncio.run(check())


def test_an_outage_is_not_an_empty_history(async_outage: AsyncMemoryClient) -> None:
    """During an outage, reading and writing raise an error."""

    async def check() -> None:
        model = OfflineChatClient("Hello.", "Hello.")
        for provider in (HybridHistoryProvider(async_outage), HybridContextProvider(async_outage, history=True)):
            agent = Agent(model, context_providers=[provider])
            with pytest.raises(HistoryDegraded):
                await agent.run("Hello", session=agent.create_session(session_id="t"))
        lenient = HybridHistoryProvider(async_outage, allow_degraded=True)
        assert len(await lenient.get_messages("t")) == 2
        with pytest.raises(NotKept):
            await lenient.save_messages("t", [Message("user", ["Hello"])])

    asyncio.run(check())
