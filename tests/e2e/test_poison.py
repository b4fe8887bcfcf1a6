"""Invalid messages go to the dead-letter queue with their reason. The rest of the batch is stored."""

import json
from typing import Any
from uuid import uuid4

from shared.ids import ExchangeIds
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers

_IDS = ExchangeIds()


def _message(thread_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "exchange_id": str(_IDS.new()),
        "thread_id": thread_id,
        "user_id": None,
        "user_message": "Hello",
        "assistant_message": "Hi",
        "document_ids": [],
        "created_at": "2026-01-01T00:00:00.000000Z",
    } | changes


def test_invalid_messages_become_dead_letters_and_valid_messages_are_stored(
    layers: Layers, queues: Queues, thread_id: str
) -> None:
    """Malformed, unknown, incomplete and unfit records of one batch become dead letters. The others are stored."""
    marker = f"poison-{uuid4().hex}"
    unnamed = _message(marker)
    del unnamed["user_message"]
    reasons = {
        f"{marker} is not JSON": "not_json",
        f'["{marker}"]': "not_json",
        json.dumps(_message(marker, version=2)): "unknown_version",
        json.dumps(unnamed): "missing_field",
        json.dumps(_message(marker, exchange_id="17")): "invalid_field",
        json.dumps(_message(marker, user_message="NUL \x00")): "invalid_field",
        json.dumps(_message(marker, created_at="yesterday")): "invalid_field",
        json.dumps(_message(marker, exchange_id=str(uuid4()), created_at="0001-01-01T00:00:00Z")): "invalid_field",
    }
    bodies = [json.dumps(_message(f"{thread_id}_1")), *reasons, json.dumps(_message(f"{thread_id}_2"))]

    queues.put(*bodies)

    dead_letters = queues.wait_for_dead_letters(lambda body: marker in body, len(reasons))
    assert {dead_letter.body: dead_letter.attributes["reason"] for dead_letter in dead_letters} == reasons
    for number in (1, 2):
        assert [row[1] for row in layers.wait_stored(f"{thread_id}_{number}", 2)] == ["Hello", "Hi"]
    queues.wait_empty()
    assert layers.conversations(marker) == []
