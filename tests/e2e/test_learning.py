"""What a user says is learned after the drain, on the whole deployment."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.e2e.command_line import CommandLine
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.invocation import Functions
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
_LOSE_STATEMENTS = """
    delete from memory_statements s using conversations c
    where c.id = s.conversation_id and c.user_id = %s returning s.id
"""
# The sweep sends threads that have been due for a minute.
_A_MINUTE_LATER = """
    update due_derivations d set due_at = d.due_at - interval '61 seconds' from conversations c
    where c.id = d.conversation_id and c.user_id = %s and d.kind = 'memories' returning c.thread_id
"""
_IS_DUE = """
    select c.thread_id from due_derivations d join conversations c on c.id = d.conversation_id
    where c.user_id = %s and d.kind = 'memories'
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


def test_a_rebuild_gives_the_same_memories(
    api: MemoryApi, layers: Layers, functions: Functions, deployment: Deployment, tmp_path: Path, user_id: str
) -> None:
    """`memories rebuild` learns what was lost again from the exchanges, with the same ids, but no deleted memory."""
    cli = CommandLine(deployment, tmp_path)
    said = {"a": ["I live in Rome", "I like sushi"], "b": ["I live in Oslo", "I like jazz"]}
    for thread, messages in said.items():
        for message in messages:
            api.invoked(message, "Nice!", thread_id=f"{user_id}-{thread}", user_id=user_id)
    api.call("POST", f"/users/{user_id}/memories", json={"kind": "fact", "text": "Plays chess"})

    def listed() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = cli.json("memories", "list", user_id, "--all")["items"]
        return items

    learned = eventually(lambda: items if len(items := listed()) == 5 else None, _SECONDS)
    (sushi,) = [each for each in learned if "sushi" in each["text"]]
    cli.run("memories", "forget", user_id, sushi["id"], "--yes")
    kept = [each for each in learned if each != sushi]
    assert listed() == kept

    assert len(layers.rows(_LOSE_STATEMENTS, user_id)) == 3
    assert [each["text"] for each in listed()] == ["Plays chess"]
    assert cli.json("memories", "rebuild", user_id)["threads"] == 2
    assert len(layers.rows(_A_MINUTE_LATER, user_id)) == 2
    functions.sync({})
    assert eventually(lambda: items if len(items := listed()) >= len(kept) else None, _SECONDS) == kept
    eventually(lambda: not layers.rows(_IS_DUE, user_id), _SECONDS)
    assert listed() == kept
    recalled = api.invoking(thread_id=f"{user_id}-c", user_id=user_id, include=["memories"])["memories"]
    assert sorted(each["id"] for each in recalled) == sorted(each["id"] for each in kept if "valid_to" not in each)
