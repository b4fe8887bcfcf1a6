"""Reads conversations that are one JSON document each: Zep's threads and Redis Agent Memory Server's sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from cli.importing.fields import Fields
from cli.importing.files import read_documents
from cli.importing.records import Defaults, ImportedMessage, InvalidRecordError, Item, NotImported

_OTHER_ROLES = {"ai": "assistant", "human": "user"}


def read_zep(file: Path, defaults: Defaults) -> Iterator[Item]:
    """Yield the messages of Zep's threads.

    A document is a response of `GET /threads/{thread_id}/messages`, with or without `thread_id`. Sessions of an earlier
    version of Zep's API have `session_id`, and messages with `role_type`.

    Raises:
        OSError: The file cannot be read.
    """
    yield from _read(file, defaults, ("thread_id", "session_id", "thread_uuid"), {"summary", "facts"})


def read_ams(file: Path, defaults: Defaults) -> Iterator[Item]:
    """Yield the messages of Redis Agent Memory Server's working memory.

    A document is a response of `GET /v1/working-memory/{session_id}`.

    Raises:
        OSError: The file cannot be read.
    """
    yield from _read(file, defaults, ("session_id",), {"context", "memories", "data"})


def _read(file: Path, defaults: Defaults, names: Sequence[str], other_parts: set[str]) -> Iterator[Item]:
    for document in read_documents(file):
        try:
            if isinstance(document, InvalidRecordError):
                raise document
            thread_id = document.optional_text(*names) or defaults.thread_id
            if thread_id is None:
                raise document.invalid(f"{names[0]} is missing: add it to the document, or give --thread")
            user_id = document.optional_text("user_id") or defaults.user_id
            messages = document.values.get("messages", document.values.get("items"))
            if not isinstance(messages, list):
                raise document.invalid("messages is not a list")
        except InvalidRecordError as error:
            yield error
            continue
        yield from _messages(document, messages, thread_id, user_id)
        for part in sorted(other_parts):
            if document.values.get(part):
                yield NotImported(document.position, f"{part} of {thread_id} is no message")


def _messages(document: Fields, values: list[object], thread_id: str, user_id: str | None) -> Iterator[Item]:
    """Yield a document's messages, oldest first."""
    messages: list[ImportedMessage] = []
    time = _first_time(document)
    for number, value in enumerate(values, 1):
        try:
            fields = Fields(value, f"{document.position}, message {number}")
            time = fields.time(default=time)
            role = fields.text("role_type", "role").lower()
            metadata = fields.metadata() or {}
            name = fields.optional_text("name") or (fields.optional_text("role") if fields.has("role_type") else None)
            if name:
                metadata = {"name": name, **metadata}
            role, content = _OTHER_ROLES.get(role, role), fields.content()
            messages.append(ImportedMessage(fields.position, thread_id, user_id, role, content, time, metadata or None))
        except InvalidRecordError as error:
            yield error
    # Some routes return the newest message first. Messages with equal times keep their order.
    if messages and messages[0].created_at > messages[-1].created_at:
        messages.reverse()
    yield from sorted(messages, key=lambda message: message.created_at)


def _first_time(document: Fields) -> datetime | None:
    """Return the conversation's own time, which the first messages get if they have no time."""
    name = next((name for name in ("created_at", "thread_created_at") if document.has(name)), None)
    return None if name is None else document.time(name)
