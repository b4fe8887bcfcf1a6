"""A TCP proxy in front of Valkey or PostgreSQL. It can change its target, as a host name does in a failover."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final

_CHUNK: Final = 1 << 16


class TcpProxy:
    """Listens on its own port and forwards every connection to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="tcp-proxy", daemon=True).start()

    def redirect_to(self, target_port: int, *, closes_connections: bool) -> None:
        """Forward new connections to another server. With `closes_connections`, also close the open connections."""
        self._target_port = target_port
        if closes_connections:
            self._close_connections()

    def close(self) -> None:
        """Stop accepting connections, and close the open connections."""
        # A thread that waits in `accept` does not notice a closed socket.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_connections()

    def _close_connections(self) -> None:
        with self._lock:
            sockets = list(self._open)
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            connection = _ForwardedConnection(self, client, server)
            connection.start()

    def close_sockets(self, *sockets: socket.socket) -> None:
        """Close the sockets of a finished connection."""
        with self._lock:
            self._open -= set(sockets)
        for each in sockets:
            each.close()


class _ForwardedConnection:
    """One forwarded connection with one thread per direction. The second thread to finish closes both sockets."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._sockets = (client, server)
        self._running = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start forwarding."""
        client, server = self._sockets
        for source, destination in ((client, server), (server, client)):
            threading.Thread(target=self._forward, args=(source, destination), name="tcp-proxy", daemon=True).start()

    def _forward(self, source: socket.socket, destination: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                destination.sendall(data)
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._running -= 1
            is_last = not self._running
        if is_last:
            self._proxy.close_sockets(*self._sockets)
