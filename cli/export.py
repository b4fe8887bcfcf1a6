"""Exports as NDJSON, one JSON object a line. A line is written once its data is read, so memory use is constant."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cli.api import PAGE_SIZE
from cli.output import progress
from hybrid_memory_client import ApiError, MemoryClient, NotFound, NotThisApi
from shared.errors import SettingsError


@dataclass(slots=True)
class ExportResult:
    """The result of an export so far.

    Attributes:
        degraded: Layers that did not respond. Messages that only they have are missing from the export.
        gone: Threads of the user that were deleted during the export.
        waiting: How many exchanges, of all users, were undrained when the threads were last listed. A thread appears in
            the list only after its first exchange is drained. None if the API does not report the number, or was not
            asked for it.
    """

    threads: int = 0
    messages: int = 0
    degraded: set[str] = field(default_factory=set)
    gone: int = 0
    waiting: int | None = None


def export_threads(api: MemoryClient, thread_ids: Sequence[str], output: Path | None) -> ExportResult:
    """Write threads with their messages, oldest first. Messages that arrive during the export may be missing.

    Raises:
        MemoryClientError: The API did not respond, or a thread does not exist; an existing file is not changed.
    """
    done = ExportResult()
    with _writer(output) as write, progress("Export", None) as advance:
        for thread_id in thread_ids:
            _write_thread(api, thread_id, write, advance, done)
    return done


def export_user(api: MemoryClient, user_id: str, output: Path | None) -> ExportResult:
    """Write a user's preferences, then their threads.

    Raises:
        MemoryClientError: The API did not respond, or refused; an existing file is not changed.
    """
    done = ExportResult()
    with _writer(output) as write, progress("Export", None) as advance:
        write({"kind": "preferences", "user_id": user_id, "preferences": api.read_preferences(user_id)})
        for thread_id in _threads_of(api, user_id, done):
            try:
                _write_thread(api, thread_id, write, advance, done)
            except NotFound:
                done.gone += 1
    return done


def _threads_of(api: MemoryClient, user_id: str, done: ExportResult) -> Iterator[str]:
    """Yield the id of each thread once.

    The list is sorted by the newest exchange, so a thread that receives one while the list is read moves to a page
    already read. The list is therefore read again until it contains nothing new. Each time the undrained exchanges are
    counted first, so that every exchange drained before the count is in the list.
    """
    seen: set[str] = set()
    while True:
        seen_before = len(seen)
        done.waiting = _waiting(api)
        for thread in api.iter_threads(user_id, page_size=PAGE_SIZE):
            if thread.thread_id not in seen:
                seen.add(thread.thread_id)
                yield thread.thread_id
        if len(seen) == seen_before:
            return


def _waiting(api: MemoryClient) -> int | None:
    """Return the number of undrained exchanges; None if the API does not report it to this caller."""
    try:
        status = api.read_status()
    except (ApiError, NotThisApi):
        return None  # with authentication, only operators may read the status
    if status.queue is None or status.outbox is None:
        return None
    return sum(place.visible + place.in_flight + place.delayed for place in (status.queue, status.outbox))


def _write_thread(api: MemoryClient, thread_id: str, write: Any, advance: Any, done: ExportResult) -> None:
    """Write one thread with its messages."""
    write({"kind": "thread", **api.read_thread(thread_id).raw})
    done.threads += 1
    for page in api.iter_message_pages(thread_id, page_size=PAGE_SIZE):
        done.degraded.update(page.degraded)
        for message in page:
            write({"kind": "message", "thread_id": thread_id, **message.raw})
            done.messages += 1
        advance(done.messages, None)


@contextmanager
def _writer(output: Path | None) -> Iterator[Any]:
    """Yield a function that writes a line, to standard output or to a file that appears only when it is complete."""
    if output is None:
        yield _writing(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    if output.exists() and not output.is_file():
        # A device or a pipe, such as /dev/null, is written to and not replaced.
        with output.open("wb") as device:
            yield _writing(device)
        return
    output = output.resolve()  # a link stays a link
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            # The file contains conversations, so only its owner may read it.
            os.chmod(part, 0o600)  # noqa: PTH101 - Path.open has no mode argument
            yield _writing(file)
        part.replace(output)
    except OSError as error:
        raise SettingsError(f"{output} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def _writing(file: BinaryIO) -> Any:
    def write(line: dict[str, Any]) -> None:
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    return write
