"""The AWS emulator's process: ministack, with patches where it differs from AWS in a way that affects this project.

The patches depend on the pinned version:
- the function gets a REST API's path percent-encoded, as on AWS, so that `a%2Fb` stays one segment;
- a stage's URL without a trailing slash redirects to the URL with a slash. On AWS the function does that, but here the
  function cannot distinguish the two URLs;
- an SQS event source fills batches up to its BatchSize, not only up to ten;
- only one thread at a time changes a queue, so that a message sent while a batch is deleted is not lost;
- an invalid delay is refused, as by SQS, because `/health` tests the queue with a message that SQS refuses;
- SQS is down until the time in the file QUEUE_STOP_FILE: it refuses messages and delivers none;
- a burst of requests waits for one of a few workers instead of starting one process each;
- a worker ends with the emulator, even in the middle of a request;
- the functions' logs are also appended to a file, which `make run` follows, and old log streams are dropped.

This script imports no module of the project, because its function workers must not find the project's modules.
"""

# ruff: noqa: SLF001 - the patched attributes are private, which is why the version is pinned exactly

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from ministack import app  # type: ignore[import-untyped]  # ships no types
from ministack.core import lambda_runtime  # type: ignore[import-untyped]
from ministack.services import cloudwatch_logs, lambda_svc, sqs  # type: ignore[import-untyped]

T = TypeVar("T")
EXECUTE_API = "/_aws/execute-api/"
STAGE_WITHOUT_SLASH = re.compile(rf"{EXECUTE_API}[\w-]+/([\w-]+)")
BATCH_BYTES = 4_000_000  # AWS sends at most 6 MB per batch, including quotes and escapes
MAX_WORKERS = int(os.environ.get("LAMBDA_WORKERS") or min(16, max(4, 4 * (os.cpu_count() or 1))))
MAX_LOG_BYTES = 10_000_000
MAX_LOG_STREAMS = 500
MAX_DELAY = 900
STOPPED_ACTIONS = ("SendMessage", "SendMessageBatch", "ReceiveMessage")
GENERATED_NAME = re.compile(r"^.+-(\w+)-[0-9A-F]{8,}$")  # stack, logical name, unique suffix
WATCH_PARENT = """
import os, threading, time
def _watch_parent(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
threading.Thread(target=_watch_parent, daemon=True, name="watch-parent").start()
"""

Scope = MutableMapping[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]


def with_encoded_paths(inner: Asgi) -> Asgi:
    """Return an application that gets API paths percent-encoded."""

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(EXECUTE_API) and scope.get("raw_path"):
            path = quote(scope["raw_path"], safe="/%!$&'()*+,;=:@~")
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await inner(scope, receive, send)

    return application


def with_stage_redirects(inner: Asgi) -> Asgi:
    """Return an application that redirects a stage's URL without a trailing slash to the URL with a slash."""

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] == "GET"
            and (stage := STAGE_WITHOUT_SLASH.fullmatch(scope["path"]))
        ):
            location = [(b"location", f"{stage[1]}/".encode()), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 307, "headers": location})
            await send({"type": "http.response.body", "body": b""})
            return
        await inner(scope, receive, send)

    return application


def with_full_batches(receive: Callable[[str, int], list[Any]]) -> Callable[[str, int], list[Any]]:
    """Return a receive function that receives ten messages at a time until the batch is full or the queue is empty."""

    def receive_batch(queue_url: str, limit: int) -> list[Any]:
        batch: list[Any] = []
        size = 0
        while len(batch) < limit and size < BATCH_BYTES:
            received = receive(queue_url, min(10, limit - len(batch)))
            batch += received
            size += sum(len(message["body"]) for message in received)
            if not received:
                break
        return batch

    return receive_batch


def with_lock(change: Callable[..., T], lock: threading.RLock) -> Callable[..., T]:
    """Return a function that holds a lock while it runs."""

    @wraps(change)
    def changed(*arguments: Any, **options: Any) -> T:
        with lock:
            return change(*arguments, **options)

    return changed


def with_checked_delay(send: Callable[..., T]) -> Callable[..., T]:
    """Return a SendMessage that refuses delays of more than SQS' fifteen minutes."""

    @wraps(send)
    def checked(data: dict[str, Any], queue_url: str) -> T:
        delay = int(data.get("DelaySeconds") or 0)
        if not 0 <= delay <= MAX_DELAY:
            reason = f"DelaySeconds must be >= 0 and <= {MAX_DELAY}."
            raise sqs._Err(
                "InvalidParameterValue", f"Value {delay} for parameter DelaySeconds is invalid. Reason: {reason}"
            )
        return send(data, queue_url)

    return checked


def is_queue_stopped() -> bool:
    """Return whether SQS is down. The file's time ends the outage, even if nobody removes the file."""
    try:
        return time.time() < float(Path(os.environ["QUEUE_STOP_FILE"]).read_text())
    except (OSError, KeyError, ValueError):
        return False


def with_outage(action: Callable[..., T]) -> Callable[..., T]:
    """Return an action that SQS refuses while it is down."""

    @wraps(action)
    def checked(data: dict[str, Any], queue_url: str) -> T:
        if is_queue_stopped():
            raise sqs._Err("ServiceUnavailable", "The local stack has stopped the queue.", 503)
        return action(data, queue_url)

    return checked


def with_paused_delivery(receive: Callable[[str, int], list[Any]]) -> Callable[[str, int], list[Any]]:
    """Return a receive function of event sources that receives nothing while SQS is down."""

    @wraps(receive)
    def receive_unless_stopped(queue_url: str, limit: int) -> list[Any]:
        return [] if is_queue_stopped() else receive(queue_url, limit)

    return receive_unless_stopped


def lock_queues() -> None:
    """Make the API's thread use the lock of the event source mappings' threads.

    Both kinds of threads replace a queue's list of messages with a shorter list. Without a common lock, a message that
    another thread appended in between would be lost.
    """
    lock = sqs._queues_lock = threading.RLock()
    for name in ("_expire_retained", "_dlq_sweep", "_collect_msgs"):
        setattr(sqs, name, with_lock(getattr(sqs, name), lock))
    for name, action in sqs._HANDLERS.items():
        # ReceiveMessage is a coroutine, because it waits. It changes the queue only through the functions above.
        if not iscoroutinefunction(action):
            sqs._HANDLERS[name] = with_lock(action, lock)


def with_limited_workers(execute: Callable[..., Any]) -> Callable[..., Any]:
    """Return an execute function that runs at most `MAX_WORKERS` concurrent invocations of a function. Others wait."""
    semaphores: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(MAX_WORKERS))
    lock = threading.Lock()

    def execute_with_limit(function: dict[str, Any], event: Any, request_id: str) -> Any:
        name = (function.get("config") or function).get("FunctionName", "")
        with lock:
            semaphore = semaphores[name]
        with semaphore:
            return execute(function, event, request_id)

    return execute_with_limit


def with_log_file(emit: Callable[..., None], path: Path) -> Callable[..., None]:
    """Return an emit function that also appends the lines to a file, each with its function's name."""
    lock = threading.Lock()
    output = path.open("ab", buffering=0)

    def emit_to_file(function: dict[str, Any], request_id: str, text: str, *rest: Any, **options: Any) -> None:
        name = (function.get("config") or function).get("FunctionName", "")
        short_name = GENERATED_NAME.sub(r"\1", name)
        lines = "".join(f"{short_name} | {line}\n" for line in (text or "").splitlines())
        with lock:
            emit(function, request_id, text, *rest, **options)
            if lines:
                if output.tell() > MAX_LOG_BYTES:
                    output.truncate(0)
                output.write(lines.encode(errors="replace"))
            # Every invocation creates a stream, and nothing else removes them.
            streams = cloudwatch_logs._log_groups.get(f"/aws/lambda/{name}", {}).get("streams", {})
            while len(streams) > MAX_LOG_STREAMS:
                del streams[next(iter(streams))]

    return emit_to_file


def main() -> None:
    """Patch ministack and run it; return when it is stopped."""
    app.app = with_stage_redirects(with_encoded_paths(app.app))
    sqs._HANDLERS["SendMessage"] = with_checked_delay(sqs._HANDLERS["SendMessage"])
    lock_queues()
    for name in STOPPED_ACTIONS:
        sqs._HANDLERS[name] = with_outage(sqs._HANDLERS[name])
    sqs._receive_messages_for_esm = with_paused_delivery(with_full_batches(sqs._receive_messages_for_esm))
    lambda_svc._execute_function_warm = with_limited_workers(lambda_svc._execute_function_warm)
    lambda_svc._emit_lambda_logs = with_log_file(lambda_svc._emit_lambda_logs, Path(os.environ["FUNCTION_LOG"]))
    lambda_runtime._PYTHON_WORKER_SCRIPT = WATCH_PARENT + lambda_runtime._PYTHON_WORKER_SCRIPT
    # The first value is the time for which a response waits for the first log line. With the default, each call of a
    # function without logs takes 50 ms longer.
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.005, 0.002, 0.100)
    app.main()


if __name__ == "__main__":
    main()
