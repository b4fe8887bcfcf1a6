"""Reads mem0's conversations: histories of memories, which contain the messages, or its table of messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

from cli.importing.fields import Fields
from cli.importing.files import read_documents
from cli.importing.records import Defaults, ImportedMessage, InvalidRecordError, Item, NotImported

_Turn = tuple[str, str | None, str]


def read_mem0(file: Path, defaults: Defaults) -> Iterator[Item]:
    """Yield the messages that mem0 has stored.

    mem0 stores statements about a user. Messages are in the entries of `GET /v1/memories/{memory_id}/history/`, as
    `input`, and in the table `messages` of the open-source version's history database. Several statements can come from
    one turn, which is then imported once, with its earliest time. A statement alone is no conversation.

    Raises:
        OSError: The file cannot be read.
    """
    turns: dict[_Turn, tuple[datetime, Fields]] = {}
    for fields in _entries(file):
        try:
            if isinstance(fields, InvalidRecordError):
                raise fields
            if fields.has("input"):
                turn = (*_place(fields, defaults), json.dumps(fields.values["input"], sort_keys=True))
                time = fields.time()
                if turn not in turns or time < turns[turn][0]:
                    turns[turn] = time, fields
            elif fields.has("role"):
                thread_id, user_id = _place(fields, defaults)
                yield ImportedMessage(
                    fields.position, thread_id, user_id, fields.text("role"), fields.content(), fields.time()
                )
            elif fields.has("memory") or fields.has("new_memory") or fields.has("old_memory"):
                yield NotImported(fields.position, "is a statement without its messages: export its history")
            else:
                raise fields.invalid("has neither input nor role and content")
        except InvalidRecordError as error:
            yield error
    # The oldest turn is first. Turns with equal times keep the file's order.
    for (thread_id, user_id, _), (time, fields) in sorted(turns.items(), key=lambda turn: turn[1][0]):
        yield from _messages(fields, thread_id, user_id, time)


def _entries(file: Path) -> Iterator[Fields | InvalidRecordError]:
    """Yield the entries of a file, also those inside a response's `results`."""
    for fields in read_documents(file):
        results = None if isinstance(fields, InvalidRecordError) else fields.values.get("results")
        if isinstance(fields, InvalidRecordError) or not isinstance(results, list):
            yield fields
            continue
        for number, result in enumerate(results, 1):
            try:
                yield Fields(result, f"{fields.position}, result {number}")
            except InvalidRecordError as error:
                yield error


def _place(fields: Fields, defaults: Defaults) -> tuple[str, str | None]:
    """Return an entry's thread and user. mem0's `run_id` is a conversation; without it, each user has one thread."""
    scope = _scope(fields.optional_text("session_scope"))
    metadata = fields.metadata() or {}
    user_id = fields.optional_text("user_id") or scope.get("user_id") or defaults.user_id
    run_id = fields.optional_text("run_id") or scope.get("run_id") or metadata.get("run_id") or defaults.thread_id
    if run_id is None and user_id is None:
        raise fields.invalid("run_id and user_id are missing: give --thread or --user")
    return str(run_id or f"mem0-{user_id}"), user_id


def _scope(text: str | None) -> dict[str, str]:
    """Return the ids in a `session_scope`, such as `run_id=1&user_id=ada`."""
    pairs = (part.partition("=") for part in (text or "").split("&"))
    return {name: unquote(value) for name, sign, value in pairs if sign}


def _messages(entry: Fields, thread_id: str, user_id: str | None, time: datetime) -> Iterator[Item]:
    values = entry.values["input"]
    if isinstance(values, str):
        values = [{"role": "user", "content": values}]
    if not isinstance(values, list):
        yield entry.invalid("input is not a list of messages")
        return
    for number, value in enumerate(values, 1):
        try:
            fields = Fields(value, f"{entry.position}, message {number}")
            yield ImportedMessage(fields.position, thread_id, user_id, fields.text("role"), fields.content(), time)
        except InvalidRecordError as error:
            yield error
