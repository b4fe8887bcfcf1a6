"""The checks of `doctor` on this machine, the ports, the API, Redis and PostgreSQL."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from cli import connect
from cli.api import format_error, is_outage
from cli.deployment import Deployment
from cli.diagnostics import Finding, State
from cli.migrate import read_status
from cli.times import format_duration
from hybrid_memory_client import ApiError, MemoryClient, NotAllowed, NotAuthenticated
from shared import __version__
from shared.errors import SettingsError, StoreUnavailable

OLDEST_PYTHON: Final = (3, 11)
# An append of a user's exchange uses ZADD with the option GT, which Redis has since version 6.2.
OLDEST_REDIS: Final = (6, 2)
OLDEST_POSTGRES: Final = 150_000
_PORTS: Final = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432}
_CONNECT_SECONDS: Final = 3
_MAX_USED_MEMORY: Final = 0.8
_SWEEP_SECONDS: Final = 180
_MAX_SWEEP_SECONDS: Final = 6 * 3600 + 180


def check_versions() -> Iterator[Finding]:
    """Check this machine's Python and the project's version."""
    python = platform.python_version()
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield Finding("python", "fault", f"Python {python}.", "Install Python 3.11 or newer.")
    else:
        yield Finding("python", "ok", f"Python {python}.")
    yield Finding("hybrid-memory", "ok", f"Version {__version__}.")


def check_port(deployment: Deployment, name: str) -> Finding:
    """Check whether a server listens at an endpoint."""
    check = f"port of {name.removesuffix('_url')}"
    try:
        endpoint = deployment.require_endpoint(name)
    except SettingsError as error:
        return Finding(check, "skipped", str(error))
    parts = urlsplit(endpoint.url)
    try:
        address = parts.hostname or "localhost", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return Finding(
            check,
            "fault",
            f"{endpoint.redacted_url} has an invalid port.",
            f"Correct the URL in {endpoint.source}.",
        )
    description = f"{address[0]}:{address[1]}"
    try:
        with socket.create_connection(address, _CONNECT_SECONDS):
            return Finding(check, "ok", "A server listens.")
    except OSError as error:
        return Finding(
            check, "unreachable", f"{description}: {error.strerror or error}.", _advice_for_port(endpoint.source)
        )


def _advice_for_port(source: str) -> str:
    if source.endswith("stack.json"):
        return "The local stack has stopped or is starting. Start it with make run."
    return f"Check the server, and this machine's access to it (security group, VPN). The address is from {source}."


def check_api(deployment: Deployment) -> Iterator[Finding]:
    """Check the API's health, the caller's token and the API's version."""
    api = connect.api(deployment)
    health = api.health()
    states = {"redis": health.redis, "postgres": health.postgres, "queue": health.queue}
    failed = [name for name, state in states.items() if state != "ok"]
    if failed:
        advice = "Check the functions' logs, network and settings, and the server's free memory or disk space."
        yield Finding("api", "fault", f"It cannot write to {', '.join(failed)}.", advice)
    else:
        yield Finding("api", "ok", "It writes to Redis, PostgreSQL and the queue.")
    yield _check_token(api)
    api_version = api.openapi()["info"].get("version")
    if api_version == __version__:
        yield Finding("api version", "ok", f"It is {api_version}.")
    else:
        yield Finding(
            "api version",
            "warning",
            f"The API has version {api_version}, this command {__version__}.",
            "Use the command line of the deployment's version.",
        )


def _check_token(api: MemoryClient) -> Finding:
    try:
        api.list_threads(limit=1)
    except (NotAuthenticated, NotAllowed) as error:
        advice = "Give a valid token in HYBRID_MEMORY_TOKEN."
        return Finding("token", "fault", format_error(error, api.base_url), advice)
    except ApiError as error:
        # The request may lack a user id. The API reports this error only to an authorized caller, so any error other
        # than an outage shows that the caller is authorized.
        if is_outage(error):
            return Finding("token", "skipped", format_error(error, api.base_url))
    return Finding("token", "ok", "The API accepts this caller's requests.")


def check_redis(deployment: Deployment) -> Iterator[Finding]:
    """Check Redis' version and memory, and the outbox."""
    facts = connect.redis_facts(deployment).read()
    is_old = facts.command_version < OLDEST_REDIS
    yield Finding(
        "redis", "fault" if is_old else "ok", f"{facts.name} {facts.version}.", "Use 6.2 or newer." if is_old else None
    )
    if facts.policy.startswith("allkeys"):
        advice = "It may evict the outbox. Set maxmemory-policy to noeviction or volatile-lru."
        yield Finding("redis eviction", "warning", f"The policy is {facts.policy}.", advice)
    else:
        yield Finding("redis eviction", "ok", f"The policy is {facts.policy or 'unknown'}.")
    if facts.max_bytes and facts.used_bytes > _MAX_USED_MEMORY * facts.max_bytes:
        description = f"{facts.used_bytes / facts.max_bytes:.0%} of its memory is used."
        yield Finding(
            "redis memory", "warning", description, "Give it more memory, or shorten MEMORY__THREAD_TTL_HOURS."
        )
    else:
        yield Finding("redis memory", "ok", f"{facts.used_bytes / 2**20:.0f} MiB are used.")
    if facts.outbox:
        advice = "The sweep stores them within a minute after PostgreSQL recovers. See hybrid-memory queue status."
        yield Finding("outbox", "warning", f"It has {facts.outbox} exchanges.", advice)
    else:
        yield Finding("outbox", "ok", "It is empty.")


def _check_write(deployment: Deployment) -> Finding:
    try:
        connect.archive(deployment).try_store()
    except StoreUnavailable as error:
        advice = "Check PostgreSQL's log and disk, this user's privileges, and locks on the tables."
        return Finding("postgres writes", "fault", f"It does not store an exchange: {error.reason}.", advice)
    return Finding("postgres writes", "ok", "It stores an exchange; the test was rolled back.")


def check_postgres(deployment: Deployment) -> Iterator[Finding]:
    """Check PostgreSQL's version and schema, a write, and the last run of the sweep."""
    facts = connect.postgres_facts(deployment)
    number = facts.version()
    is_old = number < OLDEST_POSTGRES
    advice = "Use PostgreSQL 15 or newer." if is_old else None
    yield Finding("postgres", "fault" if is_old else "ok", f"PostgreSQL {number // 10_000}.{number % 10_000}.", advice)
    schema = read_status(deployment)
    if not schema.is_known:
        advice = "Use the command line of the deployment's version."
        yield Finding("migrations", "warning", f"It is at {schema.current}, which is newer than this command.", advice)
    elif schema.pending:
        description = f"It is at {schema.current or 'nothing'}, {len(schema.pending)} behind {schema.head}."
        yield Finding("migrations", "fault", description, "Run hybrid-memory migrate up.")
        return
    else:
        yield Finding("migrations", "ok", f"It is at {schema.head}, the newest.")
    yield _check_write(deployment)
    age = facts.seconds_since_sweep()
    if age is None:
        advice = "A new deployment's first sweep runs within a minute. After that, check that the schedule is enabled."
        yield Finding("sweep", "warning", "It never ran.", advice)
    elif age > _SWEEP_SECONDS:
        advice = (
            "Check that the schedule is enabled, and the sync function's log. The stage dev sweeps every six hours."
        )
        state: State = "fault" if age > _MAX_SWEEP_SECONDS else "warning"
        yield Finding("sweep", state, f"It ran {format_duration(age)} ago.", advice)
    else:
        yield Finding("sweep", "ok", f"It ran {format_duration(age)} ago.")
