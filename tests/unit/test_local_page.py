"""The local page refuses requests of other sites, and records what the API accepted."""

from __future__ import annotations

import json
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from infra.build.page import PAGE
from infra.local.page.guarantees import Guarantees
from infra.local.page.ledger import Accepted, Ledger
from infra.local.page.requests import TOKEN_HEADER, refusal_of
from infra.local.page.stores import Stored
from tests.support.http_server import ServerInThread

_PORT: Final = 8765
_HOST: Final = f"127.0.0.1:{_PORT}"
_TOKEN: Final = "a-token-of-this-test"


def _headers(**values: str) -> Message:
    message = Message()
    for name, value in ({"Host": _HOST} | values).items():
        message[name.replace("_", "-")] = value
    return message


def _status(method: str, target: str, **headers: str) -> HTTPStatus | None:
    refusal = refusal_of(method, target, _headers(**headers), port=_PORT, token=_TOKEN)
    return None if refusal is None else refusal.status


@pytest.mark.parametrize("host", ["attacker.example", f"attacker.example:{_PORT}", "127.0.0.1", "127.0.0.1:80", ""])
def test_another_host_is_refused(host: str) -> None:
    """After DNS rebinding, a browser sends the other site's name as the host. Every path refuses it."""
    for target in ("/", "/run", "/_local/state"):
        assert _status("GET", target, Host=host, X_Local_Token=_TOKEN) == HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("host", [_HOST, f"localhost:{_PORT}", f"LOCALHOST:{_PORT}"])
def test_this_server_has_two_names(host: str) -> None:
    """The address and the name of this machine are accepted, with the origin of the same name."""
    assert _status("GET", "/", Host=host) is None
    assert _status("POST", "/run", Host=host, Origin=f"http://{host.lower()}") is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://attacker.example",
        "null",
        f"https://{_HOST}",
        "http://127.0.0.1:8766",
        f"http://localhost:{_PORT}",
        "",
    ],
)
def test_another_origin_is_refused(origin: str) -> None:
    """No other origin may use the controls or the API, neither with the token nor as the page of another port."""
    for method, target in (("POST", "/_local/breaks/kill-redis"), ("POST", "/run"), ("GET", "/threads")):
        assert _status(method, target, Origin=origin, X_Local_Token=_TOKEN) == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_request_that_another_site_starts_is_refused(site: str) -> None:
    """A request without an origin, e.g. of an image, is refused. A link to the page works."""
    assert _status("GET", "/threads", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors") == HTTPStatus.FORBIDDEN
    assert _status("GET", "/threads", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate") == HTTPStatus.FORBIDDEN
    assert _status("GET", "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors") == HTTPStatus.FORBIDDEN
    assert _status("GET", "/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate") is None


def test_the_controls_need_the_token_in_the_header() -> None:
    """Without the token, with a wrong one, and with the token in the URL, the controls refuse a request."""
    path = "/_local/state"
    assert _status("GET", path, X_Local_Token=_TOKEN) is None
    assert _status("GET", path) == HTTPStatus.FORBIDDEN
    assert _status("GET", path, X_Local_Token="") == HTTPStatus.FORBIDDEN
    assert _status("GET", path, X_Local_Token=_TOKEN[:-1]) == HTTPStatus.FORBIDDEN
    assert _status("GET", path, X_Local_Token="ünknown") == HTTPStatus.FORBIDDEN
    for query in (f"token={_TOKEN}", f"x={_TOKEN}", "token=wrong", "TOKEN="):
        assert _status("GET", f"{path}?{query}", X_Local_Token=_TOKEN) == HTTPStatus.BAD_REQUEST
        assert _status("GET", f"{path}?{query}") == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_of_the_controls_are_refused(method: str) -> None:
    """The controls have GET, POST and DELETE. The pass-through has no OPTIONS, so that no preflight succeeds."""
    assert _status(method, "/_local/state", X_Local_Token=_TOKEN) == HTTPStatus.METHOD_NOT_ALLOWED
    assert _status("OPTIONS", "/run") == HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize("target", ["http://127.0.0.1:8765/", "*", "127.0.0.1:8765"])
def test_a_target_must_be_a_path(target: str) -> None:
    """The server is no proxy."""
    assert _status("GET", target) == HTTPStatus.BAD_REQUEST


def test_the_local_page_differs_only_by_its_script() -> None:
    """The document of the local page is that of the deployed page, with another entry."""
    deployed, local = ((PAGE / name).read_text() for name in ("index.html", "local.html"))
    assert deployed.replace("/src/main.tsx", "/src/local/main.ts") == local


def test_the_token_header_is_not_a_simple_header() -> None:
    """Browsers send a header of this name to another site only after a preflight, which is refused."""
    assert TOKEN_HEADER.startswith("X-")


def _record(ledger: Ledger, path: str, request: dict[str, Any], status: int, answer: Any, key: str = "") -> None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    ledger.record(path, _headers(Idempotency_Key=key), json.dumps(request).encode(), status, body)


def _turn(exchange_id: UUID, durability: str = "queue") -> dict[str, Any]:
    return {"exchange_id": str(exchange_id), "thread_id": "t", "memory": {"durability": durability}}


def test_the_ledger_records_what_the_api_accepted() -> None:
    """Turns and appended exchanges that a store holds are recorded, and others are not."""
    ledger, ids = Ledger(), [uuid4() for _ in range(6)]
    _record(ledger, "/run", {"user_id": "ada"}, 200, _turn(ids[0]))
    accepted = {"exchange_id": str(ids[1]), "durability": "postgres"}
    _record(ledger, "/invoked", {"thread_id": "u"}, 202, accepted)
    done = f"event: delta\ndata: {{}}\n\nevent: done\ndata: {json.dumps(_turn(ids[2]))}\n\n".encode()
    _record(ledger, "/run", {}, 200, done)
    _record(ledger, "/run", {}, 200, _turn(ids[3], "none"))
    _record(ledger, "/run", {}, 503, _turn(ids[4]))
    _record(ledger, "/invoking", {}, 200, _turn(ids[5]))
    for answer in (b"", b"[]", b"not json", b'{"exchange_id": "x", "thread_id": "t", "durability": "queue"}'):
        _record(ledger, "/run", {}, 200, answer)

    assert [(each.exchange_id, each.thread_id, each.user_id) for each in ledger.accepted()] == [
        (ids[0], "t", "ada"),
        (ids[1], "u", None),
        (ids[2], "t", None),
    ]
    last = ledger.last_of("t")
    assert last is not None
    assert last.exchange_id == ids[2]
    assert ledger.last_of("other") is None


def test_the_ledger_counts_retries_and_second_exchanges() -> None:
    """A repeated key is a retry. If it made a second exchange, this is a duplicate."""
    ledger, first, second = Ledger(), uuid4(), uuid4()
    _record(ledger, "/run", {}, 503, {}, key="a")
    _record(ledger, "/run", {}, 200, _turn(first), key="a")
    _record(ledger, "/run", {}, 200, _turn(first), key="a")
    assert ledger.retries() == (2, 0)
    _record(ledger, "/invoked", {"exchange_id": str(second), "thread_id": "t"}, 202, _turn(second))
    _record(ledger, "/invoked", {"exchange_id": str(second), "thread_id": "t"}, 202, _turn(second))
    assert ledger.retries() == (3, 0)
    _record(ledger, "/run", {}, 200, _turn(uuid4()), key="a")
    assert ledger.retries() == (4, 1)
    assert len(ledger.accepted()) == 3


class _FakeStores:
    """Stores that have the accepted exchanges and no deleted one."""

    def stored(self, exchanges: list[Accepted]) -> Stored:
        """Return the exchanges as stored."""
        return Stored({each.exchange_id for each in exchanges}, set(), 0)

    def deleted(self, exchanges: list[Accepted]) -> set[UUID]:
        """Return that nothing was deleted."""
        return {each.exchange_id for each in exchanges[:0]}

    def compare(self, thread_id: str) -> None:
        """Return that Redis has no list."""

    def backlog(self) -> tuple[int, int]:
        """Return that nothing waits."""
        return 0, 0


@pytest.mark.parametrize("is_returned", [True, False])
def test_a_write_that_the_api_does_not_return_is_a_fault(*, is_returned: bool) -> None:
    """The check asks the API for the newest messages of the open thread, with the caller's authorization."""
    ledger, exchange_id = Ledger(), uuid4()
    _record(ledger, "/run", {}, 200, _turn(exchange_id))
    requests: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append((self.path, self.headers["Authorization"]))
            body = json.dumps({"items": [{"exchange_id": str(exchange_id)}] if is_returned else []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden parameter
            """Log nothing."""

    with ServerInThread(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        stack: Any = SimpleNamespace(deployment=SimpleNamespace(api_url=f"{server.url}/local"))
        stores: Any = _FakeStores()
        results = Guarantees(stack, stores, ledger).check("t", "Bearer x")
    assert requests == [("/local/threads/t/messages?order=desc&limit=20", "Bearer x")]
    state, detail = ("ok", "last turn") if is_returned else ("fault", "the last turn is missing")
    assert results["own_writes"] == {"state": state, "detail": detail}
    assert results["nothing_lost"] == {"state": "ok", "detail": "1 of 1"}
    assert results["layers_identical"] == {"state": "none", "detail": "not in Redis now"}
