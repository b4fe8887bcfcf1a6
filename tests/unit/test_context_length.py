"""Turns of a model with a short context succeed and use the newest part of the memory."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from pydantic_ai.exceptions import ModelHTTPError

from functions.agent.agents.context_errors import is_context_too_long
from functions.agent.agents.runner import AgentRunner
from functions.agent.request_errors import AgentRunError, ContextTooLongError, PromptTooLongError
from shared.memory.budget import SelectedMemory
from shared.memory.recall import Recall
from shared.models import Message
from shared.settings import AgentSettings
from tests.support.searches import no_search
from tests.unit.test_budget import window

LIMIT = 8_000


class ShortContextEngine:
    """A model that accepts a limited number of tokens. A token is four characters, and an answer has 1.5 kB."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.received: list[str] = []

    async def answer(self, *_: Any, instructions: str, prompt: str, **__: Any) -> str:
        """Answer, or reject the context."""
        self.received.append(instructions)
        if (len(instructions) + len(prompt)) / 4 > self.limit:
            raise ContextTooLongError("too long")
        return f"{len(self.received)} " + "word " * 300


def run_turn(runner: AgentRunner, memory: SelectedMemory, prompt: str = "Hello", instructions: str = "Help.") -> str:
    """Run a turn."""
    return asyncio.run(
        runner.run(
            agent_name="assistant",
            tools=[],
            instructions=instructions,
            prompt=prompt,
            memory=memory,
            thread_id="t",
            user_id="u",
        )
    )


@pytest.fixture
def engine() -> ShortContextEngine:
    """Return the model."""
    return ShortContextEngine()


@pytest.fixture
def runner(engine: ShortContextEngine) -> AgentRunner:
    """Return a runner of the model."""
    agent_runner = AgentRunner(AgentSettings(), no_search)
    agent_runner._engine = engine  # type: ignore[assignment]
    return agent_runner


def test_sixty_turns_contain_the_newest_exchange(runner: AgentRunner, engine: ShortContextEngine) -> None:
    """Sixty turns succeed. Each turn contains the newest exchange, and the model rejects few requests."""
    messages: list[Message] = []
    for number in range(60):
        memory = SelectedMemory(Recall(messages[-100:], {"tone": "dry"}), 0)
        answer = run_turn(runner, memory, f"question {number}")
        contents = [message.content for message in memory.selection.messages]
        assert "User preferences:\ntone: dry" in engine.received[-1]
        assert contents[-2:] == [message.content for message in messages[-2:]]
        assert memory.selection.omitted_exchanges == min(50, len(messages) // 2) - len(contents) // 2
        exchange_id = UUID(int=number + 1)
        messages += [Message("user", f"question {number}", exchange_id), Message("assistant", answer, exchange_id)]
    assert len(engine.received) < 70


def test_memory_is_reduced_at_most_five_times(runner: AgentRunner, engine: ShortContextEngine) -> None:
    """The runner reduces the memory at most five times, and sends no memory in the last attempt.

    The error names the field that is too long even without memory.
    """
    engine.limit = 100
    memory = SelectedMemory(Recall(window(*["word " * 100] * 50), {}), 0)
    run_turn(runner, memory)
    assert 2 <= len(engine.received) <= 6
    engine.received.clear()
    new_runner = AgentRunner(AgentSettings(), no_search)
    new_runner._engine = engine  # type: ignore[assignment]
    with pytest.raises(PromptTooLongError) as caught:
        run_turn(new_runner, memory, "word " * 1_000)
    assert (caught.value.field, len(engine.received)) == ("prompt", 6)
    assert engine.received[-1] == "Help."
    with pytest.raises(PromptTooLongError) as caught:
        run_turn(new_runner, memory, instructions="word " * 1_000)
    assert caught.value.field == "instructions"


def test_the_accepted_length_is_remembered(runner: AgentRunner, engine: ShortContextEngine) -> None:
    """The next turn starts with the length that the model accepted. A long prompt leaves less length to the memory."""
    memory = SelectedMemory(Recall(window(*["word " * 200] * 50), {}), 0)
    run_turn(runner, memory)
    attempts = len(engine.received)
    assert attempts > 1
    run_turn(runner, memory)
    assert len(engine.received) == attempts + 1
    run_turn(runner, memory, "word " * 2_000)
    assert len(engine.received) == attempts + 2


def test_one_long_exchange_does_not_reduce_later_memory(runner: AgentRunner) -> None:
    """An exchange that does not fit is omitted. Later turns still show the shorter exchanges that fit."""
    run_turn(runner, SelectedMemory(Recall(window("word " * 100, "word " * 7_000), {}), 0))
    memory = SelectedMemory(Recall(window(*["word " * 100] * 10), {}), 0)
    run_turn(runner, memory)
    assert memory.selection.omitted_exchanges == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "This model's maximum context length is 8192"}}),
        (400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you"}),
        (400, {"error": {"type": "exceed_context_size_error", "message": "the request exceeds the available context"}}),
        (500, {"error": "input length exceeds maximum context length"}),
        (400, {"error": {"code": "string_above_max_length", "message": "string too long. Expected"}}),
        (400, {"Error": {"Code": "ValidationException", "Message": "Input is too long for requested model."}}),
        (400, {"Error": {"Code": "ValidationException", "Message": "The model returned: Too many input tokens"}}),
        (400, {"error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000"}}),
        (400, {"error": {"message": "The input token count (9000) exceeds the maximum number of tokens allowed"}}),
        (413, {"error": {"type": "request_too_large"}}),
        (413, None),
        (400, {"message": "The decoder prompt (length 9000) is longer than the maximum model length of 8192."}),
    ],
)
def test_each_providers_context_error_is_recognized(status: int, body: object) -> None:
    """The runner recognizes each provider's own error message for a context that is too long."""
    assert is_context_too_long(ModelHTTPError(status, "message", body))


@pytest.mark.parametrize(
    "error",
    [
        ModelHTTPError(429, "message", {"message": "Too many tokens, please wait before trying again."}),
        ModelHTTPError(400, "message", {"error": {"message": "Unknown parameter: 'x'"}}),
        ModelHTTPError(401, "message", {"error": {"message": "context"}}),
        ModelHTTPError(500, "message", {"error": "out of memory"}),
        AgentRunError("no"),
    ],
    ids=str,
)
def test_other_errors_are_no_context_errors(error: Exception) -> None:
    """Other errors do not count as errors of a context that is too long."""
    assert not is_context_too_long(error)
