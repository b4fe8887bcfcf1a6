"""A TCP proxy on 127.0.0.1 that counts connections, round trips and PostgreSQL's statements."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 1 << 20
_IDLE_SECONDS = 0.02
_SIMPLE_QUERY, _PARSE = b"Q", b"P"


class CountingProxy:
    """Forwards all data to `port`. It forwards a response only after the client has stopped sending.

    A client that sends one request in several pieces and then waits is therefore counted as one round trip.

    Attributes:
        connections: The number of clients.
        round_trips: The number of times that a client waited for a response.
        sent: The bytes that the clients sent.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.round_trips = 0
        self.sent = b""
        self._is_waiting = False
        self._pending_responses: dict[socket.socket, bytes] = {}
        self._peers: dict[socket.socket, tuple[socket.socket, bool]] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_sender, self._wake_receiver = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def redirect_to(self, port: int) -> None:
        """Forward new connections to another server. Open connections stay."""
        self._target = port

    def reset(self) -> None:
        """Reset the counters."""
        self.connections = self.round_trips = 0
        self.sent = b""
        self._is_waiting = False

    def statements(self) -> list[bytes]:
        """Return the statements sent to PostgreSQL since the last reset, when the connection must be idle."""
        statements, rest = [], self.sent
        while rest:
            kind, length = rest[:1], struct.unpack("!i", rest[1:5])[0]
            body, rest = rest[5 : 1 + length], rest[1 + length :]
            if kind == _SIMPLE_QUERY:
                statements.append(body.rstrip(b"\x00"))
            elif kind == _PARSE:
                statements.append(body.split(b"\x00")[1])
        return statements

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ)
        while True:
            events = self._selector.select(_IDLE_SECONDS if self._pending_responses else None)
            if not events:
                self._send_responses()
            for key, _ in events:
                if key.fileobj is self._wake_receiver:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._forward(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self.connections += 1
        for source, destination, is_client in ((client, server, True), (server, client, False)):
            self._peers[source] = (destination, is_client)
            self._selector.register(source, selectors.EVENT_READ)

    def _forward(self, source: socket.socket) -> None:
        destination, is_client = self._peers[source]
        try:
            data = source.recv(_CHUNK)
            if not data:
                self._close_pair(source, destination)
            elif is_client:
                self.sent += data
                self._is_waiting = True
                destination.sendall(data)
            else:
                self._pending_responses[destination] = self._pending_responses.get(destination, b"") + data
        except OSError:
            self._close_pair(source, destination)

    def _send_responses(self) -> None:
        self.round_trips += self._is_waiting
        self._is_waiting = False
        responses, self._pending_responses = self._pending_responses, {}
        for client, data in responses.items():
            try:
                client.sendall(data)
            except OSError:
                self._close_pair(client, self._peers[client][0])

    def _close_pair(self, source: socket.socket, destination: socket.socket) -> None:
        for each in (source, destination):
            if last := self._pending_responses.pop(each, None):
                with suppress(OSError):
                    each.sendall(last)
            self._selector.unregister(each)
            del self._peers[each]
            each.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake_sender.send(b"x")
        self._thread.join(10)
        for each in (*self._peers, self._listener, self._wake_sender, self._wake_receiver):
            each.close()
        self._selector.close()
