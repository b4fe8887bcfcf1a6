"""Learned memory beside the previous release, which stores and deletes but learns nothing, and after a rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.support.queues import Queues
from tests.support.sqs_server import SqsServer
from tests.upgrade.releases import Releases, migrate

# The sweep of a deployment has time for every thread. These tests have three.
_SWEEPS = 2
_STATEMENTS = """
    select s.id::text, c.thread_id, s.text from memory_statements s
    join messages m on m.id = s.message_id and position(s.quote in m.content) > 0
    join conversations c on c.id = s.conversation_id
    order by m.order_key, s.id
"""
_COUNT = "select count(*) from memory_statements"
_DUE = "select count(*) from due_derivations where kind = 'memories'"
# The sweep sends a thread that has been due for a minute.
_A_MINUTE_LATER = "update due_derivations set due_at = due_at - interval '61 seconds'"
# A rollback lasts longer than the pause that shows the sweep that there may be exchanges of another release.
_AFTER_A_ROLLBACK = """
    update derivation_progress set ended_at = ended_at - interval '30 minutes',
        repeat_from = repeat_from - interval '30 minutes'
"""


class Learner:
    """Lets this release learn, and shows what was learned.

    Args:
        releases: Both releases.
        queues: The derive queue.
        rows: A connection.
    """

    def __init__(self, releases: Releases, queues: Queues, rows: psycopg.Connection) -> None:
        self._releases = releases
        self._queues = queues
        self._rows = rows

    def learn(self) -> list[tuple[str, str, str]]:
        """Learn in a bounded number of sweeps; return each statement's id, thread and text, oldest first."""
        for _ in range(_SWEEPS):
            self._releases.sync("this").sweep()
            self._rows.execute(_A_MINUTE_LATER)
        self._releases.derive().derive(self._queues)
        assert self._rows.execute(_DUE).fetchone() == (0,)
        return self.statements()

    def statements(self) -> list[tuple[str, str, str]]:
        """Return the statements that quote their exchange, and check that there are no others."""
        found: list[Any] = self._rows.execute(_STATEMENTS).fetchall()
        assert self._rows.execute(_COUNT).fetchone() == (len(found),)
        return found

    def texts(self, user_id: str = "ana") -> list[str]:
        """Return the texts of the current memories in the API's list, oldest first."""
        listed = self._releases.agent("this").request("GET", f"/users/{user_id}/memories")
        assert listed["degraded"] == []
        return [each["text"] for each in reversed(listed["items"])]


@pytest.fixture
def derive_queues(sqs: SqsServer) -> Queues:
    """Create the derive queue and its dead-letter queue."""
    client = sqs.client()
    urls = [client.create_queue(QueueName=name)["QueueUrl"] for name in ("derive", "derive-dead")]
    return Queues(client, *urls)


def _settings(queues: Queues) -> dict[str, str]:
    return {"DERIVE__QUEUE_URL": queues.url, "DERIVE__DLQ_URL": queues.dlq_url, "DERIVE__DELAY_SECONDS": "0"}


@pytest.fixture
def learner(upgraded: Releases, derive_queues: Queues, rows: psycopg.Connection) -> Learner:
    """Return what learns on this release's schema."""
    upgraded.environment |= _settings(derive_queues)
    return Learner(upgraded, derive_queues, rows)


def _store(releases: Releases, *said: tuple[str, str]) -> None:
    """Let the previous release store and drain what ana says in threads."""
    for thread_id, text in said:
        releases.agent("previous").store_exchange(thread_id, text, "ana")
    releases.drain_and_sweep("previous")


def _shown(statements: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(thread_id, text) for _, thread_id, text in statements]


def test_exchanges_from_before_the_migration_are_learned_from(
    old_database: str, start_releases: Callable[[str], Releases], derive_queues: Queues
) -> None:
    """The sweep marks the threads that the previous release has stored, and each exchange teaches once."""
    releases = start_releases(old_database)
    _store(releases, ("t", "I live in Rome."), ("u", "I like sushi."), ("t", "hello"))
    migrate(releases.roots["this"], old_database)
    releases.environment |= _settings(derive_queues)
    with psycopg.connect(old_database, autocommit=True) as rows:
        learner = Learner(releases, derive_queues, rows)
        learned = learner.learn()
        assert _shown(learned) == [("t", "Lives in Rome"), ("u", "Likes sushi")]
        assert learner.texts() == ["Lives in Rome", "Likes sushi"]
        assert learner.learn() == learned


def test_exchanges_of_either_release_are_learned_from(upgraded: Releases, learner: Learner) -> None:
    """What the previous release accepts and drains beside this one is learned from, and so is what either drains."""
    _store(upgraded, ("t", "I live in Rome."))
    upgraded.agent("previous").store_exchange("t", "I like sushi.", "ana")
    upgraded.sync("this").drain(upgraded.queues)
    upgraded.agent("this").store_exchange("u", "I like tea.", "ana")
    upgraded.sync("previous").drain(upgraded.queues)
    assert _shown(learner.learn()) == [("t", "Lives in Rome"), ("t", "Likes sushi"), ("u", "Likes tea")]


def test_a_rollback_and_the_next_upgrade_lose_and_restore_nothing(
    upgraded: Releases, learner: Learner, rows: psycopg.Connection
) -> None:
    """The previous release stores and deletes beside statements. Its deletions remove them in their transactions."""
    for thread_id, text in (("t", "I live in Rome."), ("gone", "I like sushi."), ("t", "I like tea.")):
        upgraded.agent("this").store_exchange(thread_id, text, "ana")
    upgraded.agent("this").store_exchange("bobs", "I live in Oslo.", "bob")
    bodies = [record["body"] for record in upgraded.queues.receive(visibility=0)]
    upgraded.drain_and_sweep("this")
    before = learner.learn()
    assert _shown(before) == [
        ("t", "Lives in Rome"),
        ("gone", "Likes sushi"),
        ("t", "Likes tea"),
        ("bobs", "Lives in Oslo"),
    ]
    assert (learner.texts(), learner.texts("bob")) == (["Lives in Rome", "Likes sushi", "Likes tea"], ["Lives in Oslo"])

    previous = upgraded.agent("previous")
    previous.request("DELETE", "/threads/gone")
    previous.request("DELETE", "/users/bob")
    kept = [each for each in before if each[1] == "t"]
    assert learner.statements() == kept
    _store(upgraded, ("t", "I live in Berlin."), ("new", "I like jazz."))
    assert previous.user_messages("t", "ana", is_drained=True) == [
        "I live in Rome.",
        "I like tea.",
        "I live in Berlin.",
    ]
    for body in bodies:
        upgraded.queues.client.send_message(QueueUrl=upgraded.queues.url, MessageBody=body)
    upgraded.drain_and_sweep("previous")
    assert learner.statements() == kept

    rows.execute(_AFTER_A_ROLLBACK)
    after = learner.learn()
    assert [each for each in after if each in before] == kept
    assert sorted(_shown(after)) == [
        ("new", "Likes jazz"),
        ("t", "Likes tea"),
        ("t", "Lives in Berlin"),
        ("t", "Lives in Rome"),
    ]
    assert (sorted(learner.texts()), learner.texts("bob")) == (["Likes jazz", "Likes tea", "Lives in Berlin"], [])
    assert learner.learn() == after


def test_a_rollback_brings_back_no_deleted_memory_or_replaced_text(
    upgraded: Releases, learner: Learner, rows: psycopg.Connection
) -> None:
    """A deleted memory, a replaced exchange and a deleted one stay so, whatever the previous release redelivers."""
    this = upgraded.agent("this")
    said = ("I like sushi.", "I live in Rome.", "I like jazz.", "I like tea.")
    ids = [this.store_exchange("t", text, "ana")["exchange_id"] for text in said]
    bodies = [record["body"] for record in upgraded.queues.receive(visibility=0)]
    upgraded.drain_and_sweep("this")
    learner.learn()
    (sushi,) = [each for each in this.request("GET", "/users/ana/memories")["items"] if each["text"] == "Likes sushi"]
    this.request("DELETE", f"/users/ana/memories/{sushi['id']}")
    new_texts = {"user_message": "I live in Oslo.", "assistant_message": "re I live in Oslo."}
    this.request("PUT", f"/threads/t/exchanges/{ids[1]}", new_texts)
    this.request("DELETE", f"/threads/t/exchanges/{ids[2]}")
    upgraded.drain_and_sweep("this")

    for body in bodies:
        upgraded.queues.client.send_message(QueueUrl=upgraded.queues.url, MessageBody=body)
    upgraded.drain_and_sweep("previous")
    _store(upgraded, ("t", "hello"))

    rows.execute(_AFTER_A_ROLLBACK)
    upgraded.drain_and_sweep("this")
    after = learner.learn()
    assert sorted(_shown(after)) == [("t", "Likes tea"), ("t", "Lives in Oslo")]
    assert sorted(learner.texts()) == ["Likes tea", "Lives in Oslo"]
    assert learner.learn() == after
