"""One asynchronous client works on successive event loops, over real connections."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hybrid_memory_client import AsyncMemoryClient

pytestmark = pytest.mark.filterwarnings("error")
HEALTH = b'{"status": "ok", "redis": "ok", "postgres": "ok", "queue": "ok"}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(HEALTH)))
        self.end_headers()
        self.wfile.write(HEALTH)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    """Counts its connections."""

    daemon_threads = True
    connections = 0

    def get_request(self) -> tuple[object, object]:  # type: ignore[override] # the kinds are the socket module's
        """Count a connection."""
        self.connections += 1
        return super().get_request()


@pytest.fixture
def server() -> Iterator[_Server]:
    """Start a server that keeps connections open."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _client(server: _Server) -> AsyncMemoryClient:
    return AsyncMemoryClient(f"http://127.0.0.1:{server.server_address[1]}")


def test_a_client_works_on_successive_loops(server: _Server) -> None:
    """Each loop has its own connections, which it reuses and closes."""
    client = _client(server)

    async def twice() -> None:
        for _ in range(2):
            assert (await client.health()).status == "ok"

    for _ in range(3):
        asyncio.run(twice())
        gc.collect()
    assert server.connections == 3


def test_loops_in_several_threads(server: _Server) -> None:
    """One client works on the event loops of several Python threads at the same time."""
    client, barrier, errors = _client(server), threading.Barrier(4), []

    async def check() -> None:
        for _ in range(3):
            await client.health()

    def run() -> None:
        barrier.wait()
        try:
            asyncio.run(check())
        except Exception as error:  # noqa: BLE001 - the test raises it
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert server.connections == 4


def test_a_closed_client_can_be_used_again(server: _Server) -> None:
    """A closed client opens connections again, in the same loop and after a cancelled request."""
    client = _client(server)

    async def check() -> None:
        async with client:
            await client.health()
        await client.aclose()
        await client.health()
        task = asyncio.create_task(client.health())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(check())
    asyncio.run(check())
    gc.collect()


def test_a_garbage_collected_client(server: _Server) -> None:
    """If the client is garbage-collected, its connections close with the loop."""

    async def check() -> None:
        await _client(server).health()
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(check())
    gc.collect()
