"""Measurement of a turn's resources in the embedded stack: bytes, requests, seconds and memory."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import httpx
import psutil
import psycopg
import redis
from botocore.config import Config

from infra.local.client import StackProcess
from infra.local.environment import ACCESS_KEY

_DRAIN_SECONDS: Final = 120
_FULL_THREADS: Final = 6
_MEGABYTE: Final = 1_000_000
_REPORTED_DURATION: Final = re.compile(r"\tDuration: ([\d.]+) ms")


@dataclass(frozen=True, slots=True)
class Units:
    """The resources of one turn (two requests: /invoking and /invoked), unless a name says otherwise.

    Attributes:
        request_bytes: Bytes of the request bodies.
        response_bytes: Bytes of the response bodies.
        agent_ms: Median time of both warm invocations of the agent function, without the model.
        drain_ms: The turn's share of a median batch of the sync function.
        batch: Average number of exchanges per batch.
        import_ms: The import time of a cold start.
        agent_megabytes: Memory of the agent function's process.
        redis_bytes_per_thread: Bytes in Redis of a thread and its user.
        redis_bytes_per_window: Bytes in Redis of a thread with a full window and its user.
        postgres_bytes: Bytes of tables and indexes.
        postgres_ms: CPU time of PostgreSQL's processes.
        log_bytes: Bytes that both functions print, including metrics.
    """

    turns: int
    request_bytes: float
    response_bytes: float
    agent_ms: float
    drain_ms: float
    batch: float
    import_ms: float
    agent_megabytes: float
    redis_bytes_per_thread: float
    redis_bytes_per_window: float
    postgres_bytes: float
    postgres_ms: float
    log_bytes: float


def measure(state: Path, turns: int, turn: dict[str, Any]) -> Units:
    """Run turns on a new stack. One caller sends them without pauses, one thread after another."""
    with StackProcess(state, env={"AUTH__MODE": "none", "AGENT__MODEL": "offline"}) as stack:
        info = stack.info
        cache, table_bytes_before = redis.Redis.from_url(info["redis_url"]), _table_bytes(info)
        memory_before, postgres_before = _memory(cache), _postgres_seconds(info)
        with httpx.Client(base_url=info["api_url"], trust_env=False, timeout=30) as api:
            _turn(api, "warm-up", turn)
            sizes = [_turn(api, f"thread-{number // turn['turns_per_thread']}", turn) for number in range(turns)]
        _wait_drained(info, turns + 1)
        threads = -(-turns // turn["turns_per_thread"]) + 1
        memory_after, table_bytes_after = _memory(cache), _table_bytes(info)
        postgres_seconds = _postgres_seconds(info) - postgres_before
        log_bytes = (state / "functions.log").stat().st_size
        agent, drain = (_milliseconds(info, info[name]) for name in ("agent_function", "sync_function"))
        return Units(
            turns=turns,
            request_bytes=statistics.mean(request for request, _ in sizes),
            response_bytes=statistics.mean(response for _, response in sizes),
            agent_ms=2 * statistics.median(agent),
            drain_ms=statistics.median(drain) * _batches(state) / turns,
            batch=turns / max(1, _batches(state)),
            import_ms=_import_ms(info),
            agent_megabytes=_largest_worker(info),
            redis_bytes_per_thread=(memory_after - memory_before) / threads,
            redis_bytes_per_window=_window_bytes(info, cache, turn, turns),
            postgres_bytes=(table_bytes_after - table_bytes_before) / turns,
            postgres_ms=1000 * postgres_seconds / turns,
            log_bytes=log_bytes / turns,
        )


def _turn(api: httpx.Client, thread: str, turn: dict[str, Any]) -> tuple[int, int]:
    ids = {"thread_id": thread, "user_id": f"user-of-{thread}"}
    texts = {"user_message": "q" * turn["prompt_characters"], "assistant_message": "a" * turn["answer_characters"]}
    answers = [api.post("/invoking", json=ids), api.post("/invoked", json={**ids, **texts})]
    for answer in answers:
        answer.raise_for_status()
    return sum(len(each.request.content) for each in answers), sum(len(each.content) for each in answers)


def _wait_drained(info: dict[str, Any], exchanges: int) -> None:
    deadline = time.monotonic() + _DRAIN_SECONDS
    with psycopg.connect(info["database_url"], autocommit=True) as connection:
        while True:
            row = connection.execute("select count(*) / 2 from messages").fetchone()
            if row is not None and row[0] >= exchanges:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{exchanges} exchanges were not drained within {_DRAIN_SECONDS} s")
            time.sleep(0.2)


def _table_bytes(info: dict[str, Any]) -> int:
    with psycopg.connect(info["database_url"], autocommit=True) as connection:
        row = connection.execute(
            "select sum(pg_total_relation_size(oid)) from pg_class"
            " where relkind = 'r' and relnamespace = 'public'::regnamespace"
        ).fetchone()
    return int(row[0]) if row else 0


def _memory(cache: redis.Redis) -> int:
    info: Any = cache.info("memory")
    return int(info["used_memory_dataset"])


def _window_bytes(info: dict[str, Any], cache: redis.Redis, turn: dict[str, Any], turns: int) -> float:
    """Return the bytes of a thread with a full drained window, as an average."""
    before = _memory(cache)
    with httpx.Client(base_url=info["api_url"], trust_env=False, timeout=30) as api:
        for thread in range(_FULL_THREADS):
            for _ in range(turn["window"]):
                _turn(api, f"full-{thread}", turn)
    _wait_drained(info, turns + 1 + _FULL_THREADS * turn["window"])
    return (_memory(cache) - before) / _FULL_THREADS


def _postgres_seconds(info: dict[str, Any]) -> float:
    """Return the CPU time of PostgreSQL's processes, including ended processes."""
    server = psutil.Process(info["pids"]["postgres"])
    times = server.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for child in server.children(recursive=True):
        times = child.cpu_times()
        seconds += times.user + times.system
    return seconds


def _milliseconds(info: dict[str, Any], function: str) -> list[float]:
    """Return the durations of a function's latest invocations from the emulator's logs."""
    config = Config(proxies={}, retries={"total_max_attempts": 1})
    client = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=info["region"]).client(
        "logs", endpoint_url=info["endpoint_url"], config=config
    )
    pages = client.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{function}", filterPattern="REPORT"
    )
    messages = "\n".join(event["message"] for page in pages for event in page["events"])
    return [float(duration) for duration in _REPORTED_DURATION.findall(messages)]


def _batches(state: Path) -> int:
    return (state / "functions.log").read_text(errors="replace").count('"message":"batch drained"')


def _import_ms(info: dict[str, Any]) -> float:
    """Return the median of three times that a new process takes to import the agent function."""
    program = (
        "import time; start = time.perf_counter(); import functions.agent.handler; print(time.perf_counter() - start)"
    )
    environment = {
        "SYNC__QUEUE_URL": info["queue_url"],
        "SYNC__DLQ_URL": info["dlq_url"],
        "STAGE": "local",
        "AWS_DEFAULT_REGION": info["region"],
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "POWERTOOLS_SERVICE_NAME": "agent",
    }
    times = [
        float(subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True).stdout)
        for _ in range(3)
    ]
    return 1000 * statistics.median(times)


def _largest_worker(info: dict[str, Any]) -> float:
    """Return the memory of the largest function process, which belongs to the agent function."""
    children = psutil.Process(info["pids"]["emulator"]).children(recursive=True)
    return max((child.memory_info().rss for child in children), default=0) / _MEGABYTE


def to_json(units: Units) -> str:
    """Return the units as one line of JSON."""
    return json.dumps({name: round(getattr(units, name), 1) for name in Units.__slots__})
