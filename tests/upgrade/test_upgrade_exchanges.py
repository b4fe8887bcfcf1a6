"""Exchanges stay replaced or deleted while this release and the previous release run together, and after a rollback."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import redis

from tests.support.issuer import Issuer
from tests.upgrade.releases import RELEASES, Agent, Release, Releases

_NEW_TEXTS = {"user_message": "new", "assistant_message": "re new"}
_SELECT_TEXTS = "select content from messages order by order_key, exchange_id, position"


def _texts(rows: psycopg.Connection) -> list[str]:
    return [row[0] for row in rows.execute(_SELECT_TEXTS)][::2]


def _store_three(upgraded: Releases, release: Release) -> list[str]:
    """Store and drain three exchanges. Return their ids."""
    agent = upgraded.agent(release)
    ids = [agent.store_exchange("t", text, "ana")["exchange_id"] for text in ("one", "two", "three")]
    upgraded.drain_and_sweep(release)
    assert agent.user_messages("t", "ana", is_drained=True) == ["one", "two", "three"]
    return ids


def _store_three_with_bodies(upgraded: Releases, release: Release) -> tuple[list[str], list[str]]:
    """Store and drain three exchanges. Return their bodies in the queue and their ids."""
    agent = upgraded.agent(release)
    ids = [agent.store_exchange("t", text, "ana")["exchange_id"] for text in ("one", "two", "three")]
    bodies = [record["body"] for record in upgraded.queues.receive(visibility=0)]
    upgraded.drain_and_sweep(release)
    return bodies, ids


def _send(upgraded: Releases, bodies: list[str]) -> None:
    for body in bodies:
        upgraded.queues.client.send_message(QueueUrl=upgraded.queues.url, MessageBody=body)


@pytest.mark.parametrize("writer", RELEASES)
def test_a_replaced_exchange_stays_replaced_after_a_rollback(
    writer: Release, upgraded: Releases, rows: psycopg.Connection, redis_client: redis.Redis
) -> None:
    """The previous release shows the new text, adds exchanges, and does not restore the old text by a redelivery."""
    bodies, ids = _store_three_with_bodies(upgraded, writer)
    this, previous = upgraded.agent("this"), upgraded.agent("previous")
    this.request("PUT", f"/threads/t/exchanges/{ids[1]}", _NEW_TEXTS)
    assert previous.user_messages("t", "ana") == ["one", "new", "three"]
    _send(upgraded, bodies)
    upgraded.drain_and_sweep("previous")
    previous.store_exchange("t", "four", "ana")
    upgraded.drain_and_sweep("previous")
    assert _texts(rows) == ["one", "new", "three", "four"]
    for agent in (previous, this):
        assert agent.user_messages("t", "ana", is_drained=True) == ["one", "new", "three", "four"]
    redis_client.flushall()
    upgraded.drain_and_sweep("previous")
    for agent in (previous, this):
        assert agent.user_messages("t", "ana") == ["one", "new", "three", "four"]


def test_the_sweep_removes_a_deleted_exchange_that_the_previous_release_stored_again(
    upgraded: Releases, rows: psycopg.Connection
) -> None:
    """In the previous release, a redelivery restores the exchange.

    This release's sweep removes the exchange again from both layers.
    """
    bodies, ids = _store_three_with_bodies(upgraded, "this")
    upgraded.agent("this").request("DELETE", f"/threads/t/exchanges/{ids[1]}")
    assert upgraded.agent("previous").user_messages("t", "ana") == ["one", "three"]
    assert _texts(rows) == ["one", "three"]
    _send(upgraded, bodies)
    upgraded.sync("previous").drain(upgraded.queues)
    # The previous release does not know tombstones of exchanges, so it stores the exchange again.
    assert _texts(rows) == ["one", "two", "three"]
    assert upgraded.agent("this").user_messages("t", "ana") == ["one", "three"]
    upgraded.drain_and_sweep("this")
    assert _texts(rows) == ["one", "three"]
    for release in RELEASES:
        assert upgraded.agent(release).user_messages("t", "ana", is_drained=True) == ["one", "three"], release


def test_the_previous_drain_dead_letters_a_replacement(upgraded: Releases, rows: psycopg.Connection) -> None:
    """The previous release's drain dead-letters a replacement with the reason.

    If the dead letter is moved back to the queue after the deployment, this release stores it.
    """
    ids = _store_three(upgraded, "this")
    agent_without_postgres = upgraded.agent(
        "this", "without postgres", DATABASE__URL="postgresql://memory:memory@127.0.0.1:9/memory"
    )
    assert agent_without_postgres.request("PUT", f"/threads/t/exchanges/{ids[1]}", _NEW_TEXTS)["durability"] == "queue"
    upgraded.sync("previous").drain(upgraded.queues)
    ((body, attributes),) = upgraded.queues.dead()
    assert attributes["reason"] == "unknown_version"
    assert _texts(rows) == ["one", "two", "three"]
    _send(upgraded, [body])
    upgraded.drain_and_sweep("this")
    assert _texts(rows) == ["one", "new", "three"]
    for release in RELEASES:
        assert upgraded.agent(release).user_messages("t", "ana", is_drained=True) == ["one", "new", "three"], release


@pytest.mark.parametrize(("writes", "reads"), [RELEASES, RELEASES[::-1]])
def test_both_releases_agree_on_the_owner_of_a_thread(
    writes: Release, reads: Release, upgraded: Releases, issuer: Issuer, redis_client: redis.Redis
) -> None:
    """Both releases treat a thread's first user as its owner, before and after the drain."""
    upgraded.environment |= issuer.environment()

    def send(agent: Agent, user: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, response, _ = agent.http(method, path, body, {"Authorization": f"Bearer {issuer.token(user)}"})
        return status, response

    exchange = {"thread_id": "t", "user_message": "mine", "assistant_message": "re mine"}
    assert send(upgraded.agent(writes), "ana", "POST", "/invoked", exchange)[0] == 202
    for step in ("on the queue", "drained", "Redis empty"):
        if step == "drained":
            upgraded.drain_and_sweep(reads)
        if step == "Redis empty":
            redis_client.flushall()
        for release in (reads, writes):
            agent = upgraded.agent(release)
            status, response = send(agent, "ana", "POST", "/invoking", {"thread_id": "t"})
            assert (status, [each["content"] for each in response["messages"]]) == (200, ["mine", "re mine"]), step
            for path, body in (("/invoking", {"thread_id": "t"}), ("/invoked", exchange)):
                assert send(agent, "bob", "POST", path, body)[0] == 404, (step, release, path)
            assert send(agent, "bob", "GET", "/threads/t")[0] == 404, (step, release)
