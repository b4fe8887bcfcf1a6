"""A TCP proxy in front of Valkey or PostgreSQL. It can change its target, as a host name does in a failover."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final

_CHUNK: Final = 1 << 16


class Address:
    """Listens on its own port and forwards every connection to `target`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="address", daemon=True).start()

    def redirect_to(self, target: int, *, cuts: bool) -> None:
        """Forward new connections to another server. With `cuts`, also close the open connections."""
        self._target = target
        if cuts:
            self._cut()

    def close(self) -> None:
        """Stop accepting connections, and close the open connections."""
        # A thread that waits in `accept` does not notice a closed socket.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _cut(self) -> None:
        with self._lock:
            ends = list(self._open)
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            left = _Pair(self, client, server)
            left.start()

    def forget(self, *ends: socket.socket) -> None:
        """Close both ends of a finished connection."""
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            end.close()


class _Pair:
    """One forwarded connection with one thread per direction. The second thread to finish closes both sockets."""

    def __init__(self, address: Address, client: socket.socket, server: socket.socket) -> None:
        self._address = address
        self._ends = (client, server)
        self._running = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start forwarding."""
        client, server = self._ends
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pass, args=(one, other), name="address-pair", daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(_CHUNK):
                other.sendall(data)
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._running -= 1
            is_last = not self._running
        if is_last:
            self._address.forget(*self._ends)
