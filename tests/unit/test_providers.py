"""Both providers have the specified interface and behavior."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

from shared.ids import ExchangeIds
from shared.memory.memory import Memory
from shared.memory.providers import MemoryProvider, ThreadMemoryProvider, UserPreferencesProvider
from shared.memory.turn import Turn
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue

MakeMemory = Callable[..., Memory]


async def _run_turn(memory: Memory, prompt: str, answer: str) -> tuple[str, str]:
    """Call the providers before and after a run, as an agent's host does. Use only the providers' interface."""
    turn = Turn(memory, "t", "ana")
    providers: list[MemoryProvider] = [ThreadMemoryProvider(turn), UserPreferencesProvider(turn)]
    thread, preferences = [await provider.invoking() for provider in providers]
    for provider in providers:
        await provider.invoked(prompt, answer)
    return thread, preferences


def test_the_agent_gets_the_first_turn_two_turns_later(memory: MakeMemory, archive: InMemoryArchive) -> None:
    """Two turns later, the agent gets the first turn. Each provider returns its own part."""
    archive.change_preferences("ana", {"tone": "dry"}, replace=True, update_cache=lambda _: True)
    process = memory()
    assert asyncio.run(_run_turn(process, "Hello", "Hi!")) == ("", "User preferences:\ntone: dry")
    asyncio.run(_run_turn(memory(), "Who am I?", "Ana."))
    thread, preferences = asyncio.run(_run_turn(process, "And?", "?"))
    assert thread == "Previous conversation:\nuser: Hello\nassistant: Hi!\nuser: Who am I?\nassistant: Ana."
    assert preferences == "User preferences:\ntone: dry"


def test_the_interface_is_the_specified_one() -> None:
    """The interface is `async def invoking()` and `async def invoked(user_message, assistant_message)`.

    Other arguments are optional.
    """
    for provider in (ThreadMemoryProvider, UserPreferencesProvider):
        assert inspect.iscoroutinefunction(provider.invoking)
        assert inspect.iscoroutinefunction(provider.invoked)
        assert list(inspect.signature(provider.invoking).parameters) == ["self"]
        required = [
            name
            for name, parameter in inspect.signature(provider.invoked).parameters.items()
            if parameter.default is parameter.empty
        ]
        assert required == ["self", "user_message", "assistant_message"]


def test_both_providers_share_one_read_of_l1(memory: MakeMemory, cache: InMemoryCache) -> None:
    """The providers read L1 once before the run and write once after it."""
    asyncio.run(_run_turn(memory(), "a", "b"))
    cache.calls.clear()
    asyncio.run(_run_turn(memory(), "c", "d"))
    assert cache.calls == ["read", "append"]


def test_the_thread_provider_returns_the_store(memory: MakeMemory, queue: InMemoryQueue) -> None:
    """The result of the thread provider names the store of the exchange.

    The exchange is stored with its documents and the caller's id.
    """
    exchange_id = ExchangeIds().new()
    provider = ThreadMemoryProvider(Turn(memory(), "t", "ana"))
    result = asyncio.run(provider.invoked("q", "a", ["d1"], exchange_id))
    (sent,) = queue.take()
    assert (result.exchange_id, result.durability, sent.document_ids) == (exchange_id, "queue", ("d1",))


def test_the_context_is_empty_without_thread_and_user(memory: MakeMemory) -> None:
    """Without a thread or a user, the context is empty, and the providers raise no error."""
    turn = Turn(memory(), None, None)
    assert asyncio.run(ThreadMemoryProvider(turn).invoking()) == ""
    assert asyncio.run(UserPreferencesProvider(turn).invoking()) == ""
    assert asyncio.run(ThreadMemoryProvider(turn).invoked("q", "a")).durability == "none"


def test_the_context_is_empty_while_the_stores_are_down(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive
) -> None:
    """While the stores are down, the context is empty, and the agent runs without memory."""
    cache.is_down = archive.is_down = True
    turn = Turn(memory(), "t", "ana")
    assert asyncio.run(ThreadMemoryProvider(turn).invoking()) == ""
    assert asyncio.run(UserPreferencesProvider(turn).invoking()) == ""
    assert turn.recall().degraded == ["redis", "postgres"]
