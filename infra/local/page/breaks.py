"""The breaks that the panel "Break it and see" can start. Each ends by itself within 60 s, and at the stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import redis

from infra.local import LocalStackError
from infra.local.page.stores import StoreReader
from infra.local.processes import reap
from infra.local.servers.child import ChildServer
from infra.local.servers.emulator import QUEUE_STOP_FILE
from shared.errors import StoreUnavailable

if TYPE_CHECKING:
    from infra.local.stack import Stack

MAX_SECONDS: Final = 60.0
DEFAULT_SECONDS: Final = 20.0
_FREEZE_SCRIPT: Final = Path(__file__).with_name("freeze.py")
_BEGIN_SECONDS: Final = 10.0
_END_SECONDS: Final = 5.0
_POISON: Final = "This message is not JSON, so that the drain cannot read it: "
_PAUSE_SECONDS: Final = 0.05


class BreakRefused(Exception):  # noqa: N818 - named after the state
    """A break cannot start now; the message gives the reason."""


@dataclass
class Running:
    """A break that is running.

    Attributes:
        ends_at: The monotonic time at which the break ends by itself.
        stop: Ends the break when it is set.
        has_begun: Whether its effect has begun.
    """

    name: str
    ends_at: float
    stop: threading.Event = field(default_factory=threading.Event)
    has_begun: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Say that the effect has begun, and wait until the break ends."""
        self.has_begun.set()
        self.stop.wait(max(0.0, self.ends_at - time.monotonic()))

    def is_over(self) -> bool:
        """Return whether the break must end now."""
        return self.stop.is_set() or time.monotonic() >= self.ends_at


class Breaks:
    """Starts and ends breaks, one at a time, so that an effect has one cause."""

    def __init__(self, stack: Stack, stores: StoreReader) -> None:
        self._stack = stack
        self._stores = stores
        self._lock = threading.Lock()
        self._running: Running | None = None
        self._thread: threading.Thread | None = None
        self._is_stopped = False
        self._results: dict[str, str] = {}
        self.actions: dict[str, Callable[[Running], str]] = {
            "freeze-redis": lambda running: self.freeze("Redis", stack.valkey, running),
            "kill-redis": self.kill_redis,
            "freeze-postgres": lambda running: self.freeze("PostgreSQL", stack.postgres, running),
            "stop-queue": self.stop_queue,
            "poison": self.poison,
        }

    def start(self, name: str, seconds: float = DEFAULT_SECONDS) -> None:
        """Start a break, which runs in a thread of its own, and return when its effect has begun.

        Args:
            name: A key of `actions`.
            seconds: How long the break lasts, at most 60.

        Raises:
            BreakRefused: Another break is running, or the stack is stopping.
        """
        action = self.actions[name]
        with self._lock:
            if self._is_stopped:
                raise BreakRefused("The stack is stopping.")
            if self._running is not None:
                raise BreakRefused("Another break is running. End it first.")
            running = Running(name, time.monotonic() + min(seconds, MAX_SECONDS))
            self._running = running
            self._results.pop(name, None)
            self._thread = threading.Thread(target=self._run, args=(action, running), name=f"break-{name}", daemon=True)
            self._thread.start()
        running.has_begun.wait(_BEGIN_SECONDS)

    def end(self, name: str) -> None:
        """End a break now, and wait until it has ended; do nothing if it is not running."""
        with self._lock:
            running, thread = self._running, self._thread
        if running is not None and thread is not None and running.name == name:
            running.stop.set()
            thread.join(_END_SECONDS)

    def stop(self) -> None:
        """End the running break and refuse further ones."""
        with self._lock:
            self._is_stopped = True
            running = self._running
        if running is not None:
            self.end(running.name)

    def state(self) -> list[dict[str, Any]]:
        """Return the state of each break, as JSON."""
        with self._lock:
            running, results = self._running, dict(self._results)
        return [
            {
                "name": name,
                "ends_in_seconds": max(0.0, round(running.ends_at - time.monotonic(), 1))
                if running is not None and running.has_begun.is_set() and running.name == name
                else None,
                "result": results.get(name),
            }
            for name in self.actions
        ]

    def _run(self, action: Callable[[Running], str], running: Running) -> None:
        result = "It failed."
        try:
            result = action(running)
        except (LocalStackError, StoreUnavailable) as error:
            result = f"It failed: {error}"
        finally:
            with self._lock:
                self._running = None
                self._results[running.name] = result
            running.has_begun.set()

    def freeze(self, name: str, server: ChildServer, running: Running) -> str:
        """Freeze all processes of a server until the break ends."""
        seconds = max(0.0, running.ends_at - time.monotonic())
        command = [sys.executable, "-P", str(_FREEZE_SCRIPT), "--pid", str(server.pid), "--seconds", str(seconds)]
        # Its own session, because Ctrl-C in a terminal signals all processes of a session's foreground group.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        ) as freezer:
            if freezer.stdout is None or freezer.stdout.readline() != b"frozen\n":
                raise LocalStackError(f"{name} could not be frozen.")
            running.wait()
            if freezer.stdin is not None:
                freezer.stdin.close()
            if not reap(freezer, _END_SECONDS):
                server.thaw()
                freezer.kill()
        return f"{name} continues."

    def kill_redis(self, running: Running) -> str:
        """Kill Redis, and wait until the supervisor has restarted it."""
        valkey = self._stack.valkey
        started, old_pid = time.monotonic(), valkey.pid
        os.kill(old_pid, signal.SIGKILL)
        running.has_begun.set()
        while not self._is_redis_back(old_pid):
            if running.is_over():
                return "Redis was killed. The supervisor is restarting it."
            time.sleep(_PAUSE_SECONDS)
        return f"Redis was restarted empty after {time.monotonic() - started:.1f} s."

    def _is_redis_back(self, old_pid: int) -> bool:
        valkey = self._stack.valkey
        with suppress(LocalStackError, redis.RedisError):
            if valkey.pid != old_pid:
                with redis.Redis.from_url(valkey.url, socket_timeout=1) as client:
                    return bool(client.ping())
        return False

    def stop_queue(self, running: Running) -> str:
        """Make SQS refuse all messages and deliver none until the break ends."""
        file = self._stack.emulator.data_dir / QUEUE_STOP_FILE
        seconds = max(0.0, running.ends_at - time.monotonic())
        scratch = file.with_suffix(".tmp")
        # The emulator reads the end itself, so that the break ends even if this process crashes.
        scratch.write_text(str(time.time() + seconds))
        scratch.replace(file)
        try:
            running.wait()
        finally:
            file.unlink(missing_ok=True)
        return "The queue accepts and delivers messages again."

    def poison(self, running: Running) -> str:
        """Send a message that is no exchange, and wait until the drain has moved it to the dead-letter queue."""
        started, before = time.monotonic(), self._stores.dead_letters()
        self._stores.send(f"{_POISON}{uuid4()}")
        running.has_begun.set()
        while self._stores.dead_letters() <= before:
            if running.is_over():
                return "The message is still in the queue."
            time.sleep(_PAUSE_SECONDS)
        return f"The drain moved it to the dead-letter queue after {time.monotonic() - started:.1f} s."
