"""Lists that an exchange begins where an older one was lost: noted in Redis, filled by the sweep, without a gap."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from functions.sync.sweep import Sweep, Swept
from shared.models import Exchange
from shared.stores.base import Window
from shared.stores.postgres import PostgresArchive
from shared.stores.redis import RedisCache
from shared.stores.redis_lists import Append
from tests.support.exchanges import exchanges

LIST = "thread:t:messages"


@pytest.fixture
def kept() -> list[Exchange]:
    """Five exchanges of the thread `t`."""
    return exchanges(5)


@pytest.fixture
def sweep(
    kept: list[Exchange], real_archive: Callable[..., PostgresArchive], real_cache: Callable[..., RedisCache]
) -> Callable[[], Swept]:
    """Sweep once, with an L2 that knows the five."""
    archive = real_archive()
    archive.store(kept)
    return Sweep(archive, real_cache(), window=50, bury=lambda *_: None).run


def test_a_begun_list_is_filled(
    sweep: Callable[[], Swept], kept: list[Exchange], real_cache: Callable[..., RedisCache]
) -> None:
    """Also when an old exchange came to it late, which had left a gap."""
    cache = real_cache()
    cache.append(kept[4], is_drained=True)
    cache.merge_stored([kept[1]])
    ids = [exchange.exchange_id for exchange in kept]
    assert [message.exchange_id for message in cache.read("t", None).messages[::2]] == [ids[1], ids[4]]
    swept = sweep()
    assert (swept.filled, swept.skipped) == (1, [])
    assert [message.exchange_id for message in cache.read("t", None).messages[::2]] == ids
    assert sweep().filled == 0


def test_a_late_merge_begins_a_list_too(
    sweep: Callable[[], Swept],
    kept: list[Exchange],
    real_cache: Callable[..., RedisCache],
    redis_client: redis.Redis,
) -> None:
    """What could not be merged comes with the next call, perhaps to an emptied Redis."""
    cache = real_cache()
    cache._unmerged[kept[4].key] = Append(kept[4], is_drained=False, in_outbox=False)
    cache.ping()
    assert redis_client.llen(LIST) == 2
    cache.ping()
    assert sweep().filled == 1
    assert redis_client.llen(LIST) == 10


def test_a_whole_list_is_not_filled(sweep: Callable[[], Swept], real_cache: Callable[..., RedisCache]) -> None:
    """A thread that was found new has nothing older."""
    cache = real_cache()
    cache.hydrate("new", Window([], is_all=True))
    for exchange in exchanges(2, thread_id="new"):
        cache.append(exchange, is_drained=False)
    assert sweep().filled == 0
