"""The page of `make run`: its checks of requests, its breaks, and the guarantees that it checks."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil
import pytest

from functions.agent.http.page_routes import PAGE_HEADERS
from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.queues import Queues
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually

pytestmark = pytest.mark.embedded("of the page that `make run` serves")


class LocalPage:
    """A client of the page's server."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.url, _, token = str(info["page_url"]).partition("#local=")
        self.headers = {"X-Local-Token": token}
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def control(self, method: str, path: str, **query: str) -> Any:
        """Call a control and return its JSON."""
        response = self.http.request(method, f"/_local/{path}", headers=self.headers, params=query)
        assert response.is_success, response.text
        return response.json()

    def break_state(self, name: str) -> dict[str, Any]:
        """Return the state of a break."""
        return next(dict(each) for each in self.control("GET", "state")["breaks"] if each["name"] == name)

    def is_running(self, name: str) -> bool:
        """Return whether a break is running."""
        return self.break_state(name)["ends_in_seconds"] is not None

    def run(self, thread_id: str, prompt: str = "Hello", key: str | None = None) -> dict[str, Any]:
        """Send a message and return what the response says about the memory."""
        response = self.http.post(
            "/run",
            json={"prompt": prompt, "thread_id": thread_id, "user_id": "ada"},
            headers={"Idempotency-Key": key} if key else {},
        )
        assert response.status_code == 200, response.text
        return dict(response.json()["memory"])

    def health(self) -> dict[str, Any]:
        """Return the API's health."""
        return dict(self.http.get("/health").json())


@pytest.fixture
def page(stack: StackProcess) -> Iterator[LocalPage]:
    """Return the stack's page. After the test no break runs."""
    client = LocalPage(stack.info)
    yield client
    for each in client.control("GET", "state")["breaks"]:
        if each["ends_in_seconds"] is not None:
            client.control("DELETE", f"breaks/{each['name']}")
    eventually(lambda: client.health()["status"] == "ok")
    client.http.close()


def test_requests_of_other_sites_are_refused(page: LocalPage) -> None:
    """The server compares the host and the origin, for the page, the API and the controls."""
    for path in ("/", "/health", "/_local/state"):
        assert page.http.get(path, headers={**page.headers, "Host": "attacker.example"}).status_code == 421
        other = {**page.headers, "Origin": "https://attacker.example"}
        assert page.http.get(path, headers=other).status_code == 403
    preflight = {"Origin": "https://attacker.example", "Access-Control-Request-Method": "POST"}
    response = page.http.options("/_local/breaks/kill-redis", headers=preflight)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_the_controls_need_the_token(page: LocalPage, servers: Servers) -> None:
    """Without the token nothing breaks, also with the token in the URL. Unknown controls do not exist."""
    pid = servers.pid("valkey")
    token = page.headers["X-Local-Token"]
    assert page.http.post("/_local/breaks/kill-redis").status_code == 403
    assert page.http.post(f"/_local/breaks/kill-redis?token={token}").status_code == 400
    assert page.http.post(f"/_local/breaks/kill-redis?token={token}", headers=page.headers).status_code == 400
    assert page.http.get("/_local/breaks/kill-redis", headers=page.headers).status_code == 405
    assert page.http.post("/_local/state", headers=page.headers).status_code == 405
    assert page.http.put("/_local/breaks/kill-redis", headers=page.headers).status_code == 405
    assert page.http.post("/_local/breaks/format-disk", headers=page.headers).status_code == 404
    assert page.http.get("/_local/", headers=page.headers).status_code == 404
    assert servers.pid("valkey") == pid
    assert psutil.pid_exists(pid)


def test_bodies_without_a_length_are_refused(page: LocalPage) -> None:
    """A body in chunks and a body that is too long are refused."""
    assert page.http.post("/run", content=iter([b"{}"])).status_code == 411
    parts = urlsplit(page.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("POST", "/run", headers={"Content-Length": "99999999"})
    assert connection.getresponse().status == 413
    connection.close()


def test_the_server_listens_on_this_machine_only(stack: StackProcess, page: LocalPage) -> None:
    """The server listens on 127.0.0.1."""
    port = urlsplit(page.url).port
    listening = [each for each in psutil.Process(stack.pid).net_connections("tcp") if each.laddr.port == port]
    assert {each.laddr.ip for each in listening} == {"127.0.0.1"}


def test_the_api_is_passed_through(page: LocalPage, thread_id: str) -> None:
    """Responses, problems and encoded paths are the API's own. The page has the deployed page's policy."""
    page.run(thread_id)
    assert page.http.get(f"/threads/{thread_id}/messages").json()["items"][0]["content"] == "Hello"
    missing = page.http.get("/threads/a%2Fb")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    assert page.http.delete(f"/threads/{thread_id}").status_code == 204
    index = page.http.get("/")
    assert index.status_code == 200
    assert index.headers["content-security-policy"] == PAGE_HEADERS["Content-Security-Policy"]
    assert page.http.get("/assets/..%2Flocal.html").status_code == 404


@pytest.mark.parametrize(
    ("name", "layer", "durability"),
    [
        ("freeze-redis", "redis", "queue"),
        ("freeze-postgres", "postgres", "queue"),
        ("stop-queue", "queue", "postgres"),
    ],
)
def test_a_break_degrades_the_api_until_it_ends(
    page: LocalPage, layers: Layers, thread_id: str, name: str, layer: str, durability: str
) -> None:
    """During a break the API names the broken layer and keeps the message. Only one break runs at a time."""
    page.run(thread_id)
    layers.wait_stored(thread_id, 2)
    page.control("POST", f"breaks/{name}")
    assert 0 < page.break_state(name)["ends_in_seconds"] <= 60
    eventually(lambda: page.health()[layer] == "unavailable")
    memory = page.run(thread_id, "During the break")
    assert memory["durability"] == durability
    # While Redis knows the thread, no turn asks PostgreSQL.
    assert memory["degraded"] == ([] if layer == "postgres" else [layer])
    assert page.http.post("/_local/breaks/poison", headers=page.headers).status_code == 409
    page.control("DELETE", f"breaks/{name}")
    assert not page.is_running(name)
    eventually(lambda: page.health()["status"] == "ok")
    eventually(lambda: page.control("GET", "guarantees")["nothing_lost"]["state"] == "ok")


def test_a_break_ends_by_itself(page: LocalPage, servers: Servers) -> None:
    """Nobody ends the freeze, and all of PostgreSQL's processes continue within a minute."""
    page.control("POST", "breaks/freeze-postgres")
    first = psutil.Process(servers.pid("postgres"))

    def stopped() -> list[int]:
        tree = [first, *first.children(recursive=True)]
        return [each.pid for each in tree if each.is_running() and each.status() == psutil.STATUS_STOPPED]

    eventually(lambda: len(stopped()) > 3)
    eventually(lambda: not page.is_running("freeze-postgres"), 60)
    assert stopped() == []
    assert page.break_state("freeze-postgres")["result"] == "PostgreSQL continues."


def test_a_killed_redis_is_restarted_empty(page: LocalPage, layers: Layers, servers: Servers, thread_id: str) -> None:
    """The next answer comes from PostgreSQL, and Redis has the thread again."""
    page.run(thread_id, "My name is Ada.")
    layers.wait_stored(thread_id, 2)
    pid = servers.pid("valkey")
    page.control("POST", "breaks/kill-redis")
    eventually(lambda: not page.is_running("kill-redis"))
    assert servers.pid("valkey") != pid
    assert "restarted empty" in page.break_state("kill-redis")["result"]
    assert page.run(thread_id)["source"] == "postgres"
    assert page.run(thread_id)["source"] == "redis"


def test_a_poison_message_becomes_a_dead_letter(page: LocalPage, queues: Queues) -> None:
    """The drain moves the message to the dead-letter queue, and the break ends then."""
    page.control("POST", "breaks/poison")
    eventually(lambda: not page.is_running("poison"))
    assert page.break_state("poison")["result"].startswith("The drain moved it to the dead-letter queue after")
    (dead_letter,) = queues.wait_for_dead_letters(lambda body: body.startswith("This message is not JSON"), 1)
    assert dead_letter.attributes["reason"] == "not_json"


def test_the_guarantees_are_checked_against_the_stores(page: LocalPage, layers: Layers, thread_id: str) -> None:
    """The four checks hold after turns and a retry, and notice changes by hand in either store."""

    def check(name: str) -> tuple[str, str]:
        result = page.control("GET", "guarantees", thread_id=thread_id)[name]
        return result["state"], result["detail"]

    assert check("own_writes") == ("none", "no message sent yet")
    key = uuid4().hex
    for _ in range(2):
        page.run(thread_id, "My name is Ada.", key)
    layers.wait_stored(thread_id, 2)
    assert check("layers_identical") == ("ok", "same 2 messages")
    assert check("own_writes") == ("ok", "last turn")
    assert check("nothing_lost")[0] == "ok"
    state, detail = check("no_duplicates")
    assert state == "ok"
    assert not detail.startswith("0 retries")
    assert detail.endswith(", 0 doubled")

    # Both messages change, and then vanish, behind the product's back.
    layers.rows("update messages set content = 'forged' where content = 'My name is Ada.' returning 1")
    assert check("layers_identical")[0] == "fault"
    layers.rows(
        "delete from messages m using conversations c where c.id = m.conversation_id and c.thread_id = %s returning 1",
        thread_id,
    )
    state, detail = check("nothing_lost")
    assert (state, detail.endswith("lost")) == ("fault", True)
    # What the user deletes is not lost.
    assert page.http.delete(f"/threads/{thread_id}").status_code == 204
    assert check("nothing_lost")[0] == "ok"
    assert check("own_writes") == ("none", "the last turn is deleted")


def test_chaos_loses_and_doubles_nothing(page: LocalPage) -> None:
    """The counters come from the responses and from PostgreSQL. In the end every accepted exchange is stored once."""
    page.control("POST", "breaks/chaos")
    faults = set()

    def is_over() -> bool:
        chaos = page.control("GET", "state")["chaos"]
        if chaos is not None:
            faults.add(chaos["fault"])
        return not page.is_running("chaos")

    eventually(is_over, 75)
    chaos = page.control("GET", "state")["chaos"]
    assert chaos["phase"] == "finished"
    assert chaos["accepted"] > 10
    assert chaos["retries"] > 0
    assert (chaos["stored"], chaos["lost"], chaos["doubled"]) == (chaos["accepted"], 0, 0)
    assert faults >= {"freeze-redis", "stop-queue", "freeze-postgres"}


def _tree(stack: StackProcess, name: str) -> list[psutil.Process]:
    first = psutil.Process(stack.info["pids"][name])
    return [first, *first.children(recursive=True)]


def _are_gone(processes: list[psutil.Process]) -> bool:
    return all(not each.is_running() or each.status() == psutil.STATUS_ZOMBIE for each in processes)


def test_a_break_ends_with_the_stack(tmp_path: Path) -> None:
    """The stop ends a break and keeps the data. After a crash of the supervisor, no frozen process remains."""
    stack = StackProcess(tmp_path / "state", env=DEFAULT_SETTINGS)
    with stack:
        page = LocalPage(stack.info)
        page.run("kept")
        page.control("POST", "breaks/freeze-postgres")
        page.http.close()
    stack.start()
    page = LocalPage(stack.info)
    assert len(page.http.get("/threads/kept/messages").json()["items"]) == 2
    processes = _tree(stack, "postgres")
    page.control("POST", "breaks/freeze-postgres")
    eventually(lambda: processes[-1].status() == psutil.STATUS_STOPPED)
    page.http.close()
    os.kill(stack.pid, signal.SIGKILL)
    eventually(lambda: _are_gone(processes), 20)
    stack._end()
