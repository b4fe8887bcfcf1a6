"""The server caches the Lua scripts, and each call names its script by a hash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from shared.stores.redis.cache import RedisCache
from tests.support.exchanges import contents_of, exchange, texts

MakeCache = Callable[..., RedisCache]


def _commands(client: redis.Redis) -> dict[str, int]:
    stats: dict[str, Any] = client.info("commandstats")
    return {name: stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha")}


def _turn(cache: RedisCache, number: int) -> None:
    cache.read("t", None)
    cache.append(exchange(number), is_drained=False)


def test_scripts_are_sent_as_hashes(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """A turn sends the hashes of the scripts instead of the scripts' text."""
    cache = real_cache()
    _turn(cache, 0)
    before = _commands(redis_client)
    for number in range(1, 5):
        cache._probed_at = float("inf")
        _turn(cache, number)
    after = _commands(redis_client)
    assert (after["eval"] - before["eval"], after["evalsha"] - before["evalsha"]) == (0, 8)


def test_lost_scripts_are_loaded_again(real_cache: MakeCache, redis_client: redis.Redis) -> None:
    """The server has lost the scripts. The client loads them again and repeats the call."""
    cache = real_cache()
    _turn(cache, 0)
    redis_client.script_flush()
    _turn(cache, 1)
    assert texts(cache.read("t", None).messages) == contents_of(0, 1)


def test_scripts_are_sent_as_text_without_the_permission_to_load_them(
    real_cache: MakeCache, redis_client: redis.Redis
) -> None:
    """The Redis user may not run `SCRIPT`. The client sends the scripts as text."""
    redis_client.acl_setuser("default", enabled=True, commands=["-script"])
    try:
        cache = real_cache()
        redis_client.config_resetstat()
        _turn(cache, 0)
        _turn(cache, 1)
        assert _commands(redis_client)["eval"] > 0
        assert texts(cache.read("t", None).messages) == contents_of(0, 1)
    finally:
        redis_client.acl_setuser("default", enabled=True, commands=["+script"])
        redis_client.acl_log_reset()
