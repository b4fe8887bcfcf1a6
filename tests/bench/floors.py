"""Floors of the benchmarks: the bare servers' part of the work, as bytes on a socket or SQL on a plain connection."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from hashlib import sha256
from types import TracebackType
from typing import Final, Self
from uuid import UUID

import psycopg

from shared.models import Exchange
from shared.search_keys import document_terms
from shared.search_terms import TERMS_VERSION
from shared.stores.archive import MAX_HEARTBEAT_GAP_SECONDS

# An append does at least this work: push two entries, trim the window, set the expiry.
APPEND_SCRIPT: Final = """\
redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[2])
redis.call('LTRIM', KEYS[1], -100, -1)
redis.call('EXPIRE', KEYS[1], 86400)
return redis.call('LLEN', KEYS[1])"""

_COPY: Final = (
    "copy messages (conversation_id, exchange_id, position, role, content, created_at, search_keys, user_terms,"
    " assistant_terms, terms_version, terms_revision, terms_accepted_at) from stdin"
)
_UNINDEXED: Final = (None,) * 6


def command(*words: str | bytes) -> bytes:
    """Return a command in the wire format."""
    encoded = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


class BareRedis:
    """A socket and a buffer: sends bytes and receives a reply of known length without parsing it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(1 << 20))

    def measure_reply(self, request: bytes) -> int:
        """Send a request and return the length of its reply."""
        mark = b"$4\r\nMARK\r\n"
        self._socket.sendall(request + command("ECHO", "MARK"))
        answer = bytearray()
        while not answer.endswith(mark):
            answer += self._socket.recv(1 << 16)
        return len(answer) - len(mark)

    def send(self, request: bytes, reply_bytes: int) -> None:
        """Send a request and receive its reply."""
        self._socket.sendall(request)
        while reply_bytes > 0:
            reply_bytes -= self._socket.recv_into(self._buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def window_parameters(thread_id: str, exchanges: int) -> dict[str, object]:
    """Return the parameters of `window.sql` for a thread's newest exchanges."""
    return {
        "thread_id": thread_id,
        "rows": 2 * exchanges + 1,
        "deleted": 1_000,
        "users": [],
        "gap": MAX_HEARTBEAT_GAP_SECONDS,
    }


def message_rows(exchanges: Sequence[Exchange], conversations: dict[str, UUID]) -> list[tuple[object, ...]]:
    """Return the rows of exchanges of existing conversations, with the columns of the search."""
    rows: list[tuple[object, ...]] = []
    for exchange in exchanges:
        terms = document_terms(exchange.user_message, exchange.assistant_message)
        user_key = int.from_bytes(sha256((exchange.user_id or "").encode()).digest()[:4], signed=True)
        columns = (terms.user_length, terms.assistant_length, TERMS_VERSION, 0, exchange.created_at)
        for position, message in enumerate(exchange.messages):
            rows.append(
                (
                    conversations[exchange.thread_id],
                    exchange.exchange_id,
                    position,
                    message.role,
                    message.content,
                    exchange.created_at,
                    *(_UNINDEXED if position else ([*terms.keys, user_key], *columns)),
                )
            )
    return rows


def copy_rows(connection: psycopg.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Copy rows of messages in one transaction."""
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(row)
