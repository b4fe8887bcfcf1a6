"""Runs two releases' functions as processes on the same stores.

The functions are invoked as by API Gateway, SQS and a schedule.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from tests.support.queues import Queues

Release = Literal["previous", "this"]
RELEASES: Final[tuple[Release, Release]] = ("previous", "this")
_WORKER: Final = Path(__file__).with_name("worker.py")
_MIGRATE: Final = "import sys; from infra.migrations import upgrade; upgrade(sys.argv[1])"
_END_SECONDS: Final = 20
_OK: Final = 300


def migrate(root: Path, database_url: str) -> None:
    """Upgrade a database to the newest schema of the release in `root`."""
    done = subprocess.run(
        [sys.executable, "-c", _MIGRATE, database_url],
        cwd=root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2_000:]


class Function:
    """One function of one release, in its own process.

    Args:
        root: The release's directory.
        module: The module with the handler.
        environment: The function's settings.
    """

    def __init__(self, root: Path, module: str, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(_WORKER), module],
                cwd=root,
                env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._read()

    def ask(self, event: object) -> Any:
        """Invoke the function and return its result.

        Raises:
            AssertionError: The process ended instead.
        """
        if self._process.stdin is None:
            raise TypeError("its standard input is a pipe")
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def _read(self) -> str:
        if self._process.stdout is None:
            raise TypeError("its standard output is a pipe")
        line = self._process.stdout.readline()
        assert line, f"the function ended: {self._log.read_text()[-2_000:]}"
        return line

    def close(self) -> None:
        """Stop the function."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_END_SECONDS)
        finally:
            self._process.kill()


class Agent(Function):
    """The agent function."""

    def say(self, thread_id: str, text: str, user_id: str | None = None, **more: Any) -> dict[str, Any]:
        """Store an exchange with the texts `text` and its echo."""
        fields = {"thread_id": thread_id, "user_id": user_id, "user_message": text, "assistant_message": f"re {text}"}
        answer: dict[str, Any] = self.ask({"action": "invoked", **fields, **more})
        return answer

    def recall(self, thread_id: str | None, user_id: str | None = None) -> dict[str, Any]:
        """Return the memory's context."""
        answer: dict[str, Any] = self.ask({"action": "invoking", "thread_id": thread_id, "user_id": user_id})
        return answer

    def user_messages(self, thread_id: str, user_id: str | None = None, *, is_drained: bool = False) -> list[str]:
        """Return the users' messages in the response of `/invoking`, and check that each has its answer.

        While an exchange is undrained, the response may report the queue as degraded.
        """
        answer = self.recall(thread_id, user_id)
        assert answer["degraded"] in ([], [] if is_drained else ["queue"]), answer
        contents = [message["content"] for message in answer["messages"]]
        assert [f"re {text}" for text in contents[::2]] == contents[1::2], contents
        return contents[::2]

    def http(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Send a request like API Gateway's REST API; return status, body and headers."""
        path, _, query = path.partition("?")
        answer = self.ask(
            {
                "resource": "/{proxy+}",
                "path": path,
                "httpMethod": method,
                "headers": {"content-type": "application/json", "Host": "api", **(headers or {})},
                "multiValueHeaders": {},
                "queryStringParameters": dict(pair.split("=") for pair in query.split("&")) if query else None,
                "multiValueQueryStringParameters": None,
                "requestContext": {"requestId": "r", "stage": "local", "identity": {"sourceIp": "127.0.0.1"}},
                "body": None if body is None else json.dumps(body),
                "isBase64Encoded": False,
            }
        )
        shown = {name.lower(): value[-1] for name, value in (answer.get("multiValueHeaders") or {}).items()}
        shown |= {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
        return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, shown

    def do(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, check for success, and return the body."""
        status, answer, _ = self.http(method, path, body)
        assert status < _OK, (method, path, status, answer)
        return answer


class Sync(Function):
    """The sync function."""

    def drain(self, queues: Queues) -> None:
        """Drain the queue like the event source mapping."""
        while records := queues.receive():
            answer = self.ask({"Records": [{**each, "messageAttributes": {}} for each in records]})
            failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            assert not failed, answer
            for record in records:
                queues.client.delete_message(QueueUrl=queues.url, ReceiptHandle=record["receiptHandle"])

    def sweep(self) -> None:
        """Sweep like the schedule."""
        self.ask({"source": "aws.events"})


@dataclass
class Releases:
    """Both releases on the same stores; a function starts at its first use.

    Attributes:
        roots: The releases' directories.
        environment: The settings of all functions.
    """

    roots: Mapping[Release, Path]
    environment: dict[str, str]
    queues: Queues
    directory: Path
    _running: dict[tuple[str, Release, str], Function] = field(default_factory=dict)

    def agent(self, release: Release, name: str = "", **settings: str) -> Agent:
        """Return a release's agent function; each `name` is a separate process."""
        key = ("agent", release, name)
        if key not in self._running:
            self._running[key] = Agent(*self._arguments(release, "functions.agent.handler", settings))
        made = self._running[key]
        assert isinstance(made, Agent)
        return made

    def sync(self, release: Release) -> Sync:
        """Return a release's sync function."""
        key = ("sync", release, "")
        if key not in self._running:
            self._running[key] = Sync(*self._arguments(release, "functions.sync.handler", {}))
        made = self._running[key]
        assert isinstance(made, Sync)
        return made

    def drain_and_sweep(self, release: Release) -> None:
        """Let a release's sync function drain and sweep everything."""
        self.sync(release).sweep()
        self.sync(release).drain(self.queues)
        self.sync(release).sweep()

    def _arguments(
        self, release: Release, module: str, settings: Mapping[str, str]
    ) -> tuple[Path, str, dict[str, str], Path]:
        log = self.directory / f"{release}-{module}-{len(self._running)}.log"
        return self.roots[release], module, {**self.environment, **settings}, log

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for function in self._running.values():
            function.close()
