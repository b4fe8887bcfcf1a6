"""A long conversation works with an OpenAI-compatible model of 8,000 tokens, over HTTP and through the API."""

from __future__ import annotations

import asyncio

import pytest

from functions.agent.agents.runner import AgentRunner
from functions.agent.operations import Operations
from functions.agent.schemas import RunRequest
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.settings import AgentSettings, MemorySettings
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.model_server import ModelServer
from tests.support.searches import no_search

ANSWER = "word " * 300


def test_sixty_turns_work_with_a_short_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model answers each turn with the newest exchange in the context.

    The response reports the number of omitted exchanges.
    """
    memory = Memory(InMemoryCache(MemorySettings()), InMemoryArchive(), InMemoryQueue(), MemorySettings())
    with ModelServer(answer=ANSWER, max_characters=32_000) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        runner = AgentRunner(AgentSettings(model="openai:short"), no_search)
        keys = Idempotency([], Backlog(memory.queue, memory.archive))
        operations = Operations(memory, runner, keys, Inspection(memory, None, None, None))  # type: ignore[arg-type]

        async def run_turns() -> list[int]:
            omitted = []
            for number in range(60):
                answer = (await operations.run(RunRequest(prompt=f"question {number}", thread_id="t"))).answer
                omitted.append(answer["memory"]["omitted_exchanges"])
                if number:
                    assert f"user: question {number - 1}\nassistant: word" in str(
                        server.requests[-1].body["messages"][0]["content"]
                    )
            return omitted

        omitted = asyncio.run(run_turns())
    assert omitted[0] == 0
    assert 30 <= omitted[-1] < 50
    assert len(server.requests) < 70
