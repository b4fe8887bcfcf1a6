"""The processes and the queue for fault injection. Each fault looks the processes up again."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import boto3
import psutil
import redis
from botocore.config import Config

from infra.local.client import StackProcess

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

Server = Literal["postgres", "valkey", "emulator"]
_URLS: Final[dict[Server, str]] = {"postgres": "database_url", "valkey": "redis_url", "emulator": "endpoint_url"}
FUNCTIONS: Final = ("agent_function", "sync_function", "derive_function")
"""The keys of the functions' names in `stack.json`."""
_MIN_MESSAGE_BYTES: Final = 1_024
_MAX_MESSAGE_BYTES: Final = 1_048_576
_RESTART_SECONDS: Final = 30.0
_BREAKER_SECONDS: Final = 3.0


def lambda_client(info: dict[str, Any]) -> LambdaClient:
    """Return a Lambda client of the stack that ignores the user's proxy and configuration."""
    session = boto3.Session("test", "test", region_name=info["region"])
    config = Config(proxies={}, read_timeout=30, retries={"total_max_attempts": 1})
    return session.client("lambda", endpoint_url=info["endpoint_url"], config=config)


def redirect_functions(info: dict[str, Any], ports: dict[Server, int], clocks: dict[str, dict[str, str]]) -> None:
    """Make the functions connect to Valkey and PostgreSQL on other ports and use other clocks.

    Args:
        info: The content of `stack.json`.
        ports: The port of each server.
        clocks: The environment of each function's clock, for each of `FUNCTIONS`.
    """
    functions = lambda_client(info)
    for function in FUNCTIONS:
        name = info[function]
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables["REDIS__PORT"] = str(ports["valkey"])
        url = urlsplit(variables["DATABASE__URL"])
        variables["DATABASE__URL"] = url._replace(
            netloc=f"{url.netloc.rpartition(':')[0]}:{ports['postgres']}"
        ).geturl()
        variables |= clocks[function]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    functions.close()


def sqs_client(info: dict[str, Any], *, read_seconds: float = 30) -> SQSClient:
    """Return an SQS client of the stack that ignores the user's proxy and configuration."""
    session = boto3.Session("test", "test", region_name=info["region"])
    config = Config(proxies={}, connect_timeout=5, read_timeout=read_seconds, retries={"total_max_attempts": 1})
    return session.client("sqs", endpoint_url=info["endpoint_url"], config=config)


class Targets:
    """Kills, freezes and thaws the servers and the function workers of one stack."""

    def __init__(self, stack: StackProcess) -> None:
        self._stack = stack
        self._info = stack.info
        self._frozen: list[psutil.Process] = []
        self._sqs = sqs_client(self._info)

    def close(self) -> None:
        """Thaw all frozen processes, remove the queue's limit, and close the connections."""
        self.thaw(self._frozen)
        self.limit_queue(refuses=False)
        self._sqs.close()

    def pid(self, server: Server) -> int:
        """Return a server's process id from `stack.json`."""
        return int(self._stack.info["pids"][server])

    def tree(self, server: Server) -> list[psutil.Process]:
        """Return a server's processes. The parent is first, so it is killed first and cannot replace its children."""
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.pid(server))
            return [first, *([] if server == "emulator" else first.children(recursive=True))]
        return []

    def backends(self) -> list[psutil.Process]:
        """Return PostgreSQL's child processes."""
        return self.tree("postgres")[1:]

    def workers(self) -> list[psutil.Process]:
        """Return the processes that run the functions."""
        workers = []
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.pid("emulator")).children():
                with suppress(psutil.Error):
                    if "AWS_LAMBDA_FUNCTION_NAME" in child.environ():
                        workers.append(child)
        return sorted(workers, key=lambda worker: worker.pid)

    def kill(self, processes: Iterable[psutil.Process]) -> int:
        """Kill the processes with SIGKILL. Return the number of signalled processes."""
        return self._signal(processes, signal.SIGKILL)

    def freeze(self, processes: Iterable[psutil.Process]) -> int:
        """Freeze the processes with SIGSTOP. Return the number of signalled processes."""
        processes = list(processes)
        self._frozen += processes
        return self._signal(processes, signal.SIGSTOP)

    def thaw(self, processes: Iterable[psutil.Process]) -> None:
        """Thaw the processes with SIGCONT."""
        processes = list(processes)
        self._signal(processes, signal.SIGCONT)
        self._frozen = [process for process in self._frozen if process not in processes]

    def stop_postgres(self) -> None:
        """Shut PostgreSQL down cleanly, so that it closes sessions and writes a checkpoint."""
        self._signal(self.tree("postgres")[:1], signal.SIGINT)

    def stop_valkey(self) -> None:
        """Shut Valkey down cleanly, so that it loads its data at the next start."""
        with redis.Redis.from_url(self._info["redis_url"], socket_timeout=5) as client, suppress(redis.RedisError):
            client.shutdown(save=True)

    def limit_queue(self, *, refuses: bool) -> None:
        """Set the queue's maximum message size so that it refuses every exchange, or reset it."""
        size = _MIN_MESSAGE_BYTES if refuses else _MAX_MESSAGE_BYTES
        self._sqs.set_queue_attributes(QueueUrl=self._info["queue_url"], Attributes={"MaximumMessageSize": str(size)})

    def shorten_visibility(self) -> None:
        """Shorten the visibility timeout to little more than the function's timeout.

        The queue then redelivers a killed worker's messages soon.
        """
        self._sqs.set_queue_attributes(QueueUrl=self._info["queue_url"], Attributes={"VisibilityTimeout": "20"})

    def wait_restarted(self, server: Server, old_pid: int) -> bool:
        """Wait until the supervisor has replaced the process `old_pid` and the new process listens."""
        deadline = time.monotonic() + _RESTART_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError):
                if self.pid(server) != old_pid and self.listens(server):
                    return True
            time.sleep(0.05)
        return False

    def wait_up(self) -> None:
        """Wait until PostgreSQL and Valkey accept connections, and until circuit breakers have closed."""
        deadline = time.monotonic() + _RESTART_SECONDS
        while time.monotonic() < deadline and not (self.listens("postgres") and self.listens("valkey")):
            time.sleep(0.05)
        time.sleep(_BREAKER_SECONDS)

    def listens(self, server: Server) -> bool:
        """Return whether a server accepts connections."""
        parts = urlsplit(self._info[_URLS[server]])
        with suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1):
            return True
        return False

    def _signal(self, processes: Iterable[psutil.Process], signal_number: signal.Signals) -> int:
        count = 0
        for process in processes:
            # psutil checks that the id still belongs to the same process.
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                if process.is_running():
                    os.kill(process.pid, signal_number)
                    count += 1
        return count
