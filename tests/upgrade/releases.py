"""Runs two releases' functions as processes on the same stores.

The tests invoke the functions as API Gateway, SQS and a schedule do.
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
_EXIT_SECONDS: Final = 20
_FIRST_ERROR_STATUS: Final = 300


def migrate(root: Path, database_url: str) -> None:
    """Upgrade a database to the newest schema of the release in `root`."""
    completed = subprocess.run(
        [sys.executable, "-c", _MIGRATE, database_url],
        cwd=root,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert completed.returncode == 0, completed.stderr[-2_000:]


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

    def invoke(self, event: object) -> Any:
        """Invoke the function and return its result.

        Raises:
            AssertionError: The process ended instead.
        """
        if self._process.stdin is None:
            raise TypeError("the process' standard input is not a pipe")
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def _read(self) -> str:
        if self._process.stdout is None:
            raise TypeError("the process' standard output is not a pipe")
        line = self._process.stdout.readline()
        assert line, f"the function ended: {self._log.read_text()[-2_000:]}"
        return line

    def close(self) -> None:
        """Stop the function."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_EXIT_SECONDS)
        finally:
            self._process.kill()


class Agent(Function):
    """The agent function."""

    def store_exchange(self, thread_id: str, text: str, user_id: str | None = None, **fields: Any) -> dict[str, Any]:
        """Store an exchange whose assistant message is the user's message after `re `."""
        exchange = {"thread_id": thread_id, "user_id": user_id, "user_message": text, "assistant_message": f"re {text}"}
        response: dict[str, Any] = self.invoke({"action": "invoked", **exchange, **fields})
        return response

    def recall(self, thread_id: str | None, user_id: str | None = None) -> dict[str, Any]:
        """Return the memory's context."""
        response: dict[str, Any] = self.invoke({"action": "invoking", "thread_id": thread_id, "user_id": user_id})
        return response

    def user_messages(self, thread_id: str, user_id: str | None = None, *, is_drained: bool = False) -> list[str]:
        """Return the users' messages in the response of `/invoking`, and check that each has its answer.

        While an exchange is undrained, the response may report the queue as degraded.
        """
        response = self.recall(thread_id, user_id)
        assert response["degraded"] in ([], [] if is_drained else ["queue"]), response
        contents = [message["content"] for message in response["messages"]]
        assert [f"re {text}" for text in contents[::2]] == contents[1::2], contents
        return contents[::2]

    def http(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Send a request like API Gateway's REST API. Return status, body and headers."""
        path, _, query = path.partition("?")
        response = self.invoke(
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
        response_headers = {
            name.lower(): value[-1] for name, value in (response.get("multiValueHeaders") or {}).items()
        }
        response_headers |= {name.lower(): value for name, value in (response.get("headers") or {}).items()}
        return response["statusCode"], json.loads(response["body"]) if response["body"] else None, response_headers

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, check for success, and return the body."""
        status, response, _ = self.http(method, path, body)
        assert status < _FIRST_ERROR_STATUS, (method, path, status, response)
        return response


class Sync(Function):
    """The sync function."""

    def drain(self, queues: Queues) -> None:
        """Drain the queue like the event source mapping."""
        while records := queues.receive():
            response = self.invoke({"Records": [{**each, "messageAttributes": {}} for each in records]})
            failed_ids = {each["itemIdentifier"] for each in response["batchItemFailures"]}
            assert not failed_ids, response
            for record in records:
                queues.client.delete_message(QueueUrl=queues.url, ReceiptHandle=record["receiptHandle"])

    def sweep(self) -> None:
        """Sweep like the schedule."""
        self.invoke({"source": "aws.events"})


class Derive(Function):
    """The derive function of this release. The previous release has none."""

    def derive(self, queues: Queues) -> None:
        """Derive from the threads in the queue like the event source mapping."""
        while records := queues.receive():
            response = self.invoke({"Records": records})
            assert response == {"batchItemFailures": []}, response
            for record in records:
                queues.client.delete_message(QueueUrl=queues.url, ReceiptHandle=record["receiptHandle"])


@dataclass
class Releases:
    """Both releases on the same stores. A function starts at its first use.

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
        """Return a release's agent function. Each `name` is a separate process."""
        key = ("agent", release, name)
        if key not in self._running:
            self._running[key] = Agent(*self._arguments(release, "functions.agent.handler", settings))
        function = self._running[key]
        assert isinstance(function, Agent)
        return function

    def sync(self, release: Release) -> Sync:
        """Return a release's sync function."""
        key = ("sync", release, "")
        if key not in self._running:
            self._running[key] = Sync(*self._arguments(release, "functions.sync.handler", {}))
        function = self._running[key]
        assert isinstance(function, Sync)
        return function

    def derive(self) -> Derive:
        """Return this release's derive function."""
        key: tuple[str, Release, str] = ("derive", "this", "")
        if key not in self._running:
            self._running[key] = Derive(*self._arguments("this", "functions.derive.handler", {}))
        function = self._running[key]
        assert isinstance(function, Derive)
        return function

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
