"""Exchanges that the previous release stores are found after this release's sweep. Until then, a search says so."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from infra.local.servers import PostgresServer
from tests.support.servers import add_pgvector
from tests.upgrade.releases import Releases, migrate


def _search(upgraded: Releases, query: str, user_id: str = "ana") -> tuple[list[str], bool]:
    """Return the texts that this release's search finds, and whether it looked at everything."""
    answer = upgraded.agent("this").request("POST", "/search", {"user_id": user_id, "query": query})
    return sorted(item["user_message"] for item in answer["items"]), "search" not in answer["degraded"]


def _unindexed(rows: psycopg.Connection) -> int:
    statement = "select count(*) from messages where position = 0 and search_keys is null"
    return int((rows.execute(statement).fetchone() or (0,))[0])


def test_exchanges_of_the_previous_release_are_indexed_by_the_sweep(
    upgraded: Releases, rows: psycopg.Connection
) -> None:
    """The previous release's drain writes no terms. The sweep adds them, after a rollback as well."""
    upgraded.agent("this").store_exchange("bobs", "cat of bob", "bob")
    upgraded.drain_and_sweep("this")
    for number in range(2):
        # The second round is a rollback of the release, and the next release after it.
        upgraded.agent("previous").store_exchange(f"t{number}", f"cat {number}", "ana")
        upgraded.sync("previous").drain(upgraded.queues)
        assert _unindexed(rows) == 1
        assert _search(upgraded, "cat") == ([f"cat {each}" for each in range(number)], False)
        assert _search(upgraded, "cat", "bob") == (["cat of bob"], True)
        assert upgraded.agent("this").request("GET", "/health")["search"] == {"unindexed": 1}
        upgraded.sync("this").sweep()
        assert _unindexed(rows) == 0
        assert _search(upgraded, "cat") == ([f"cat {each}" for each in range(number + 1)], True)
        assert upgraded.agent("this").request("GET", "/health")["search"] == {"unindexed": 0}


def test_queued_exchanges_of_the_previous_release_are_found_at_once(upgraded: Releases) -> None:
    """An exchange that the previous release accepted is found in Redis, and once after this release's drain."""
    upgraded.agent("previous").store_exchange("t", "cat", "ana")
    assert _search(upgraded, "cat")[0] == ["cat"]
    upgraded.drain_and_sweep("this")
    assert _search(upgraded, "cat") == (["cat"], True)


def test_both_releases_delete_what_is_found(upgraded: Releases, rows: psycopg.Connection) -> None:
    """The previous release deletes an indexed thread. The search does not find it any more."""
    for thread_id in ("t", "u"):
        upgraded.agent("this").store_exchange(thread_id, "cat", "ana")
    upgraded.drain_and_sweep("this")
    assert _search(upgraded, "cat") == (["cat", "cat"], True)
    upgraded.agent("previous").request("DELETE", "/threads/t")
    assert _search(upgraded, "cat")[0] == ["cat"]
    upgraded.agent("previous").request("DELETE", "/users/ana")
    assert _search(upgraded, "cat")[0] == []
    upgraded.drain_and_sweep("previous")
    assert rows.execute("select count(*) from messages").fetchone() == (0,)


def test_rows_from_before_the_migration_are_indexed(
    old_database: str, start_releases: Callable[[str], Releases]
) -> None:
    """The previous release's table is migrated with its rows, and the sweep indexes them."""
    releases = start_releases(old_database)
    releases.agent("previous").store_exchange("t", "cat", "ana")
    releases.drain_and_sweep("previous")
    migrate(releases.roots["this"], old_database)
    assert _search(releases, "cat") == ([], False)
    releases.sync("this").sweep()
    assert _search(releases, "cat") == (["cat"], True)


def test_the_previous_release_deletes_vectors_of_pgvector(
    upgraded: Releases, rows: psycopg.Connection, postgres: PostgresServer, upgraded_database: str
) -> None:
    """The previous release stores and deletes exchanges beside pgvector, with both forms of their vectors."""
    add_pgvector(postgres, upgraded_database)
    for thread_id in ("t", "u"):
        upgraded.agent("previous").store_exchange(thread_id, "cat", "ana")
    upgraded.sync("previous").drain(upgraded.queues)
    rows.execute(
        "insert into exchange_vectors"
        " (message_id, model, conversation_id, created_at, revision, accepted_at, dimensions, vector, signs)"
        " select id, 'm', conversation_id, created_at, revision, created_at, 2, '\\x0102', '11'"
        " from messages where position = 0"
    )
    count = "select count(vector), count(embedding) from exchange_vectors"
    assert rows.execute(count).fetchone() == (2, 2)
    upgraded.agent("previous").request("DELETE", "/threads/t")
    upgraded.sync("previous").sweep()
    assert rows.execute(count).fetchone() == (1, 1)
