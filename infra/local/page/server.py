"""The local page's server: the page with its panel, the local controls, and a pass-through to the API."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from infra.local import PROJECT_ROOT, LocalStackError
from infra.local.page.breaks import DEFAULT_SECONDS, MAX_SECONDS, BreakRefused, Breaks, Running
from infra.local.page.chaos import Chaos
from infra.local.page.guarantees import Guarantees
from infra.local.page.ledger import Ledger
from infra.local.page.requests import CONTROLS, refusal_of
from infra.local.page.stores import StoreReader
from infra.local.processes import free_port

if TYPE_CHECKING:
    from infra.local.stack import Stack

BUILT: Final = PROJECT_ROOT / "clients" / "page" / "dist" / "local"
"""The build of the page with the panel. It is outside of the folders that the functions' artifacts contain."""
CHAOS: Final = "chaos"
_MAX_BODY: Final = 10_000_000
_API_SECONDS: Final = 65
_TYPES: Final = {".js": "text/javascript", ".css": "text/css"}
# Headers of one connection, and headers that concern this server only.
_NOT_FORWARDED: Final = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "origin"}
_NOT_FORWARDED_BACK: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
_BODILESS: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class LocalPage:
    """Serves the local page on 127.0.0.1 while the stack runs."""

    def __init__(self, stack: Stack, *, preferred: tuple[int | None, ...] = (), built: Path = BUILT) -> None:
        self.token = secrets.token_urlsafe(16)
        self.built = built
        self.stack = stack
        self.ledger = Ledger()
        self.stores = StoreReader(stack)
        self.breaks = Breaks(stack, self.stores)
        self.breaks.actions[CHAOS] = self._run_chaos
        self.guarantees = Guarantees(stack, self.stores, self.ledger)
        self.chaos: Chaos | None = None
        self._authorization: str | None = None
        self._preferred = preferred
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        """The server's port."""
        if self._server is None:
            raise LocalStackError("The local page is not served yet.")
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The page's URL. Its fragment, which browsers never send, has the token of the local controls."""
        return f"http://127.0.0.1:{self.port}/#local={self.token}"

    def start(self) -> None:
        """Start to serve.

        Raises:
            LocalStackError: There is no free port.
        """
        self._server = _Server(("127.0.0.1", free_port(*self._preferred)), self)
        threading.Thread(target=self._server.serve_forever, name="local-page", daemon=True).start()

    def stop(self) -> None:
        """End the running break and stop to serve; do nothing if it is not served."""
        self.breaks.stop()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def start_break(self, name: str, authorization: str | None) -> None:
        """Start a break.

        Raises:
            BreakRefused: It cannot start now.
        """
        self._authorization = authorization
        self.breaks.start(name, MAX_SECONDS if name == CHAOS else DEFAULT_SECONDS)

    def state(self) -> dict[str, Any]:
        """Return the breaks and the counters of the chaos, as JSON."""
        return {"breaks": self.breaks.state(), "chaos": None if self.chaos is None else self.chaos.state()}

    def _run_chaos(self, running: Running) -> str:
        self.chaos = Chaos(self.stack, self.stores, self.breaks, self.ledger, self._authorization)
        return self.chaos.run(running)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], page: LocalPage) -> None:
        self.page = page
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that closes its connection; no request may end the server."""
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _API_SECONDS
    server: _Server

    def _serve(self) -> None:
        page, path = self.server.page, self.path.partition("?")[0]
        refusal = refusal_of(self.command, self.path, self.headers, port=page.port, token=page.token)
        if refusal is not None:
            self.close_connection = True  # its body is not read
            self._send_problem(refusal.status, refusal.detail)
        elif path.startswith(CONTROLS):
            self._control(path.removeprefix(CONTROLS))
        elif self.command in {"GET", "HEAD"} and (file := self._file(path)) is not None:
            self._send_file(file)
        else:
            self._pass_through(path)

    # The base class calls `do_` and the method's name. An unknown method gets a 501 from it.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden parameter
        """Log nothing: the functions log their requests themselves."""

    def version_string(self) -> str:
        """Return the value of the Server header, without versions."""
        return "local-page"

    def _control(self, name: str) -> None:
        page, authorization = self.server.page, self.headers.get("Authorization")
        kind, _, break_name = name.partition("/")
        if self._read_body() is None:
            return
        if name == "state" and self.command == "GET":
            self._send_json(HTTPStatus.OK, page.state())
        elif name == "guarantees" and self.command == "GET":
            # The checks wait for servers that do not respond, so they are separate from the state.
            thread_id = parse_qs(urlsplit(self.path).query).get("thread_id", [""])[0] or None
            self._send_json(HTTPStatus.OK, page.guarantees.check(thread_id, authorization))
        elif kind == "breaks" and break_name in page.breaks.actions and self.command == "POST":
            try:
                page.start_break(break_name, authorization)
            except BreakRefused as error:
                self._send_problem(HTTPStatus.CONFLICT, str(error))
            else:
                self._send_json(HTTPStatus.ACCEPTED, page.state())
        elif kind == "breaks" and break_name in page.breaks.actions and self.command == "DELETE":
            page.breaks.end(break_name)
            self._send_json(HTTPStatus.OK, page.state())
        elif name in {"state", "guarantees"} or (kind == "breaks" and break_name in page.breaks.actions):
            self._send_problem(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed.")
        else:
            self._send_problem(HTTPStatus.NOT_FOUND, "There is no such control.")

    def _file(self, path: str) -> Path | None:
        """Return the built file of a path. Without a build, the API serves its own page."""
        folder = self.server.page.built
        if path == "/":
            index = folder / "local.html"
            return index if index.is_file() else None
        # The names of the folder are compared, so that no path leads out of it.
        assets = folder / "assets"
        if not assets.is_dir():
            return None
        return next(
            (file for file in assets.iterdir() if f"/assets/{file.name}" == path and file.suffix in _TYPES), None
        )

    def _send_file(self, file: Path) -> None:
        # The policy of the deployed page. It is imported late, because only a request needs it.
        from functions.agent.http.page_routes import PAGE_HEADERS  # noqa: PLC0415

        headers = {**PAGE_HEADERS, "Cache-Control": "no-cache"}
        self._send(HTTPStatus.OK, file.read_bytes(), {"Content-Type": _TYPES.get(file.suffix, "text/html"), **headers})

    def _pass_through(self, path: str) -> None:
        body, deployment = self._read_body(), self.server.page.stack.deployment
        if body is None:
            return
        if deployment is None:
            self._send_problem(HTTPStatus.SERVICE_UNAVAILABLE, "The stack is starting.")
            return
        url = urlsplit(deployment.api_url)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_FORWARDED}
        connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=_API_SECONDS)
        try:
            connection.request(self.command, url.path + self.path, body or None, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._send_problem(HTTPStatus.BAD_GATEWAY, "The API is not responding.")
            return
        finally:
            connection.close()
        if self.command == "POST":
            self.server.page.ledger.record(path, self.headers, body, response.status, answer)
        back = {name: value for name, value in response.getheaders() if name.lower() not in _NOT_FORWARDED_BACK}
        self._send(response.status, answer, back)

    def _read_body(self) -> bytes | None:
        """Return the request's body, or None after refusing it."""
        length = self.headers.get("Content-Length") or "0"
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            self._send_problem(HTTPStatus.LENGTH_REQUIRED, "The request needs a valid Content-Length.")
            return None
        if int(length) > _MAX_BODY:
            self.close_connection = True
            self._send_problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")
            return None
        return self.rfile.read(int(length))

    def _send_problem(self, status: HTTPStatus, detail: str) -> None:
        problem = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
        body = json.dumps(problem).encode()
        self._send(status, body, {"Content-Type": "application/problem+json", "Cache-Control": "no-store"})

    def _send_json(self, status: HTTPStatus, value: object) -> None:
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        self._send(status, json.dumps(value).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if status not in _BODILESS:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in _BODILESS:
            self.wfile.write(body)
