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
_SILENCE = 0.02
_SIMPLE_QUERY, _PARSE = b"Q", b"P"


class CountingProxy:
    """Forwards everything to `port`. It forwards a response only after the client has stopped sending.

    A client that sends one request in several pieces and then waits is therefore counted as one round trip.

    Attributes:
        connections: The number of clients.
        round_trips: How often a client waited for a response.
        sent: The clients' bytes.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.round_trips = 0
        self.sent = b""
        self._is_waiting = False
        self._answers: dict[socket.socket, bytes] = {}
        self._peers: dict[socket.socket, tuple[socket.socket, bool]] = {}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
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
        """Return the statements sent to PostgreSQL since the last reset. The connection was idle at that reset."""
        found, rest = [], self.sent
        while rest:
            kind, length = rest[:1], struct.unpack("!i", rest[1:5])[0]
            body, rest = rest[5 : 1 + length], rest[1 + length :]
            if kind == _SIMPLE_QUERY:
                found.append(body.rstrip(b"\x00"))
            elif kind == _PARSE:
                found.append(body.split(b"\x00")[1])
        return found

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        while True:
            events = self._selector.select(_SILENCE if self._answers else None)
            if not events:
                self._answer()
            for key, _ in events:
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._peers:
                    self._pass(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self.connections += 1
        for one, other, is_client in ((client, server, True), (server, client, False)):
            self._peers[one] = (other, is_client)
            self._selector.register(one, selectors.EVENT_READ)

    def _pass(self, one: socket.socket) -> None:
        other, is_client = self._peers[one]
        try:
            data = one.recv(_CHUNK)
            if not data:
                self._part(one, other)
            elif is_client:
                self.sent += data
                self._is_waiting = True
                other.sendall(data)
            else:
                self._answers[other] = self._answers.get(other, b"") + data
        except OSError:
            self._part(one, other)

    def _answer(self) -> None:
        self.round_trips += self._is_waiting
        self._is_waiting = False
        answers, self._answers = self._answers, {}
        for client, data in answers.items():
            try:
                client.sendall(data)
            except OSError:
                self._part(client, self._peers[client][0])

    def _part(self, one: socket.socket, other: socket.socket) -> None:
        for end in (one, other):
            if last := self._answers.pop(end, None):
                with suppress(OSError):
                    end.sendall(last)
            self._selector.unregister(end)
            del self._peers[end]
            end.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.send(b"x")
        self._thread.join(10)
        for end in (*self._peers, self._listener, self._wake, self._woken):
            end.close()
        self._selector.close()
