"""Strands: a session that any process can continue. `OfflineModel` needs no key; omit it to use Bedrock's."""

import os

from offline.strands_model import OfflineModel
from strands import Agent
from strands.session import RepositorySessionManager

from hybrid_memory_client import MemoryClient
from hybrid_memory_client.strands import HybridSessionRepository

with MemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
    for prompt in ("My name is Ada.", "What is my name?"):
        manager = RepositorySessionManager("example-strands", HybridSessionRepository(memory, user_id="ada"))
        agent = Agent(model=OfflineModel(), session_manager=manager, callback_handler=None)
        print(agent(prompt))
