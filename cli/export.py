"""Exports as NDJSON, one JSON object per line. Data is written page by page, so memory use is constant."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from cli.api import PAGE_SIZE
from cli.output import progress
from hybrid_memory_client import ApiError, Memory, MemoryClient, NotFound, NotThisApi
from shared.errors import SettingsError


@dataclass(slots=True)
class ExportResult:
    """The result of an export so far.

    Attributes:
        degraded: Layers that did not respond. Messages that only they have are missing from the export.
        deleted_threads: The number of the user's threads that were deleted during the export.
        undrained: The number of undrained exchanges of all users when the threads were last listed. A thread is in the
            list only after its first exchange is drained. None if the number was not requested, or the API did not
            return it.
    """

    threads: int = 0
    messages: int = 0
    degraded: set[str] = field(default_factory=set)
    deleted_threads: int = 0
    undrained: int | None = None


def export_threads(api: MemoryClient, thread_ids: Sequence[str], output: Path | None) -> ExportResult:
    """Write threads with their messages, oldest first. Messages that arrive during the export may be missing.

    Raises:
        MemoryClientError: The API did not respond, or a thread does not exist; an existing file is not changed.
    """
    result = ExportResult()
    with _writer(output) as write, progress("Export", None) as advance:
        for thread_id in thread_ids:
            _write_thread(api, thread_id, write, advance, result)
    return result


def export_user(api: MemoryClient, user_id: str, output: Path | None) -> ExportResult:
    """Write a user's preferences and memories, then their threads.

    Raises:
        MemoryClientError: The API did not respond, or refused; an existing file is not changed.
    """
    result = ExportResult()
    with _writer(output) as write, progress("Export", None) as advance:
        write({"kind": "preferences", "user_id": user_id, "preferences": api.read_preferences(user_id)})
        for memory in _memories_of(api, user_id):
            # A memory has a kind of its own.
            write({"kind": "memory", "user_id": user_id, "memory": dict(memory.raw)})
        for thread_id in _threads_of(api, user_id, result):
            try:
                _write_thread(api, thread_id, write, advance, result)
            except NotFound:
                result.deleted_threads += 1
    return result


def _memories_of(api: MemoryClient, user_id: str) -> Iterator[Memory]:
    """Yield each memory once, also those that have ended.

    A memory that is corrected during the export moves to a page that is already read. So the list is read again until
    it contains no new memory.
    """
    seen: set[UUID] = set()
    while True:
        seen_before = len(seen)
        for memory in api.iter_memories(user_id, include_superseded=True):
            if memory.id not in seen:
                seen.add(memory.id)
                yield memory
        if len(seen) == seen_before:
            return


def _threads_of(api: MemoryClient, user_id: str, result: ExportResult) -> Iterator[str]:
    """Yield the id of each thread once.

    The list is sorted by each thread's newest exchange. A thread with a new exchange can therefore move to a page that
    is already read. So the list is read again until it contains no new thread. The undrained exchanges are counted
    before each reading, so that the list contains every exchange that was drained before the count.
    """
    seen: set[str] = set()
    while True:
        seen_before = len(seen)
        result.undrained = _count_undrained(api)
        for thread in api.iter_threads(user_id, page_size=PAGE_SIZE):
            if thread.thread_id not in seen:
                seen.add(thread.thread_id)
                yield thread.thread_id
        if len(seen) == seen_before:
            return


def _count_undrained(api: MemoryClient) -> int | None:
    """Return the number of undrained exchanges; None if the API does not report it to this caller."""
    try:
        status = api.read_status()
    except (ApiError, NotThisApi):
        return None  # with authentication, only operators can read the status
    if status.queue is None or status.outbox is None:
        return None
    return sum(place.visible + place.in_flight + place.delayed for place in (status.queue, status.outbox))


def _write_thread(api: MemoryClient, thread_id: str, write: Any, advance: Any, result: ExportResult) -> None:
    """Write one thread with its messages."""
    write({"kind": "thread", **api.read_thread(thread_id).raw})
    result.threads += 1
    for page in api.iter_message_pages(thread_id, page_size=PAGE_SIZE):
        result.degraded.update(page.degraded)
        for message in page:
            write({"kind": "message", "thread_id": thread_id, **message.raw})
            result.messages += 1
        advance(result.messages, None)


@contextmanager
def _writer(output: Path | None) -> Iterator[Any]:
    """Yield a function that writes a line, to standard output or to a file that appears only when it is complete."""
    if output is None:
        yield _line_writer(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    if output.exists() and not output.is_file():
        # The output is a device or a pipe, such as /dev/null, which must not be replaced by a file.
        with output.open("wb") as device:
            yield _line_writer(device)
        return
    output = output.resolve()  # a link stays a link
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            # The file contains conversations, so only its owner may read it.
            os.chmod(part, 0o600)  # noqa: PTH101 - Path.open has no mode argument
            yield _line_writer(file)
        part.replace(output)
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def _line_writer(file: BinaryIO) -> Any:
    def write(line: dict[str, Any]) -> None:
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    return write
