"""OpenAI Agents SDK: a session that any process can continue. `OfflineModel` needs no key; omit it to use OpenAI's."""

import asyncio
import os

from agents import Agent, Runner
from offline.openai_agents_model import OfflineModel

from hybrid_memory_client import AsyncMemoryClient
from hybrid_memory_client.openai_agents import HybridMemorySession


async def main() -> None:
    async with AsyncMemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
        agent = Agent(name="assistant", model=OfflineModel())
        for prompt in ("My name is Ada.", "What is my name?"):
            session = HybridMemorySession("example-openai-agents", memory, user_id="ada")
            print((await Runner.run(agent, prompt, session=session)).final_output)


asyncio.run(main())
