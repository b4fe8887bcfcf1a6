"""The contents of the sample events: requests and queue messages of a small conversation, and invalid messages."""

import json
from typing import Any, Final

THREAD: Final = "conv_12345"
USER: Final = "user_456"
RUN: Final[dict[str, Any]] = {"prompt": "Tell me about Python.", "thread_id": THREAD, "user_id": USER}
DIRECT: Final[dict[str, dict[str, Any]]] = {
    "run": {"action": "run", **RUN},
    "invoking": {"action": "invoking", "thread_id": THREAD, "user_id": USER},
    "invoked": {
        "action": "invoked",
        "thread_id": THREAD,
        "user_id": USER,
        "user_message": "Hello",
        "assistant_message": "Hi there! How can I help?",
        "document_ids": ["doc_1"],
        "exchange_id": "019b76da-a800-7000-8000-0000000000a1",
    },
}


def exchange(number: int, user_message: str, assistant_message: str, **changes: Any) -> dict[str, Any]:
    """Return a queue message's content with a UUIDv7 of 1 January 2026 that contains `number`."""
    return {
        "version": 1,
        "exchange_id": f"019b76da-a800-7000-8000-{number:012}",
        "thread_id": "conv_sample",
        "user_id": USER,
        "user_message": user_message,
        "assistant_message": assistant_message,
        "document_ids": [],
        "created_at": "2026-01-01T00:00:00.000000Z",
    } | changes


BATCH: Final = [
    json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    for content in (
        exchange(1, "Hello", "Hi there! How can I help?"),
        exchange(2, "Tell me about Python", "Python is a programming language.", document_ids=["doc_1", "doc_2"]),
        exchange(3, "Who am I?", "I do not know.", thread_id="conv_anonymous", user_id=None),
        exchange(4, "שלום 👋", "مرحبا 🌍", thread_id="conv_unicode", user_id="user/ä b"),
    )
]

_without_thread = exchange(13, "Which thread?", "None was named.")
del _without_thread["thread_id"]
POISON: Final = [
    "this is not JSON",
    *(
        json.dumps(content, separators=(",", ":"))
        for content in (
            exchange(12, "From the future", "Version 2.", version=2),
            _without_thread,
            exchange(14, "I am fine", "And stored, whatever the others are.", thread_id="conv_survivor"),
        )
    ),
]
