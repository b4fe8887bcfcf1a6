"""The client alone: read the memory's context before your own agent's turn, and store the exchange after it."""

import os

from hybrid_memory_client import MemoryClient

with MemoryClient(os.environ["HYBRID_MEMORY_URL"]) as memory:
    memory.merge_preferences("ada", {"tone": "brief"})
    memory.invoked("My name is Ada.", "Hello, Ada.", thread_id="example-client", user_id="ada")
    recall = memory.invoking(thread_id="example-client", user_id="ada")
    print(recall.context)
    print("from", recall.source, "without", recall.degraded)
