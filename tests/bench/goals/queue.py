"""Measures the CPU time of the client's thread for sending an exchange to SQS. The server responds immediately."""

from __future__ import annotations

import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from shared.settings import SyncSettings
from shared.stores.sqs.queue import SqsQueue
from tests.bench.goals.figures import Figure, Goal, microseconds
from tests.bench.goals.system import LENGTHS, BenchSystem

_BODY: Final = b'{"MessageId":"00000000-0000-0000-0000-000000000000","MD5OfMessageBody":""}'
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 1\r\nContent-Length: %d\r\n\r\n"
    % len(_BODY)
) + _BODY
_WARM_UP: Final = 20


def queue(system: BenchSystem) -> Iterator[Figure]:
    """Measure sending with short and with long messages."""
    for length in LENGTHS:
        with _sqs() as port, patch.dict(os.environ, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"):
            sender = SqsQueue(SyncSettings(queue_url=f"http://127.0.0.1:{port}/000000000000/queue"))
            exchange = system.exchange("bench-queue", length)
            durations = []
            for number in range(system.sizes.repetitions + _WARM_UP):
                started = time.thread_time_ns()
                sender.send(exchange)
                if number >= _WARM_UP:
                    durations.append((time.thread_time_ns() - started) / 1000)
        cost = statistics.median(durations)
        name = f"SQS send, client side, {length} characters"
        yield Figure(name, microseconds(cost), "", None, cost, Goal(900, "us"))


@contextmanager
def _sqs() -> Iterator[int]:
    """Respond to each request of one connection; return the port."""
    accepted: list[socket.socket] = []

    def serve() -> None:
        accepted.append(server.accept()[0])
        while _has_request(accepted[0]):
            accepted[0].sendall(_ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        # The client keeps its connection open.
        accepted[0].shutdown(socket.SHUT_RDWR)
        thread.join()
        accepted[0].close()


def _has_request(connection: socket.socket) -> bool:
    """Read one request; return False if the client has closed the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(1 << 16)
        if not part:
            return False
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(1 << 16)
    return True
