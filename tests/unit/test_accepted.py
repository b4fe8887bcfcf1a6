"""A process remembers recently accepted exchanges, and the exchanges that only the outbox has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.memory import accepted as accepted_module
from shared.memory.accepted import AcceptedExchanges
from shared.memory.deletion import Deletion
from shared.memory.memory import Memory
from shared.memory.turn import Turn
from shared.models import Exchange
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support.exchanges import exchange, exchanges

MakeMemory = Callable[..., Memory]


def test_a_process_remembers_recent_exchanges_for_15_minutes() -> None:
    """A process remembers a thread's exchanges in the order of acceptance for 15 minutes.

    Of two exchanges with the same id, the process keeps the first.
    """
    recent = AcceptedExchanges()
    created = [*exchanges(2), exchange(2, "other")]
    for number, each in enumerate(created):
        recent.add(each, now=float(number))
    recent.add(exchange("again", exchange_id=created[0].exchange_id), now=5)
    assert recent.of("t", now=5) == created[:2]
    assert recent.of("t", now=900.5) == created[1:2]
    assert recent.of("t", now=5_000) == []


def test_recent_exchanges_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of exchanges and the sum of their characters are limited. The oldest exchanges are removed first."""
    monkeypatch.setattr(accepted_module, "_MAX_EXCHANGES", 3)
    recent = AcceptedExchanges()
    created = exchanges(5)
    for each in created:
        recent.add(each, now=0)
    assert recent.of("t", now=0) == created[2:]
    monkeypatch.setattr(accepted_module, "_MAX_CHARACTERS", 8)
    recent.add(exchange(9), now=0)
    assert len(recent.of("t", now=0)) == 2


def test_deleted_recent_exchanges_are_removed() -> None:
    """The deletion of a thread or a user removes the exchanges up to the cutoff. Later exchanges stay."""
    recent = AcceptedExchanges()
    created = [exchange(0, "t1", "ana"), exchange(1, "t2", "ana"), exchange(2, "t2", "bob"), exchange(3, "t1", "ana")]
    for each in created:
        recent.add(each, now=0)
    recent.remove(Deletion({"t1": created[0].order}))
    assert (recent.of("t1", now=0), recent.of("t2", now=0)) == (created[3:], created[1:3])
    recent.remove(Deletion(user_id="ana", user_cutoff=created[2].order))
    assert (recent.of("t1", now=0), recent.of("t2", now=0)) == (created[3:], created[2:3])


def test_outbox_exchanges_are_retried_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process retries the oldest exchanges first, a few at a time.

    An exchange whose retry fails is retried again later.
    """
    monkeypatch.setattr(accepted_module, "_RETRY_BATCH", 2)
    accepted, created, stored = AcceptedExchanges(), exchanges(4), list[Exchange]()
    for each in created:
        accepted.add(each, now=0, is_durable=False)

    def refuse(each: Exchange) -> None:
        raise LookupError(each.thread_id)

    with pytest.raises(LookupError):
        accepted.retry(refuse)
    accepted.retry(stored.append)
    assert stored == created[:2]
    accepted.retry(stored.append)
    accepted.retry(stored.append)
    assert stored == created


def test_outbox_exchanges_are_limited_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process keeps the newest exchanges, and does not retry deleted exchanges."""
    monkeypatch.setattr(accepted_module, "_MAX_EXCHANGES", 3)
    accepted, stored = AcceptedExchanges(), list[Exchange]()
    created = [exchange(number, f"t{number}", f"u{number}") for number in range(5)]
    for each in created:
        accepted.add(each, now=0, is_durable=False)
    accepted.remove(Deletion({"t2": created[2].order, "t4": created[3].order}, "u3", created[3].order))
    accepted.retry(stored.append)
    assert stored == created[4:]


def test_a_process_stores_the_exchanges_of_a_lost_outbox(
    memory: MakeMemory, cache: InMemoryCache, archive: InMemoryArchive, queue: InMemoryQueue
) -> None:
    """If Redis loses the outbox, the process still has the exchanges of the outbox.

    The process stores these exchanges when the queue or L2 accepts its next exchange.
    """
    for layer in ("queue", "postgres"):
        process = memory()
        queue.is_down = archive.is_down = True
        assert Turn(process, layer, None).append("q0", "a0").durability == "redis"
        cache.lose_everything()
        queue.is_down, archive.is_down = layer == "postgres", layer == "queue"
        assert Turn(process, layer, None).append("q1", "a1").durability == layer
        queue.is_down = archive.is_down = False
        archive.store(queue.take())
        assert {each.user_message for each in archive.exchanges(layer)} == {"q0", "q1"}
