"""While SQS is down, PostgreSQL stores exchanges directly. The response names the store.

If PostgreSQL is down too, Redis stores the exchanges.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.deployment import Aws, Deployment
from tests.e2e.invocation import Functions
from tests.e2e.memory_api import MemoryApi
from tests.e2e.servers import Servers
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually
from tests.support.offline_answers import remembered

pytestmark = pytest.mark.embedded("which delete the queue and deploy the stack again")
# The event of the sync function's schedule, which the test sends itself.
_SCHEDULED = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@pytest.fixture(autouse=True, scope="module")
def no_queue(aws: Aws, deployment: Deployment, api: MemoryApi, request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete the queue. After the tests the emulator restarts with a new deployment."""
    stack = request.getfixturevalue("stack")
    aws.sqs.delete_queue(QueueUrl=deployment.queue_url)
    yield
    servers = Servers(stack)
    pid = servers.pid("emulator")
    servers.kill("emulator")
    servers.wait_restarted("emulator", pid)
    eventually(lambda: api.call("GET", "/health")["status"] == "ok")


def test_postgres_stores_the_exchange_while_the_queue_is_down(
    api: MemoryApi, layers: Layers, thread_id: str, user_id: str
) -> None:
    """The exchange is in PostgreSQL before the response, and in Redis for the next turn."""
    response = api.run("Hello", thread_id=thread_id, user_id=user_id, document_ids=["doc_1"])

    assert response["memory"] == {
        "source": "none",
        "degraded": ["queue"],
        "durability": "postgres",
        "cached": True,
        "context_tokens": 0,
        "omitted_exchanges": 0,
    }
    assert [row[1] for row in layers.stored(thread_id) if row[0] == "user"] == ["Hello"]
    assert api.thread(thread_id)["document_ids"] == ["doc_1"]
    answer = api.run("Again", thread_id=thread_id, user_id=user_id)["response"]
    assert "Hello" in remembered(answer)
    assert layers.stored_contents(thread_id) == layers.cached_contents(thread_id)
    assert api.call("GET", "/health") == {
        "status": "degraded",
        "redis": "ok",
        "postgres": "ok",
        "queue": "unavailable",
        "search": {"unindexed": 0},
    }


def test_an_exchange_sent_twice_during_the_outage_is_stored_once(
    api: MemoryApi, layers: Layers, thread_id: str
) -> None:
    """An exchange that PostgreSQL stores directly is idempotent, like an exchange through the queue."""
    exchange_id = "3f0a6a5e-8a4e-4a43-9a35-0d7c1d6a6f11"
    for _ in range(2):
        appended = api.invoked("Hello", "Hi", thread_id=thread_id, exchange_id=exchange_id)
        assert appended == {"exchange_id": exchange_id, "durability": "postgres", "cached": True, "degraded": ["queue"]}

    assert layers.stored_contents(thread_id) == layers.cached_contents(thread_id) == ["Hello", "Hi"]


def test_redis_stores_the_exchange_when_postgresql_is_down_too(
    api: MemoryApi, layers: Layers, servers: Servers, functions: Functions, thread_id: str
) -> None:
    """With PostgreSQL down too, the exchange is cached and in the outbox, and the next sweep stores it."""
    with servers.killed("postgres"):
        appended = api.invoked("Hello", "Hi", thread_id=thread_id)
        context = api.invoking(thread_id=thread_id)

    assert (appended["durability"], appended["cached"]) == ("redis", True)
    assert [message["content"] for message in context["messages"]] == ["Hello", "Hi"]
    eventually(lambda: functions.sync(_SCHEDULED) and layers.stored_contents(thread_id) == ["Hello", "Hi"])
    assert layers.cached_contents(thread_id) == ["Hello", "Hi"]


def test_the_agent_answers_while_every_store_is_down(api: MemoryApi, servers: Servers, thread_id: str) -> None:
    """With all stores down, the agent answers, and the response says that no store has the exchange."""
    with servers.killed("valkey", "postgres"):
        response = api.run("Hello", thread_id=thread_id)

    assert remembered(response["response"]) == []
    assert (response["memory"]["source"], response["memory"]["durability"]) == ("none", "none")
    assert sorted(response["memory"]["degraded"]) == ["postgres", "queue", "redis"]
    assert response["memory"]["cached"] is False


def test_exchanges_are_stored_again_after_the_outages(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """After the outages an exchange is stored and cached without a restart of the functions."""
    eventually(lambda: api.invoked("Hello", "Hi", thread_id=thread_id)["durability"] == "postgres")

    assert layers.stored_contents(thread_id)[:2] == ["Hello", "Hi"]
