"""Reads a JSON-lines file: messages or exchanges, and the exports of `threads export` and `users export`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cli.importing.fields import Fields
from cli.importing.files import read_lines
from cli.importing.memories import explicit_memory
from cli.importing.records import (
    Defaults,
    ImportedExchange,
    ImportedMemory,
    ImportedMessage,
    ImportedPreferences,
    ImportedThread,
    InvalidRecordError,
    Item,
    NotImported,
    UnimportedMemory,
)


def read_jsonl(file: Path, defaults: Defaults) -> Iterator[Item]:
    """Yield the messages, exchanges, preferences and memories of a file, line by line.

    Raises:
        OSError: The file cannot be read.
    """
    reader = _Reader(defaults)
    for fields in read_lines(file):
        try:
            if isinstance(fields, InvalidRecordError):
                yield fields
            else:
                yield from reader.read(fields)
        except InvalidRecordError as error:
            yield error


class _Reader:
    """Reads lines, and remembers each thread's user and last time, because later lines may omit them."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._users: dict[str, str | None] = {}
        self._times: dict[str, datetime] = {}
        self._keys: set[tuple[str, str | None]] = set()
        self._now = datetime.now(UTC)

    def read(self, fields: Fields) -> Iterator[Item]:
        kind = fields.values.get("kind")
        if kind == "preferences":
            yield _preferences(fields)
        elif kind == "memory":
            yield self._memory(fields)
        elif kind == "thread":
            yield self._thread(fields)
        elif "user_message" in fields.values or "assistant_message" in fields.values:
            yield self._exchange(fields)
        else:
            yield self._message(fields)

    def _memory(self, fields: Fields) -> ImportedMemory | UnimportedMemory | NotImported:
        position, memory = fields.position, Fields(fields.values.get("memory"), fields.position)
        source = memory.text("source")
        if source == "learned":
            return UnimportedMemory(position, is_learned=True)
        if source != "explicit":
            raise fields.invalid(f"source is neither learned nor explicit: {source[:50]}")
        if memory.has("valid_to") and memory.time("valid_to") <= self._now:
            return UnimportedMemory(position, is_learned=False)
        imported = explicit_memory(memory, fields.optional_text("user_id") or self._defaults.user_id)
        place = imported.user_id, imported.key
        if imported.key is not None and place in self._keys:
            # A user has several if learned ones, such as two likes, were corrected.
            return NotImported(position, f"is another preference {imported.key}, and only one of a name can be set")
        self._keys.add(place)
        return imported

    def _thread(self, fields: Fields) -> ImportedThread:
        thread_id = fields.text("thread_id")
        self._users[thread_id] = fields.optional_text("user_id")
        return ImportedThread(fields.position, thread_id, _documents(fields), fields.optional_text("title"))

    def _place(self, fields: Fields) -> tuple[str, str | None, datetime]:
        """Return a record's thread, user and time. A missing time is that of the thread's previous record."""
        thread_id = fields.optional_text("thread_id") or self._defaults.thread_id or fields.text("thread_id")
        user_id = fields.optional_text("user_id") or self._users.get(thread_id) or self._defaults.user_id
        self._times[thread_id] = time = fields.time(default=self._times.get(thread_id))
        return thread_id, user_id, time

    def _message(self, fields: Fields) -> ImportedMessage:
        role, content = fields.text("role"), fields.content()
        thread_id, user_id, time = self._place(fields)
        own_id = fields.uuid("exchange_id")
        return ImportedMessage(
            fields.position, thread_id, user_id, role, content, time, fields.metadata(), exchange_id=own_id
        )

    def _exchange(self, fields: Fields) -> ImportedExchange:
        question, answer = (fields.optional_text(name) or "" for name in ("user_message", "assistant_message"))
        thread_id, user_id, time = self._place(fields)
        own_id = fields.uuid("exchange_id")
        return ImportedExchange(
            fields.position, thread_id, user_id, question, answer, time, fields.metadata(), own_id, _documents(fields)
        )


def _documents(fields: Fields) -> tuple[str, ...]:
    value = fields.values.get("document_ids") or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise fields.invalid("document_ids is not a list of texts")
    return tuple(value)


def _preferences(fields: Fields) -> ImportedPreferences:
    value = fields.values.get("preferences")
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise fields.invalid("preferences is not an object of texts")
    return ImportedPreferences(fields.position, fields.text("user_id"), value)
