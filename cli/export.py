"""An export as NDJSON: a JSON object a line, written as it is read, so that its length does not matter."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from cli.errors import ApiRefused
from cli.output import progress
from shared.errors import SettingsError

if TYPE_CHECKING:  # the client is loaded when an API is asked for
    from cli.api import Api


@dataclass(slots=True)
class Exported:
    """What was written so far.

    Attributes:
        degraded: Layers that were asked and did not answer: what only they hold is not in the export.
        gone: Threads of a user that were deleted while the export ran.
        waiting: How many exchanges, of anybody, were not drained when the threads were last listed: a thread of which
            none was drained yet is in no list. None where the API does not tell, or was not asked.
    """

    threads: int = 0
    messages: int = 0
    degraded: set[str] = field(default_factory=set)
    gone: int = 0
    waiting: int | None = None


def export_threads(api: Api, thread_ids: Sequence[str], output: Path | None) -> Exported:
    """Write threads, each with its messages, oldest first; a message that is added meanwhile may be the last, or not.

    Raises:
        StoreUnavailable: The API did not answer; a file is then left as it was.
        ApiRefused: There is no such thread, or the API cannot say; likewise.
    """
    done = Exported()
    with _writer(output) as write, progress("Export", None) as advance:
        for thread_id in thread_ids:
            _write_thread(api, thread_id, write, advance, done)
    return done


def export_user(api: Api, user_id: str, output: Path | None) -> Exported:
    """Write a user's preferences, then their threads.

    Raises:
        StoreUnavailable: The API did not answer; a file is then left as it was.
        ApiRefused: The API cannot say; likewise.
    """
    done = Exported()
    with _writer(output) as write, progress("Export", None) as advance:
        write({"kind": "preferences", "user_id": user_id, "preferences": api.get("users", user_id, "preferences")})
        for thread_id in _threads_of(api, user_id, done):
            try:
                _write_thread(api, thread_id, write, advance, done)
            except ApiRefused as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                done.gone += 1
    return done


def _threads_of(api: Api, user_id: str, done: Exported) -> Iterator[str]:
    """Yield the ids of all threads, each once.

    The list is newest first: a thread that is written to while it is read jumps ahead of the reader. So the list is
    read again until it has nothing new. What waits is asked for first, every time: what is drained by then is listed.
    """
    seen: set[str] = set()
    while True:
        found = len(seen)
        done.waiting = _waiting(api)
        for page in api.pages("threads", user_id=user_id):
            for item in page["items"]:
                if item["thread_id"] not in seen:
                    seen.add(item["thread_id"])
                    yield item["thread_id"]
        if len(seen) == found:
            return


def _waiting(api: Api) -> int | None:
    """Return how many exchanges are on their way to L2, None where the API does not tell this caller."""
    try:
        status = api.get("status")
    except ApiRefused:
        return None  # only operators may ask where tokens are checked
    places = [status["queue"], status["outbox"]]
    if None in places:
        return None
    return sum(int(place[name]) for place in places for name in ("visible", "in_flight", "delayed"))


def _write_thread(api: Api, thread_id: str, write: Any, advance: Any, done: Exported) -> None:
    """Write one thread with its messages."""
    thread = api.get("threads", thread_id)
    write({"kind": "thread", **thread})
    done.threads += 1
    for page in api.pages("threads", thread_id, "messages", order="asc"):
        done.degraded.update(page["degraded"])
        for item in page["items"]:
            write({"kind": "message", "thread_id": thread_id, **item})
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
            # Conversations: nobody else's to read.
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
