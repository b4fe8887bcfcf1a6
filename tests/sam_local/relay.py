"""Relays from the compose network's ports to servers on 127.0.0.1, so that containers can reach the servers."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 1 << 16


class Relay(ThreadingTCPServer):
    """A server that listens on `address` and forwards every connection to 127.0.0.1:`target`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], target: int) -> None:
        super().__init__(address, _Connection)
        self.target = target
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Connection(BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        client: socket.socket = self.request
        with socket.create_connection(("127.0.0.1", self.server.target)) as server:
            responses = threading.Thread(target=_forward, args=(server, client), daemon=True)
            responses.start()
            _forward(client, server)
            responses.join()


def _forward(source: socket.socket, target: socket.socket) -> None:
    # Each side may close the connection at any time. The relay then closes the other side.
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
