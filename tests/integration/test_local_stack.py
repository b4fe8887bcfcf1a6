"""`make run` starts the local stack, publishes its addresses, supervises its servers, and stops them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest
import redis

from infra.local import PROJECT_ROOT
from infra.local.bundle import make_bundle, packaged_template
from infra.local.client import StackProcess

# A restart takes about half a second. The limit is higher, because other programs may use the CPU.
RESTART_SECONDS = 30


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """Start one stack for the tests of this file."""
    with StackProcess(tmp_path_factory.mktemp("stack") / "state") as running:
        yield running


def _run(state_dir: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local", "run", "--state-dir", str(state_dir)],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _kill_and_wait(stack: StackProcess, name: str) -> float:
    pid = stack.info["pids"][name]
    os.kill(pid, signal.SIGKILL)
    started = time.monotonic()
    while stack.info["pids"][name] == pid and time.monotonic() - started < 2 * RESTART_SECONDS:
        time.sleep(0.02)
    return time.monotonic() - started


def test_stack_json_is_complete(stack: StackProcess) -> None:
    """`stack.json` is complete, and each of its addresses responds."""
    info = stack.info
    assert set(info) >= {"api_url", "endpoint_url", "region", "queue_url", "dlq_url", "agent_function", "sync_function"}
    assert set(info) >= {"derive_function", "derive_queue_url", "derive_dlq_url"}
    assert set(info["pids"]) >= {"postgres", "valkey", "emulator"}
    assert (stack.state_dir / "stack.json").stat().st_mode & 0o077 == 0
    assert httpx.get(f"{info['api_url']}/health", timeout=30).status_code == 200


def test_a_second_stack_in_the_same_directory_is_refused(stack: StackProcess) -> None:
    """A second stack in the same directory refuses to start, with one line of error. The first stack keeps running."""
    before = stack.info
    second = _run(stack.state_dir)
    assert second.returncode == 1
    assert second.stderr.startswith("A stack already runs in")
    assert second.stderr.count("\n") == 1
    assert stack.info == before


@pytest.mark.parametrize(
    ("variable", "value", "named_variable"),
    [
        ("MEMORY__THREAD_TTL_HOURS", "soon", "MEMORY__THREAD_TTL_HOURS"),
        ("AGENT__TIMEOUT_SECONDS", "60", "AGENT__TIMEOUT_SECONDS"),
        ("AGENT__CORS_ORIGINS", "app.example.com", "AGENT__CORS_ORIGINS"),
        ("AGENT__MODLE", "offline", "AGENT__MODEL"),
        ("AGENT__MODEL", "openai:gpt-5", "OPENAI_API_KEY"),
        ("SEARCH__EMBEDDINGS", "word2vec", "SEARCH__EMBEDDINGS"),
        ("SEARCH__EMBEDDINGS", "openai:m", "OPENAI_API_KEY"),
        ("AGENT__PLUGINS", "no_such_module", "AGENT__PLUGINS"),
    ],
)
def test_a_wrong_setting_stops_the_start(tmp_path: Path, variable: str, value: str, named_variable: str) -> None:
    """The error names the variable with the wrong setting. The command starts no server."""
    result = _run(tmp_path / "state", **{variable: value, "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""})
    assert result.returncode == 1
    assert named_variable in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_a_killed_postgres_is_restarted_with_its_data(stack: StackProcess) -> None:
    """The supervisor restarts a killed PostgreSQL with its data."""
    with psycopg.connect(stack.info["database_url"], autocommit=True) as connection:
        connection.execute("create table if not exists survivor ()")
    assert _kill_and_wait(stack, "postgres") < RESTART_SECONDS
    with psycopg.connect(stack.info["database_url"]) as connection:
        connection.execute("select from survivor")


def test_a_killed_valkey_is_restarted_empty(stack: StackProcess) -> None:
    """The supervisor restarts a killed Valkey without its old data."""
    with redis.Redis.from_url(stack.info["redis_url"]) as client:
        client.set("key", "value")
        assert _kill_and_wait(stack, "valkey") < RESTART_SECONDS
        assert client.get("key") is None


def test_a_killed_emulator_is_restarted_at_the_same_address(stack: StackProcess) -> None:
    """The supervisor restarts a killed emulator at the same address. The killed emulator's workers end too."""
    before = stack.info
    workers = psutil.Process(before["pids"]["emulator"]).children()
    assert workers
    assert _kill_and_wait(stack, "emulator") < RESTART_SECONDS
    assert stack.info["api_url"] == before["api_url"]
    assert httpx.get(f"{before['api_url']}/health", timeout=30).status_code == 200
    psutil.wait_procs(workers, timeout=5)
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]


def test_a_frozen_server_is_not_restarted(stack: StackProcess) -> None:
    """The supervisor does not restart a frozen server."""
    before = stack.info["pids"]
    valkey = psutil.Process(before["valkey"])
    valkey.suspend()
    time.sleep(1.5)
    valkey.resume()
    assert stack.info["pids"] == before


def test_a_stop_ends_all_processes_and_keeps_the_data(tmp_path: Path) -> None:
    """After SIGTERM no process runs and `stack.json` is gone. A restart has PostgreSQL's and Valkey's data."""
    stack = StackProcess(tmp_path / "state")
    with stack:
        with psycopg.connect(stack.info["database_url"], autocommit=True) as connection:
            connection.execute("create table survivor ()")
        with redis.Redis.from_url(stack.info["redis_url"]) as client:
            client.set("key", "value")
        processes = psutil.Process(stack.pid).children(recursive=True)
        addresses = {name: stack.info[name] for name in ("api_url", "database_url", "redis_url")}
    assert not (tmp_path / "state" / "stack.json").exists()
    assert not [member for member in processes if member.is_running() and member.status() != psutil.STATUS_ZOMBIE]
    with stack:
        assert {name: stack.info[name] for name in addresses} == addresses
        with psycopg.connect(stack.info["database_url"]) as connection:
            connection.execute("select from survivor")
        with redis.Redis.from_url(stack.info["redis_url"]) as client:
            assert client.get("key") == b"value"


def test_the_bundle_has_only_the_projects_code() -> None:
    """The bundle contains only the project's code. Equal files produce equal bytes."""
    bundle = make_bundle()
    assert bundle == make_bundle()
    names = zipfile.ZipFile(BytesIO(bundle.content)).namelist()
    assert "functions/agent/handler.py" in names
    assert not [name for name in names if name.startswith("shared/testing")]
    assert {name.split("/")[0] for name in names} == {"functions", "shared"}
    template = packaged_template("bucket", bundle)
    assert template["Globals"]["Function"]["CodeUri"] == f"s3://bucket/{bundle.key}"
    assert template["Outputs"]["AgentFunctionName"]["Value"] == {"Ref": "AgentFunction"}
