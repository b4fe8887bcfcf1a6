"""pydantic-ai: store a run's new messages and load them for the next run.

`TestModel` needs no key; use your own model.
"""

import os

from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from hybrid_memory_client import MemoryClient
from hybrid_memory_client.pydantic_ai import MessageHistory

agent = Agent(TestModel(custom_output_text="Hello, Ada."))
with MemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
    history = MessageHistory(memory, "example-pydantic-ai", user_id="ada")
    for prompt in ("My name is Ada.", "What is my name?"):
        result = agent.run_sync(prompt, message_history=history.load())
        history.save(result.new_messages())
        print(result.output, "of", len(result.all_messages()), "messages")
