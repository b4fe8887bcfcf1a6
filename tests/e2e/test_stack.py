"""`make run` publishes addresses, passes settings to the functions, restarts servers, and keeps the data."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from infra.local import LocalStackError
from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.memory_api import MemoryApi
from tests.e2e.other_stack import OtherStack, running
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually
from tests.support.offline_answers import INTRODUCTION

_SETTINGS = DEFAULT_SETTINGS | {
    "MEMORY__MAX_THREAD_MESSAGES": "2",
    "MEMORY__THREAD_TTL_HOURS": "1",
    "MEMORY__USER_TTL_DAYS": "2",
    "AGENT__MODEL": "bedrock:anthropic.claude-3-haiku-20240307-v1:0",
}
pytestmark = pytest.mark.embedded("which start and stop other stacks")


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the second stack's data directory."""
    return tmp_path_factory.mktemp("other") / "with spaces and ünïcode"


@pytest.fixture(scope="module")
def other(state_dir: Path) -> Iterator[OtherStack]:
    """Run a second stack with other settings."""
    with running(state_dir, _SETTINGS) as stack:
        yield stack


def test_stack_json_has_every_address(stack: StackProcess, api: MemoryApi, layers: Layers) -> None:
    """`stack.json` has the contract's names.

    Its addresses respond, its processes run, and only the file's owner can read it.
    """
    info = stack.info

    assert info.keys() >= {
        "api_url",
        "endpoint_url",
        "region",
        "queue_url",
        "dlq_url",
        "agent_function",
        "sync_function",
        "derive_function",
        "derive_queue_url",
        "derive_dlq_url",
        "page_url",
        "redis_url",
        "database_url",
        "pids",
    }
    for name in ("api_url", "endpoint_url", "page_url", "queue_url", "redis_url"):
        assert "127.0.0.1" in info[name]
    assert "@127.0.0.1:" in info["database_url"]
    assert info["pids"].keys() >= {"postgres", "valkey", "emulator"}
    assert all(psutil.pid_exists(pid) for pid in info["pids"].values())
    assert stat.S_IMODE((stack.state_dir / "stack.json").stat().st_mode) == 0o600
    assert api.call("GET", "/health")["status"] == "ok"
    assert layers.rows("select 1") == [(1,)]


def test_the_output_names_what_runs_and_three_things_to_try(stack: StackProcess, api: MemoryApi) -> None:
    """The output has the addresses and three things to try, in short lines, without a password."""
    printed = stack.log.read_text()
    start = printed.partition("Ctrl-C stops everything")[0]
    password = urlsplit(stack.info["database_url"]).password

    assert password
    assert password not in printed
    assert str(api.http.base_url).rstrip("/") in start
    assert "offline, a built-in demo" in start
    for url in ("database_url", "redis_url", "endpoint_url"):
        assert f"127.0.0.1:{urlsplit(stack.info[url]).port}, " in start
    assert re.findall(r"^  (\d)\. ", start, re.MULTILINE) == ["1", "2", "3"]
    for name in ("PostgreSQL", "Redis (Valkey)", "AWS emulator", "Functions"):
        assert re.search(rf"^  {re.escape(name)} +\d+\.\d s$", start, re.MULTILINE)


def test_settings_reach_the_functions(other: OtherStack, thread_id: str, user_id: str) -> None:
    """The functions use the settings.

    The window has two exchanges, a list expires in an hour, and preferences expire in two days.
    """
    for number in range(4):
        other.api.invoked(f"question {number}", f"answer {number}", thread_id=thread_id)
    other.api.put_preferences(user_id, {"tone": "brief"})

    assert other.layers.cached_contents(thread_id) == ["question 2", "answer 2", "question 3", "answer 3"]
    assert 0 < other.layers.ttl(f"thread:{thread_id}:messages") <= 3600
    assert 0 < other.layers.ttl(f"user:{user_id}:preferences") <= 2 * 86400
    assert len(other.api.invoking(thread_id=thread_id)["messages"]) == 4
    assert len(other.layers.wait_stored(thread_id, 8)) == 8


def test_the_agent_uses_the_model_of_the_settings(other: OtherStack, thread_id: str) -> None:
    """The emulator's Bedrock Converse replaces the offline model. The memory contains the emulator's answer."""
    response = other.api.run("Hello", thread_id=thread_id)["response"]

    assert response
    assert INTRODUCTION not in response
    assert other.api.invoking(thread_id=thread_id)["messages"][1]["content"] == response


def test_two_stacks_have_separate_stores(api: MemoryApi, other: OtherStack, thread_id: str) -> None:
    """Each of two concurrent stacks has its own stores."""
    api.invoked("mine", "1", thread_id=thread_id)
    other.api.invoked("theirs", "2", thread_id=thread_id)

    assert api.contents(thread_id) == ["mine", "1"]
    assert other.api.contents(thread_id) == ["theirs", "2"]


def test_a_second_stack_in_one_directory_is_refused(other: OtherStack, state_dir: Path) -> None:
    """A second start in the same directory is refused with a message, and the first stack keeps running."""
    with pytest.raises(LocalStackError, match="A stack already runs in"):
        StackProcess(state_dir, env=_SETTINGS).start()

    assert other.api.call("GET", "/health")["status"] == "ok"


@pytest.mark.parametrize("name", ["postgres", "valkey", "emulator"])
def test_a_killed_server_is_restarted(other: OtherStack, thread_id: str, name: str) -> None:
    """The supervisor restarts a server that died and updates `stack.json`. Everything works as before."""
    other.api.invoked("before", "1", thread_id=thread_id)
    other.layers.wait_stored(thread_id, 2)
    pid = other.servers.pid(name)

    other.servers.kill(name)

    other.servers.wait_restarted(name, pid)
    eventually(lambda: other.api.call("GET", "/health")["status"] == "ok")
    eventually(lambda: other.api.contents(thread_id) == ["before", "1"])
    other.api.invoked("after", "2", thread_id=thread_id)
    assert [row[1] for row in other.layers.wait_stored(thread_id, 4)] == ["before", "1", "after", "2"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEMORY__MAX_THREAD_MESSAGES", "many"),
        ("MEMORY__THREAD_TTL_HOURS", "0"),
        ("AGENT__MODEL", "nobody:nothing"),
        ("AUTH__MODE", "perhaps"),
    ],
)
def test_a_wrong_setting_stops_the_start(tmp_path: Path, name: str, value: str) -> None:
    """The start ends with a message that names the variable, before any server starts."""
    state_dir = tmp_path / "state"

    with pytest.raises(LocalStackError, match=name):
        StackProcess(state_dir, env=DEFAULT_SETTINGS | {name: value}).start()

    assert "Traceback" not in (state_dir / "run.log").read_text()
    assert not (state_dir / "stack.json").exists()


def test_every_port_is_bound_to_the_loopback_address(stack: StackProcess) -> None:
    """Every port of the stack is bound to 127.0.0.1."""
    supervisor = psutil.Process(stack.pid)
    connections = [
        connection
        for process in [supervisor, *supervisor.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]

    assert len(connections) >= 3
    assert {connection.laddr.ip for connection in connections} == {"127.0.0.1"}


def test_the_api_url_in_stack_json_responds(stack: StackProcess) -> None:
    """`stack.json` is plain JSON, and its API responds to a plain client."""
    info = json.loads((stack.state_dir / "stack.json").read_text())

    assert httpx.get(f"{info['api_url']}/health", trust_env=False).status_code == httpx.codes.OK
