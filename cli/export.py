"""An export as NDJSON: a JSON object a line, written as it is read, so that its length does not matter."""

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
    """What was written so far.

    Attributes:
        degraded: Layers that did not respond: what only they hold is not in the export.
        gone: Threads of a user that were deleted while the export ran.
        waiting: How many exchanges, of all users, were not drained when the threads were last listed: a thread of which
            none was drained yet is in no list. None where the API does not tell, or was not asked.
    """

    threads: int = 0
    messages: int = 0
    degraded: set[str] = field(default_factory=set)
    gone: int = 0
    waiting: int | None = None


def export_threads(api: MemoryClient, thread_ids: Sequence[str], output: Path | None) -> ExportResult:
    """Write threads, each with its messages, oldest first; a message that is added meanwhile may be the last, or not.

    Raises:
        MemoryClientError: The API did not answer, or there is no such thread; a file is then left as it was.
    """
    done = ExportResult()
    with _writer(output) as write, progress("Export", None) as advance:
        for thread_id in thread_ids:
            _write_thread(api, thread_id, write, advance, done)
    return done


def export_user(api: MemoryClient, user_id: str, output: Path | None) -> ExportResult:
    """Write a user's preferences, then their threads.

    Raises:
        MemoryClientError: The API did not answer, or refused; a file is then left as it was.
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
    """Yield the ids of all threads, each once.

    The list is newest first: a thread that is written to while it is read jumps ahead of the reader. So the list is
    read again until it has nothing new. What waits is asked for first, every time: what is drained by then is listed.
    """
    seen: set[str] = set()
    while True:
        found = len(seen)
        done.waiting = _waiting(api)
        for thread in api.iter_threads(user_id, page_size=PAGE_SIZE):
            if thread.thread_id not in seen:
                seen.add(thread.thread_id)
                yield thread.thread_id
        if len(seen) == found:
            return


def _waiting(api: MemoryClient) -> int | None:
    """Return how many exchanges are on their way to L2, None where the API does not tell this caller."""
    try:
        status = api.read_status()
    except (ApiError, NotThisApi):
        return None  # only operators may ask where tokens are checked
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
    """Yield what writes a line: to the standard output, or to a file that is there only when all of it is."""
    if output is None:
        yield _writing(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            # Conversations: readable only for their user.
            os.chmod(part, 0o600)  # noqa: PTH101 - beside the open, which Path has no mode for
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
