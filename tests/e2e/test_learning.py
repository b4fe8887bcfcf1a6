"""What a user says is learned after the drain, on the whole deployment."""

import json
from dataclasses import replace
from typing import Any

from tests.e2e.deployment import Aws, Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually

_STATEMENTS = """
    select s.id::text, s.slot, s.text, s.quote, m.exchange_id::text
    from memory_statements s
    join conversations c on c.id = s.conversation_id
    join messages m on m.id = s.message_id
    where c.thread_id = %s and s.kind <> 'summary'
"""
# The debounce of a deployment, the delivery of the queue, and the sweep if a message was lost.
_SECONDS = 60


def test_a_statement_is_learned_once(
    api: MemoryApi, layers: Layers, aws: Aws, deployment: Deployment, thread_id: str, user_id: str
) -> None:
    """An accepted statement is in PostgreSQL soon. A message that is delivered again changes nothing."""
    accepted: dict[str, Any] = api.invoked("I live in Rome", "Nice!", thread_id=thread_id, user_id=user_id)
    (stored,) = learned = eventually(lambda: layers.rows(_STATEMENTS, thread_id) or None, _SECONDS)
    assert stored[1:] == ("home", "Lives in Rome", "I live in Rome", accepted["exchange_id"])
    derive_queues = Queues(
        aws, replace(deployment, queue_url=deployment.derive_queue_url, dlq_url=deployment.derive_dlq_url)
    )
    derive_queues.put(*2 * [json.dumps({"version": 1, "kind": "memories", "thread_id": thread_id})])
    derive_queues.wait_empty()
    assert layers.rows(_STATEMENTS, thread_id) == learned
    api.delete_thread(thread_id)
    assert layers.rows(_STATEMENTS, thread_id) == []
