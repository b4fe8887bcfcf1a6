"""A repeated exchange is stored once, whether the caller or the queue repeats it, or both."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from shared.ids import ExchangeIds
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers

_KINDS = [pytest.param(uuid4, id="uuid4"), pytest.param(ExchangeIds().new, id="uuid7")]


@pytest.fixture(params=_KINDS)
def exchange_id(request: pytest.FixtureRequest) -> str:
    """Return an exchange id from a caller."""
    created: UUID = request.param()
    return str(created)


def test_an_exchange_sent_twice_is_stored_once(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str, exchange_id: str
) -> None:
    """The second call has the same response, and neither layer has duplicates."""
    first = api.invoked("Hello", "Hi", thread_id=thread_id, exchange_id=exchange_id)
    second = api.invoked("Hello", "Hi", thread_id=thread_id, exchange_id=exchange_id)

    assert first["exchange_id"] == second["exchange_id"] == exchange_id
    assert second["durability"] == "queue"
    assert layers.cached_contents(thread_id) == ["Hello", "Hi"]
    queues.wait_empty()
    assert [row[:4] for row in layers.stored(thread_id)] == [
        ("user", "Hello", exchange_id, 0),
        ("assistant", "Hi", exchange_id, 1),
    ]


def test_an_exchange_sent_concurrently_is_stored_once(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str, exchange_id: str
) -> None:
    """Eight concurrent calls, in several processes, store one exchange."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: api.invoked("Hello", "Hi", thread_id=thread_id, exchange_id=exchange_id), range(8))
        )

    assert {response["exchange_id"] for response in answers} == {exchange_id}
    assert layers.cached_contents(thread_id) == ["Hello", "Hi"]
    queues.wait_empty()
    assert layers.stored_contents(thread_id) == ["Hello", "Hi"]
    assert api.contents(thread_id) == ["Hello", "Hi"]


def test_the_first_text_stays(api: MemoryApi, layers: Layers, queues: Queues, thread_id: str, exchange_id: str) -> None:
    """A different text with the same id does not change the stored text, and both layers agree."""
    api.invoked("first", "1", thread_id=thread_id, exchange_id=exchange_id)
    api.invoked("second", "2", thread_id=thread_id, exchange_id=exchange_id)
    queues.wait_empty()

    assert layers.stored_contents(thread_id) == ["first", "1"]
    assert layers.cached_contents(thread_id) == ["first", "1"]


def test_a_message_delivered_twice_is_stored_once(layers: Layers, queues: Queues, thread_id: str) -> None:
    """A standard queue may deliver a message twice, in one batch or in two batches. The drain stores it once."""
    body = json.dumps(
        {
            "version": 1,
            "exchange_id": str(ExchangeIds().new()),
            "thread_id": thread_id,
            "user_id": None,
            "user_message": "Hello",
            "assistant_message": "Hi",
            "document_ids": ["doc_1"],
            "created_at": "2026-01-01T00:00:00Z",
        }
    )
    queues.put(body, body)
    layers.wait_stored(thread_id, 2)
    queues.put(body)
    queues.wait_empty()

    assert layers.stored_contents(thread_id) == ["Hello", "Hi"]


def test_many_concurrent_exchanges_are_all_stored(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """Twenty concurrent writers to one thread lose nothing, and both layers have the same order."""
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: api.invoked(f"question {n}", f"answer {n}", thread_id=thread_id), range(20)))
    layers.wait_stored(thread_id, 40)

    contents = api.contents(thread_id)

    assert sorted(contents[::2]) == sorted(f"question {n}" for n in range(20))
    assert [text.replace("question", "answer") for text in contents[::2]] == contents[1::2]
    assert layers.cached_contents(thread_id) == contents


def test_a_run_repeated_with_its_key_is_one_turn(
    api: MemoryApi, layers: Layers, queues: Queues, thread_id: str
) -> None:
    """The same Idempotency-Key and body return the first response and store one exchange."""
    headers = {"Idempotency-Key": str(uuid4())}

    first = api.run("Hello", headers=headers, thread_id=thread_id)
    second = api.run("Hello", headers=headers, thread_id=thread_id)

    assert second["exchange_id"] == first["exchange_id"]
    assert second["response"] == first["response"]
    queues.wait_empty()
    assert len(layers.stored(thread_id)) == 2
    assert len(layers.cached(thread_id)) == 2
