"""With the recipe's settings, users with the same name in two tenants do not see each other's data."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
import redis

from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.http.auth import Guard
from functions.agent.http.auth_tokens import TokenVerifier
from functions.agent.operations import Operations
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.settings import AgentSettings, AuthSettings, load
from shared.testing import InMemoryKeys, InMemoryQueue
from shared.testing.inspectors import InMemoryQueueInspector
from tests.support.api import Api
from tests.support.issuer import Issuer, bearer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes" / "multi-tenant.md").read_text()
TEXTS = {"acme": "We sell tea.", "globex": "We sell steel."}


class Tenants:
    """The API with the recipe's settings, and a user `ana` in each tenant."""

    def __init__(self, api: Api, memory: Memory, issuer: Issuer) -> None:
        self.api = api
        self._memory = memory
        self._issuer = issuer

    def ask(self, tenant: str, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """Send a request with the token of the tenant's user."""
        token = self._issuer.token("ana", memory_user=f"{tenant}:ana")
        return self.api.ask(method, path, body, headers={**bearer(token), **headers})

    def store(self, tenant: str, thread_id: str) -> int:
        """Store the tenant's exchange in a thread, and return the response's status."""
        body = {"thread_id": thread_id, "user_message": TEXTS[tenant], "assistant_message": "Good."}
        return self.ask(tenant, "POST", "/invoked", body).status_code

    def drain(self) -> None:
        """Drain the queue into PostgreSQL."""
        assert not self._memory.archive.store(self.api.queue.take()).rejected_owner


@pytest.fixture
def tenants(
    process: Callable[[], Memory], queue: InMemoryQueue, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> Tenants:
    """Return the API on real stores, with the page's settings and the local issuer's URLs."""
    (block,) = re.findall(r"```ini\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.splitlines():
        name, value = line.split("=", 1)
        monkeypatch.setenv(name, issuer.environment().get(name, value))
    settings = load(AuthSettings).tokens("prod")
    assert settings is not None
    memory = process()
    keys = Idempotency([InMemoryKeys("redis"), InMemoryKeys("postgres")], Backlog(memory.queue, memory.archive))
    inspector: Any = InMemoryQueueInspector(queue)
    runner = AgentRunner(AgentSettings(model="offline"), Search(memory).conversations)
    operations = Operations(memory, runner, keys, Inspection(memory, cast("Any", None), inspector, inspector))
    api = Api(create_app(operations, Guard(TokenVerifier(settings))), cast("Any", None), cast("Any", None), queue)
    return Tenants(api, memory, issuer)


@pytest.mark.parametrize("source", ["redis", "postgres"])
def test_users_with_the_same_name_do_not_see_each_other(
    tenants: Tenants, redis_client: redis.Redis, source: str
) -> None:
    """Threads, messages, preferences and searches are separate, with the cache and without it."""
    for tenant in TEXTS:
        assert tenants.store(tenant, f"{tenant}:ana:1") == 202
        preferences = {"company": tenant}
        assert tenants.ask(tenant, "PUT", f"/users/{tenant}:ana/preferences", preferences).status_code == 200
    tenants.drain()
    if source == "postgres":
        redis_client.flushall()

    for tenant, other in (("acme", "globex"), ("globex", "acme")):
        context = tenants.ask(tenant, "POST", "/invoking", {"thread_id": f"{tenant}:ana:1"})
        assert TEXTS[tenant] in context.text
        assert TEXTS[other] not in context.text
        assert context.json()["preferences"] == {"company": tenant}
        threads = tenants.ask(tenant, "GET", "/threads").json()["items"]
        assert [thread["thread_id"] for thread in threads] == [f"{tenant}:ana:1"]
        for path in (f"/threads/{other}:ana:1", f"/threads/{other}:ana:1/messages"):
            assert tenants.ask(tenant, "GET", path).status_code == 404
        assert tenants.ask(tenant, "GET", f"/users/{other}:ana/preferences").status_code == 403
        assert tenants.ask(tenant, "DELETE", f"/users/{other}:ana").status_code == 403
        search = {"prompt": "Search my older conversations for sell", "tools": ["search_conversations"]}
        answer = tenants.ask(tenant, "POST", "/run", search).json()["response"]
        assert TEXTS[tenant] in answer
        assert TEXTS[other] not in answer


def test_a_thread_id_that_another_tenant_uses_is_refused(tenants: Tenants) -> None:
    """The tenants share the thread ids. The second tenant gets a 404, before and after the drain."""
    assert tenants.store("acme", "support") == 202
    assert tenants.store("globex", "support") == 404
    tenants.drain()
    assert tenants.store("globex", "support") == 404
    assert TEXTS["acme"] in tenants.ask("acme", "POST", "/invoking", {"thread_id": "support"}).text


def test_idempotency_keys_are_separate(tenants: Tenants) -> None:
    """Two tenants' requests with the same `Idempotency-Key` are two runs."""
    answers = [
        tenants.ask(tenant, "POST", "/run", {"prompt": text}, **{"Idempotency-Key": "1"}).json()["response"]
        for tenant, text in TEXTS.items()
    ]
    for answer, text in zip(answers, TEXTS.values(), strict=True):
        assert text in answer


def test_a_token_without_the_claim_is_refused(tenants: Tenants, issuer: Issuer) -> None:
    """A request with a token whose user is only in `sub` returns a 401."""
    answer = tenants.api.ask("GET", "/threads", headers=bearer(issuer.token("ana")))
    assert answer.status_code == 401
    assert "memory_user" in answer.text


def test_a_departed_tenants_user_is_deleted_alone(tenants: Tenants) -> None:
    """The deletion of a user deletes no data of the user with the same name in another tenant."""
    for tenant in TEXTS:
        assert tenants.store(tenant, f"{tenant}:ana:1") == 202
    tenants.drain()
    assert tenants.ask("acme", "DELETE", "/users/acme:ana").is_success
    assert tenants.ask("acme", "GET", "/threads").json()["items"] == []
    assert len(tenants.ask("globex", "GET", "/threads").json()["items"]) == 1
