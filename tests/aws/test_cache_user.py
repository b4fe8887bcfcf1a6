"""The functions' ElastiCache user may send every command that the code sends, and no dangerous command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.local.servers import ValkeyServer
from shared.settings import MemorySettings, RedisSettings
from shared.stores.redis import connection as redis_connection
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from tests.support.exchanges import exchange

_ROOT: Final = Path(__file__).parents[2]
# Other Redis commands of the project's command line are not in this directory. An operator sends them as another user.
_STORE: Final = _ROOT / "shared" / "stores" / "redis"
_COMMAND_NAMES: Final = {"delete": "del"}
# Commands that the client sends at each connection and probe.
_CLIENT_COMMANDS: Final = {"ping", "hello", "auth", "select", "script|load", "evalsha"}


def _access_string() -> str:
    template = yaml_parse((_ROOT / "infra" / "aws" / "cache.yaml").read_text())
    return str(template["Resources"]["FunctionUser"]["Properties"]["AccessString"])


def _sent_commands() -> set[str]:
    """Return the commands in the code's pipelines and scripts."""
    commands = set(_CLIENT_COMMANDS)
    for path in _STORE.glob("*.py"):
        text = path.read_text()
        commands |= {_COMMAND_NAMES.get(name, name) for name in re.findall(r"\bpipe\.([a-z]+)\(", text)}
        commands |= {name.lower() for name in re.findall(r'\("([A-Z]+)",', text)} - {"script"}
    for path in _STORE.glob("*.lua"):
        commands |= {name.lower() for name in re.findall(r"redis\.p?call\('([A-Za-z]+)'", path.read_text())}
    return commands - {"execute"}


@pytest.fixture
def user(redis_client: redis.Redis) -> Any:
    """Create the template's user on a real server, with a password instead of ElastiCache's token."""
    redis_client.execute_command("ACL", "SETUSER", "functions", "reset", ">token", *_access_string().split())  # type: ignore[no-untyped-call]
    yield "functions"
    redis_client.acl_deluser("functions")


def _is_allowed(client: redis.Redis, user: str, command: str) -> bool:
    """Ask the server whether a user may run a command with its minimum number of arguments."""
    name, *rest = command.split("|")
    (info,) = client.execute_command("COMMAND", "INFO", command).values()  # type: ignore[no-untyped-call]
    arguments = [*rest, *["1"] * (abs(int(info["arity"])) - 1 - len(rest))]
    return bool(client.execute_command("ACL", "DRYRUN", user, name, *arguments) == "OK")  # type: ignore[no-untyped-call]


def test_the_user_may_send_every_command_of_the_code(redis_client: redis.Redis, user: str) -> None:
    """The user may send every command of the code, including the commands in scripts.

    The server checks the commands one by one.
    """
    sent = _sent_commands()
    assert {"eval", "lrange", "hgetall", "rpush", "time", "zadd", "lset"} <= sent
    assert [command for command in sorted(sent) if not _is_allowed(redis_client, user, command)] == []


@pytest.mark.parametrize(
    "command",
    ["flushall", "flushdb", "keys", "config|get", "shutdown", "acl|list", "debug", "monitor", "replicaof", "blpop"],
)
def test_the_user_may_send_no_dangerous_command(redis_client: redis.Redis, user: str, command: str) -> None:
    """The user may send no command that empties the server, lists all keys, or changes permissions."""
    assert not _is_allowed(redis_client, user, command)


def test_a_turn_works_as_this_user(
    valkey: ValkeyServer, redis_client: redis.Redis, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn stores and reads an exchange, and the server refuses no command."""
    # The log belongs to the server, so it may have entries of other tests in this process.
    redis_client.execute_command("ACL", "LOG", "RESET")  # type: ignore[no-untyped-call]
    monkeypatch.setattr(redis_connection, "cache_token", lambda *_: "token")
    settings = RedisSettings(
        host="127.0.0.1", port=valkey.port, auth="iam", username=user, cache_name="group", tls=True
    ).model_copy(update={"tls": False})
    connection = RedisConnection(settings)
    cache = RedisCache(connection, MemorySettings())
    try:
        stored = exchange(1, thread_id="t")
        cache.merge_stored([stored])
        cache.read("t", "ana")
        cache.ping()
    finally:
        connection.close()
    assert redis_client.execute_command("ACL", "LOG") == []  # type: ignore[no-untyped-call]
