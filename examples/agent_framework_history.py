"""Microsoft Agent Framework: history and preferences. `OfflineChatClient` needs no key; use your own client."""

import asyncio
import os

from agent_framework import Agent
from offline.agent_framework_model import OfflineChatClient

from hybrid_memory_client import AsyncMemoryClient
from hybrid_memory_client.agent_framework import HybridContextProvider, HybridHistoryProvider


async def main() -> None:
    async with AsyncMemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
        providers = [HybridHistoryProvider(memory, user_id="ada"), HybridContextProvider(memory, user_id="ada")]
        agent = Agent(OfflineChatClient(), context_providers=providers)
        for prompt in ("My name is Ada.", "What is my name?"):
            session = agent.create_session(session_id="example-agent-framework")
            print(await agent.run(prompt, session=session))


asyncio.run(main())
