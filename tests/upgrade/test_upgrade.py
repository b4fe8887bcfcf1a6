"""All guarantees hold while both releases run at the same time, after the upgrade, and after a rollback.

Each release's agent function runs with each release's sync function, on one schema, one Redis and one queue.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from typing import Any

import psycopg
import pytest
import redis

from tests.upgrade.releases import RELEASES, Agent, Release, Releases, migrate

_RELEASE_PAIRS = list(product(RELEASES, RELEASES))
# The tests cover an upgrade and a rollback.
_UPGRADE_AND_ROLLBACK: list[tuple[Release, Release]] = [RELEASES, ("this", "previous")]
_ROWS = """
    select m.content from messages m join conversations c on c.id = m.conversation_id
    where c.thread_id = %s order by m.order_key, m.exchange_id, m.position
"""


def _stored(rows: psycopg.Connection, thread_id: str) -> list[str]:
    """Return the users' messages in PostgreSQL, and check that each has its answer."""
    contents = [row[0] for row in rows.execute(_ROWS, (thread_id,))]
    assert [f"re {text}" for text in contents[::2]] == contents[1::2]
    return contents[::2]


def _check(releases: Releases, rows: psycopg.Connection, thread_id: str, user_id: str | None, texts: list[str]) -> None:
    """Check that PostgreSQL and both releases have exactly these texts of a thread, in this order."""
    assert _stored(rows, thread_id) == texts
    for release in RELEASES:
        assert releases.agent(release).user_messages(thread_id, user_id, is_drained=True) == texts, release


def test_processes_of_the_previous_release_work_with_the_new_schema(
    start_releases: Callable[[str], Releases], old_database: str
) -> None:
    """The migrations only add to the schema, so processes of the previous release keep working."""
    releases = start_releases(old_database)
    agent, sync = releases.agent("previous"), releases.sync("previous")
    agent.store_exchange("t", "one", "ana")
    agent.store_exchange("t", "two", "ana")
    sync.drain(releases.queues)
    agent.store_exchange("t", "three", "ana")
    agent.request("PUT", "/users/ana/preferences", {"tone": "dry"})
    agent.store_exchange("gone", "private", "ana")
    migrate(releases.roots["this"], old_database)
    agent.store_exchange("t", "four", "ana")
    assert agent.user_messages("t", "ana") == ["one", "two", "three", "four"]
    sync.drain(releases.queues)
    sync.sweep()
    agent.request("DELETE", "/threads/gone")
    agent.request("PATCH", "/threads/t", {"title": "mine"})
    assert [each["thread_id"] for each in agent.request("GET", "/threads?user_id=ana")["items"]] == ["t"]
    assert agent.recall("t", "ana")["preferences"] == {"tone": "dry"}
    with psycopg.connect(old_database) as rows:
        assert _stored(rows, "t") == ["one", "two", "three", "four"]
        assert _stored(rows, "gone") == []


@pytest.mark.parametrize(("writes", "drains"), _RELEASE_PAIRS)
def test_either_drain_stores_exchanges_of_either_agent_function(
    writes: Release, drains: Release, upgraded: Releases, rows: psycopg.Connection
) -> None:
    """Either drain stores the exchanges of either agent function, and both agent functions show them."""
    agent = upgraded.agent(writes)
    for number in range(3):
        agent.store_exchange("t", f"{number}", "ana", metadata={"number": number}, document_ids=[f"d{number}"])
    for release in RELEASES:
        assert upgraded.agent(release).user_messages("t", "ana") == ["0", "1", "2"], release
    upgraded.drain_and_sweep(drains)
    _check(upgraded, rows, "t", "ana", ["0", "1", "2"])
    for release in RELEASES:
        assert upgraded.agent(release).request("GET", "/threads/t")["document_ids"] == ["d0", "d1", "d2"]
        messages = upgraded.agent(release).request("GET", "/threads/t/messages")["items"]
        assert [each["metadata"]["number"] for each in messages[::2]] == [0, 1, 2]
    assert upgraded.queues.dead() == []


@pytest.mark.parametrize(("writes", "reads"), _UPGRADE_AND_ROLLBACK)
def test_either_release_reads_the_data_of_the_other_release(
    writes: Release, reads: Release, upgraded: Releases, rows: psycopg.Connection, redis_client: redis.Redis
) -> None:
    """Sealed lists, undrained exchanges, preferences, deletions and titles survive an upgrade and a rollback."""
    writer, reader = upgraded.agent(writes), upgraded.agent(reads)
    for number in range(3):
        writer.store_exchange("t", f"{number}", "ana")
        writer.store_exchange("gone", f"private {number}", "ana")
        writer.store_exchange("bobs", f"bob {number}", "bob")
    upgraded.drain_and_sweep(writes)
    assert writer.user_messages("t", "ana") == ["0", "1", "2"]
    writer.store_exchange("t", "not drained", "ana")
    writer.store_exchange("bobs", "bob, not drained", "bob")
    writer.request("PUT", "/users/ana/preferences", {"tone": "dry", "language": "fr"})
    writer.request("PATCH", "/users/ana/preferences", {"language": None})
    writer.request("PATCH", "/threads/t", {"title": "mine"})
    writer.request("DELETE", "/threads/gone")
    writer.request("DELETE", "/users/bob")

    assert reader.user_messages("t", "ana") == ["0", "1", "2", "not drained"]
    assert reader.recall("t", "ana")["preferences"] == {"tone": "dry"}
    assert reader.user_messages("gone", "ana") == []
    assert reader.user_messages("bobs", "bob") == []
    assert reader.request("GET", "/threads/t")["title"] == "mine"
    reader.store_exchange("t", "by the other", "ana")
    reader.store_exchange("gone", "new", "ana")
    upgraded.drain_and_sweep(reads)
    _check(upgraded, rows, "t", "ana", ["0", "1", "2", "not drained", "by the other"])
    _check(upgraded, rows, "gone", "ana", ["new"])
    _check(upgraded, rows, "bobs", "bob", [])
    reader.request("PATCH", "/users/ana/preferences", {"tone": "warm"})
    assert writer.recall("t", "ana")["preferences"] == {"tone": "warm"}

    redis_client.flushall()
    upgraded.drain_and_sweep(reads)
    assert reader.recall("t", "ana")["preferences"] == {"tone": "warm"}
    assert [each["content"] for each in reader.recall("gone", "ana")["messages"]] == ["new", "re new"]
    assert reader.recall("bobs", "bob")["messages"] == []


@pytest.mark.parametrize(("writes", "sweeps"), _UPGRADE_AND_ROLLBACK)
def test_either_sweep_stores_the_outbox_of_the_other_release(
    writes: Release, sweeps: Release, upgraded: Releases, rows: psycopg.Connection
) -> None:
    """The other release's sweep stores exchanges that were in the outbox at the change of the release."""
    unreachable = {"SYNC__QUEUE_URL": "http://127.0.0.1:9/queue", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    unreachable["DATABASE__URL"] = "postgresql://memory:memory@127.0.0.1:9/memory"
    agent_with_outbox_only = upgraded.agent(writes, "outbox only", **unreachable)
    assert [agent_with_outbox_only.store_exchange("t", text, "ana")["durability"] for text in ("one", "two")] == [
        "redis",
        "redis",
    ]
    upgraded.drain_and_sweep(sweeps)
    _check(upgraded, rows, "t", "ana", ["one", "two"])


@pytest.mark.parametrize(("runs", "repeats"), _UPGRADE_AND_ROLLBACK)
def test_either_release_repeats_the_response_to_a_key_of_the_other_release(
    runs: Release, repeats: Release, upgraded: Releases, redis_client: redis.Redis
) -> None:
    """A request that is repeated after the change of the release gets its first response, from either layer."""

    def run(agent: Agent, body: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        return agent.http("POST", "/run", body, {"Idempotency-Key": "k"})

    body = {"prompt": "hello", "thread_id": "t", "user_id": "ana"}
    status, first, _ = run(upgraded.agent(runs), body)
    assert status == 200
    for _ in ("from Redis", "from PostgreSQL"):
        status, answer, headers = run(upgraded.agent(repeats), body)
        assert (status, headers["idempotent-replayed"]) == (200, "true")
        assert (answer["response"], answer["exchange_id"]) == (first["response"], first["exchange_id"])
        assert run(upgraded.agent(repeats), {**body, "prompt": "other"})[0] == 422
        redis_client.flushall()


@pytest.mark.parametrize(
    ("stores", "deletes", "drains"), [(*pair, drains) for pair in _UPGRADE_AND_ROLLBACK for drains in RELEASES]
)
def test_either_drain_drops_queued_exchanges_of_a_deleted_thread_or_user(
    stores: Release, deletes: Release, drains: Release, upgraded: Releases, rows: psycopg.Connection
) -> None:
    """Either release's drain drops queued exchanges of a deleted thread or user, even if they are delivered twice."""
    agent = upgraded.agent(stores)
    for thread_id, user_id in (("t", "ana"), ("u", "bob"), ("kept", "eve")):
        agent.store_exchange(thread_id, "before", user_id)
    bodies = [record["body"] for record in upgraded.queues.receive(visibility=0)]
    upgraded.agent(deletes).request("DELETE", "/threads/t")
    upgraded.agent(deletes).request("DELETE", "/users/bob")
    upgraded.agent(stores).store_exchange("t", "after", "ana")
    upgraded.agent(deletes).store_exchange("u", "after", "bob")
    for body in bodies:
        upgraded.queues.client.send_message(QueueUrl=upgraded.queues.url, MessageBody=body)
    upgraded.drain_and_sweep(drains)
    _check(upgraded, rows, "t", "ana", ["after"])
    _check(upgraded, rows, "u", "bob", ["after"])
    _check(upgraded, rows, "kept", "eve", ["before"])


@pytest.mark.parametrize("seed", range(3))
def test_both_releases_work_concurrently_in_a_random_order(
    seed: int, upgraded: Releases, rows: psycopg.Connection
) -> None:
    """Both releases run concurrently, as during a deployment, in a random order of steps."""
    random_generator = random.Random(seed)  # noqa: S311 - reproducible, not for security
    users = {"t0": "ana", "t1": "ana", "t2": "bob", "t3": None}
    user_messages: dict[str, list[str]] = {thread_id: [] for thread_id in users}
    for number in range(60):
        thread_id = random_generator.choice(list(users))
        user_id = users[thread_id]
        agent, sync = (
            upgraded.agent(random_generator.choice(RELEASES)),
            upgraded.sync(random_generator.choice(RELEASES)),
        )
        match random_generator.choices(
            ["store", "read", "drain", "sweep", "delete thread", "delete user"], [10, 6, 4, 1, 1, 0.5]
        )[0]:
            case "store":
                assert agent.store_exchange(thread_id, f"{thread_id} {number}", user_id)["durability"] == "queue"
                user_messages[thread_id].append(f"{thread_id} {number}")
            case "read":
                assert agent.user_messages(thread_id, user_id) == user_messages[thread_id]
            case "drain":
                sync.drain(upgraded.queues)
            case "sweep":
                sync.sweep()
            case "delete thread":
                agent.http("DELETE", f"/threads/{thread_id}")
                user_messages[thread_id] = []
            case "delete user" if user_id is not None:
                agent.request("DELETE", f"/users/{user_id}")
                user_messages |= {each: [] for each, owner in users.items() if owner == user_id}
    upgraded.drain_and_sweep(random_generator.choice(RELEASES))
    for thread_id, texts in user_messages.items():
        _check(upgraded, rows, thread_id, users[thread_id], texts)
    assert upgraded.queues.dead() == []
