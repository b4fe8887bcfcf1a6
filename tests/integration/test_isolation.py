"""No caller reaches another user's data. The tests cover each route, each kind of caller, and outages."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast
from uuid import uuid4

import httpx
import psycopg
import pytest
import redis

from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.http.auth import Guard
from functions.agent.http.auth_tokens import TokenVerifier
from functions.agent.operations import Operations
from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import ThreadNotFound
from shared.ids import ExchangeIds
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.memory import Memory
from shared.memory.search.search import Search
from shared.memory.turn import Turn
from shared.settings import AgentSettings, DatabaseSettings
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.inspector import RedisInspector
from shared.testing import InMemoryKeys, InMemoryQueue
from shared.testing.inspectors import InMemoryQueueInspector
from tests.support.api import Api
from tests.support.exchanges import exchange
from tests.support.issuer import OPERATOR, Issuer, bearer, new_key, signed_with_public_key, unsigned
from tests.support.routes import EXCHANGE, SAMPLES, Sample

THREAD, SECRET = "anas-thread", "secret"
MakeProcess = Callable[..., Memory]
# The headers of requests without a valid token.
STRANGERS: Final[dict[str, Callable[[Issuer], dict[str, str]]]] = {
    "no token": lambda _: {},
    "expired": lambda i: bearer(i.token("ana", exp=int(time.time()) - 60)),
    "wrong audience": lambda i: bearer(i.token("ana", aud="https://other.example")),
    "wrong issuer": lambda i: bearer(i.token("ana", iss="https://other.example")),
    "alg none": lambda i: bearer(unsigned(i.claims("ana"), kid="one")),
    "HS256 with the public key": lambda i: bearer(signed_with_public_key(i, i.claims("ana"))),
    "another key": lambda i: bearer(i.token("ana", key=new_key())),
}
SITUATIONS: Final = ("hit", "miss", "queued", "redis down", "postgres down")
# The routes that need PostgreSQL, and the routes that need Redis.
_MEMORY: Final = "/users/{user_id:path}/memories/{memory_id}"
NEEDS_POSTGRES: Final = {
    "POST /users/{user_id:path}/memories",
    "GET /users/{user_id:path}/memories",
    f"GET {_MEMORY}",
    f"PATCH {_MEMORY}",
    f"DELETE {_MEMORY}",
    "DELETE /users/{user_id:path}/memories",
    "GET /threads",
    "GET /threads/{thread_id:path}",
    "PATCH /threads/{thread_id:path}",
    "DELETE /threads/{thread_id:path}",
    "DELETE /threads/{thread_id:path}/exchanges/{exchange_id}",
    "PUT /users/{user_id:path}/preferences",
    "PATCH /users/{user_id:path}/preferences",
    "DELETE /users/{user_id:path}/preferences",
    "DELETE /users/{user_id:path}",
}
NEEDS_REDIS: Final = {
    f"DELETE {_MEMORY}",
    "DELETE /users/{user_id:path}/memories",
    "DELETE /threads/{thread_id:path}",
    "DELETE /threads/{thread_id:path}/exchanges/{exchange_id}",
    "DELETE /users/{user_id:path}",
}


@dataclass
class World:
    """A process of the agent function on real stores, with its queue and an issuer of tokens."""

    app: Api
    memory: Memory
    queue: InMemoryQueue
    issuer: Issuer

    def ask(
        self,
        sample: Sample,
        headers: dict[str, str],
        user_id: str = "ana",
        *,
        thread_id: str = THREAD,
        named: str | None = None,
    ) -> httpx.Response:
        """Send a request of a route about a thread. If the route has a field for a user, the request names `named`."""
        return self.app.ask(
            sample.method,
            sample.path(thread_id, user_id),
            sample.body(thread_id, named),
            headers=headers,
            query=sample.query(named),
        )

    def bearer(self, user_id: str, **claims: Any) -> dict[str, str]:
        """Return a user's authorization header."""
        return bearer(self.issuer.token(user_id, **claims))

    def say(self, user_id: str, thread_id: str = THREAD, text: str = SECRET, exchange_id: str | None = None) -> int:
        """Store an exchange of a user in a thread. Return the response's status."""
        body = {"thread_id": thread_id, "user_message": f"{text} question", "assistant_message": f"{text} answer"}
        body |= {} if exchange_id is None else {"exchange_id": exchange_id}
        return self.app.ask("POST", "/invoked", body, headers=self.bearer(user_id)).status_code

    def drain(self) -> list[str]:
        """Drain the queue into PostgreSQL. Return the users of the records that the drain refused."""
        return [str(each.user_id) for each in self.memory.archive.store(self.queue.take()).rejected_owner]


@pytest.fixture
def make_world(process: MakeProcess, queue: InMemoryQueue, issuer: Issuer) -> Callable[[], World]:
    """Create another process."""

    def make() -> World:
        memory = process()
        cache = cast("RedisCache", memory.cache)
        inspector = InMemoryQueueInspector(queue)
        inspection = Inspection(memory, RedisInspector(cache._connection), inspector, inspector)
        runner = AgentRunner(AgentSettings(model="offline"), Search(memory).conversations)
        keys = Idempotency([InMemoryKeys("redis"), InMemoryKeys("postgres")], Backlog(memory.queue, memory.archive))
        guard = Guard(TokenVerifier(issuer.settings()))
        app = create_app(Operations(memory, runner, keys, inspection), guard)
        return World(Api(app, cast("Any", None), cast("Any", None), queue), memory, queue, issuer)

    return make


@pytest.fixture
def world(make_world: Callable[[], World]) -> World:
    """Return a process. The user Ana has preferences and a thread in both layers."""
    created = make_world()
    ana = created.bearer("ana")
    assert created.app.ask("PUT", "/users/ana/preferences", {"tone": SECRET}, headers=ana).status_code == 200
    for exchange_id in (EXCHANGE, None):
        assert created.say("ana", exchange_id=exchange_id) == 202
    assert created.drain() == []
    assert created.app.ask("POST", "/invoking", {"thread_id": THREAD}, headers=ana).json()["source"] == "redis"
    return created


@pytest.fixture
def create_situation(
    world: World, valkey: ValkeyServer, postgres: PostgresServer, redis_client: redis.Redis
) -> Callable[[str], str]:
    """Create a situation and return its thread's id."""

    def bring(situation: str) -> str:
        if situation == "miss":
            redis_client.flushall()
        elif situation == "queued":
            assert world.say("ana", "new", exchange_id=EXCHANGE) == 202
            return "new"
        elif situation == "redis down":
            valkey.kill()
        elif situation == "postgres down":
            postgres.kill()
        return THREAD

    return bring


def _comparable(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    """Return a response without values that vary between requests."""
    body = answer.json() if answer.content else {}
    return answer.status_code, {name: value for name, value in body.items() if name != "request_id"}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_request_without_a_valid_token_returns_401(
    world: World, create_situation: Callable[[str], str], situation: str
) -> None:
    """Every route returns a 401 without any user's data."""
    thread_id = create_situation(situation)
    for name, headers in STRANGERS.items():
        created = headers(world.issuer)
        for sample in SAMPLES:
            answer = world.ask(sample, created, thread_id=thread_id)
            assert answer.status_code == 401, (name, sample.route, answer.text)
            assert SECRET not in answer.text
            assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("situation", SITUATIONS)
def test_another_users_data_is_refused(world: World, create_situation: Callable[[str], str], situation: str) -> None:
    """A request for another user's thread returns a 404. A request that names another user returns a 403."""
    thread_id = create_situation(situation)
    bob = world.bearer("bob")
    for sample in SAMPLES:
        if sample.is_on_thread:
            answer = world.ask(sample, bob, "bob", thread_id=thread_id)
            assert answer.status_code == (503 if situation == "postgres down" else 404), (sample.route, answer.text)
            if sample.names_user == "nowhere":
                missing = world.ask(sample, bob, "bob", thread_id="no-such-thread")
                assert _comparable(answer) == _comparable(missing), sample.route
        elif sample.names_user == "path" or sample.is_for_operators:
            answer = world.ask(sample, bob)
            assert answer.status_code == 403, (sample.route, answer.text)
        else:
            answer = world.ask(sample, bob)
            assert answer.status_code == (503 if situation == "postgres down" and "threads" in sample.route else 200)
        assert SECRET not in answer.text, sample.route
        if sample.names_user != "nowhere":
            assert world.ask(sample, bob, thread_id=thread_id, named="ana").status_code == 403, sample.route
    context = world.app.ask("POST", "/invoking", {"thread_id": thread_id}, headers=world.bearer("ana")).json()
    assert {message["content"] for message in context["messages"]} == {f"{SECRET} question", f"{SECRET} answer"}
    assert context["preferences"] == {"tone": SECRET}
    assert "bob" not in {exchange.user_id for exchange in world.queue.take()}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("caller", ["owner", "operator", "operator who names the owner"])
def test_requests_of_owners_and_operators_succeed(
    world: World, create_situation: Callable[[str], str], situation: str, caller: str
) -> None:
    """Requests of the owner and of operators succeed, unless the layer that they need is down."""
    thread_id = create_situation(situation)
    headers = world.bearer("ana") if caller == "owner" else world.bearer("ops", scope=OPERATOR)
    named = "ana" if caller == "operator who names the owner" else None
    failing_routes = {"postgres down": NEEDS_POSTGRES, "redis down": NEEDS_REDIS}.get(situation, set())
    for sample in SAMPLES:
        answer = world.ask(sample, headers, thread_id=thread_id, named=named)
        expected = 503 if sample.route in failing_routes else sample.success
        if sample.is_for_operators and caller == "owner":
            expected = 403
        assert answer.status_code == expected, (sample.route, answer.text)
        if sample.route in {"POST /invoking", "GET /threads/{thread_id:path}/messages"}:
            assert SECRET in answer.text, sample.route
    # Operators who write in the owner's thread write for the owner.
    assert {exchange.user_id for exchange in world.queue.take()} <= {"ana"}


def test_an_operator_acts_for_the_named_user(world: World) -> None:
    """An operator who names a user has this user's rights, so another user's thread returns a 404."""
    operator = world.bearer("ops", scope=OPERATOR)
    for sample in SAMPLES:
        if sample.is_on_thread and sample.names_user == "body":
            assert world.ask(sample, operator, named="bob").status_code == 404, sample.route


@pytest.mark.parametrize("situation", SITUATIONS)
def test_an_operators_turn_belongs_to_the_threads_owner(
    world: World, create_situation: Callable[[str], str], situation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn of an operator in another user's thread belongs to the thread's owner.

    The turn contains no data of the operator. Its tools search the owner's messages.
    """
    operator, private = world.bearer("ops", scope=OPERATOR), "operators-own"
    assert world.app.ask("PUT", "/users/ops/preferences", {"tone": private}, headers=operator).status_code == 200
    assert world.say("ops", "ops-own", private) == 202
    thread_id = create_situation(situation)
    searched: list[str | None] = []
    answering = AgentRunner.run

    async def answer(self: AgentRunner, **arguments: Any) -> str:
        searched.append(arguments["user_id"])
        return await answering(self, **arguments)

    monkeypatch.setattr(AgentRunner, "run", answer)
    body = {"thread_id": thread_id}
    context = world.app.ask("POST", "/invoking", body, headers=operator).json()
    assert private not in str(context)
    assert context["preferences"] == {"tone": SECRET}
    for key in ({}, {"Idempotency-Key": "one"}):
        prompt = {**body, "prompt": "What do you know of me?"}
        answered = world.app.ask("POST", "/run", prompt, headers={**operator, **key})
        assert answered.status_code == 200
        assert private not in answered.text
    assert searched == ["ana", "ana"]
    stored = world.queue.take()
    assert private not in str([each for each in stored if each.thread_id == thread_id])
    assert {each.user_id for each in stored if each.thread_id == thread_id} == {"ana"}


def _found(world: World, headers: dict[str, str], query: str = f"{SECRET} question", **fields: str) -> set[str]:
    """Return the users' messages that a search finds."""
    answer = world.app.ask("POST", "/search", {"query": query, **fields}, headers=headers)
    assert answer.status_code == 200, answer.text
    return {item["user_message"] for item in answer.json()["items"]}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_search_finds_only_the_users_own_exchanges(
    world: World, create_situation: Callable[[str], str], situation: str
) -> None:
    """A thread's id in the filter and an operator's token do not extend a search. Naming another user is a 403."""
    assert world.say("bob", "bobs", f"{SECRET} of bob") == 202
    thread_id = create_situation(situation)
    ana, bob, operator = world.bearer("ana"), world.bearer("bob"), world.bearer("ops", scope=OPERATOR)
    expected, bobs = {f"{SECRET} question"}, {f"{SECRET} of bob question"}
    for headers, fields, found in (
        (ana, {}, expected),
        (ana, {"thread_id": thread_id}, expected),
        (ana, {"thread_id": "bobs"}, set()),
        (ana, {"exclude_thread_id": "bobs"}, expected),
        (bob, {}, bobs),
        (bob, {"thread_id": thread_id}, set()),
        (operator, {}, set()),
        (operator, {"thread_id": thread_id}, set()),
        (operator, {"user_id": "ana"}, expected),
        (operator, {"user_id": "bob", "thread_id": thread_id}, set()),
    ):
        assert _found(world, headers, **fields) == found, (fields, found)
    body = {"query": SECRET, "user_id": "ana", "thread_id": thread_id}
    assert world.app.ask("POST", "/search", body, headers=bob).status_code == 403


@pytest.mark.parametrize("is_drained", [True, False], ids=["drained", "undrained"])
def test_a_thread_that_gets_another_user_is_found_only_by_this_user(
    world: World, redis_client: redis.Redis, *, is_drained: bool
) -> None:
    """A thread's first exchange is stored after another user's later one. Then the thread belongs to its first user."""
    earlier_id = ExchangeIds().new(now=time.time() - 3600)
    first = replace(exchange(1, "late", "ana", exchange_id=earlier_id), user_message="first")
    later = replace(exchange(2, "late", "bob"), user_message=f"{SECRET} later")
    world.memory.archive.store([later])
    assert _found(world, world.bearer("bob")) == {f"{SECRET} later"}
    if is_drained:
        world.memory.archive.store([first])
        redis_client.flushall()
        # The exchange before a match is found, too.
        assert _found(world, world.bearer("ana"), "later") == {"first", f"{SECRET} later"}
        assert _found(world, world.bearer("bob"), "later") == set()
    else:
        # PostgreSQL does not know yet that the thread belongs to Ana.
        world.memory.cache.append(first, is_drained=False)
        assert _found(world, world.bearer("ana"), "first later") == set()
        assert _found(world, world.bearer("bob"), "first later") == {f"{SECRET} later"}


@pytest.mark.parametrize("down", ["redis", "postgres", "both"])
def test_a_turn_in_a_thread_with_an_unknown_owner_returns_503(
    world: World, make_world: Callable[[], World], valkey: ValkeyServer, postgres: PostgresServer, down: str
) -> None:
    """PostgreSQL is down. A turn in a thread that Redis does not have returns a 503, even to the thread's creator."""
    if down in {"redis", "both"}:
        valkey.kill()
    if down in {"postgres", "both"}:
        postgres.kill()
    for each in (world, make_world()):
        status = each.say("ana", "another")
        assert status == (202 if down == "redis" else 503)
        status = each.say("ana")
        assert status == (503 if down == "both" else 202)
    assert world.say("bob", "another") == (404 if down == "redis" else 503)
    assert world.say("bob") == (404 if down == "redis" else 503)


def test_only_one_of_several_concurrent_users_becomes_the_owner(
    make_world: Callable[[], World], database: psycopg.Connection
) -> None:
    """Three users concurrently create the same thread. One user becomes the owner, and only this exchange is stored."""
    worlds = {user: make_world() for user in ("ana", "bob", "eve")}
    for number in range(12):
        thread_id = f"raced-{number}"
        answers = _run_concurrently({user: partial(world.say, user, thread_id, user) for user, world in worlds.items()})
        assert sorted(answers.values()) == [202, 404, 404], answers
        owner = next(user for user, status in answers.items() if status == 202)
        for user, world in worlds.items():
            body = {"thread_id": thread_id}
            answer = world.app.ask("POST", "/invoking", body, headers=world.bearer(user))
            assert answer.status_code == (200 if user == owner else 404)
            if user == owner:
                assert [each["content"] for each in answer.json()["messages"]] == [f"{user} question", f"{user} answer"]
        assert worlds[owner].drain() == []
        rows = database.execute(
            "select c.user_id, m.content from conversations c join messages m on m.conversation_id = c.id"
            " where c.thread_id = %s order by m.position",
            (thread_id,),
        ).fetchall()
        assert rows == [(owner, f"{owner} question"), (owner, f"{owner} answer")]


def _run_concurrently(actions: dict[str, Callable[[], int]]) -> dict[str, int]:
    """Run functions concurrently and return their results."""
    barrier = threading.Barrier(len(actions))
    results: dict[str, int] = {}

    def run(name: str) -> None:
        barrier.wait()
        results[name] = actions[name]()

    racers = [threading.Thread(target=run, args=(name,)) for name in actions]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return results


def test_an_import_does_not_take_over_a_thread(
    world: World, make_world: Callable[[], World], redis_client: redis.Redis
) -> None:
    """A user cannot import into another user's thread, stored, queued or deleted, whatever the import's time."""
    body = {"user_message": "eve's question", "assistant_message": "eve's answer", "created_at": "2001-02-03T04:05:06Z"}
    assert world.say("ana", "queued") == 202
    for thread_id in (THREAD, "queued"):
        for each in (world, make_world()):
            answer = each.app.ask("POST", "/invoked", {**body, "thread_id": thread_id}, headers=each.bearer("eve"))
            assert answer.status_code == 404
        # The drain refuses the import, too, even if a process accepted it before it knew the thread's owner.
        imported = replace(exchange(1, thread_id, "eve"), created_at=datetime(2001, 2, 3, tzinfo=UTC))
        world.queue.send(replace(imported, accepted_at=datetime.now(UTC)))
    assert world.drain() == ["eve", "eve"]
    redis_client.flushall()
    for thread_id in (THREAD, "queued"):
        thread = world.app.ask("GET", f"/threads/{thread_id}", headers=world.bearer("ana")).json()
        assert (thread["thread_id"], thread["message_count"]) == (thread_id, 4 if thread_id == THREAD else 2)
        answer = world.app.ask("POST", "/invoking", {"thread_id": thread_id}, headers=world.bearer("ana"))
        assert "eve" not in answer.text
    # After the deletion the thread is free, and an import makes its user the owner.
    assert world.app.ask("DELETE", f"/threads/{THREAD}", headers=world.bearer("ana")).status_code == 204
    answer = world.app.ask("POST", "/invoked", {**body, "thread_id": THREAD}, headers=world.bearer("eve"))
    assert answer.status_code == 202
    assert world.say("ana") == 404
    assert world.drain() == []
    messages = world.app.ask("POST", "/invoking", {"thread_id": THREAD}, headers=world.bearer("eve")).json()["messages"]
    assert [each["content"] for each in messages] == ["eve's question", "eve's answer"]


@pytest.mark.parametrize("lost", ["nothing", "redis", "redis down"])
def test_the_owner_is_known_before_the_first_drain(
    world: World,
    make_world: Callable[[], World],
    valkey: ValkeyServer,
    redis_client: redis.Redis,
    lost: str,
) -> None:
    """A thread's first exchange is still queued. Each process knows the owner, even if Redis has lost its data."""
    assert world.say("ana", "new") == 202
    if lost == "redis":
        redis_client.flushall()
    if lost == "redis down":
        valkey.kill()
    other = make_world()
    for each in (world, other):
        assert each.say("bob", "new") == 404
        assert each.app.ask("POST", "/invoking", {"thread_id": "new"}, headers=each.bearer("bob")).status_code == 404
    assert other.say("ana", "new") == 202
    assert world.drain() == []


def test_a_turn_fails_if_its_thread_gets_another_owner_meanwhile(world: World, make_world: Callable[[], World]) -> None:
    """During a turn, the user deletes the thread, and another user becomes the owner of a thread with the same id.

    The turn fails, because its thread does not exist. The drain refuses the turn's exchange.
    """
    turn = Turn(world.memory, THREAD, "ana", "own")
    assert len(turn.recall().messages) == 4
    other = make_world()
    assert other.app.ask("DELETE", f"/threads/{THREAD}", headers=other.bearer("ana")).status_code == 204
    assert other.say("bob", text="bobs") == 202
    with pytest.raises(ThreadNotFound):
        turn.append("anas late question", "anas late answer")
    body = {"thread_id": THREAD}
    context = other.app.ask("POST", "/invoking", body, headers=other.bearer("bob")).json()
    assert [message["content"] for message in context["messages"]] == ["bobs question", "bobs answer"]
    assert other.drain() == ["ana"]
    assert "anas" not in other.app.ask("GET", f"/threads/{THREAD}/messages", headers=other.bearer("bob")).text
    assert world.say("ana") == 404


def test_a_deleted_thread_has_no_owner(world: World) -> None:
    """Any user may become the owner of a deleted thread's id. The next owner sees none of the deleted contents."""
    assert world.app.ask("DELETE", f"/threads/{THREAD}", headers=world.bearer("ana")).status_code == 204
    assert world.say("bob", text="bobs") == 202
    assert world.say("ana") == 404
    context = world.app.ask("POST", "/invoking", {"thread_id": THREAD}, headers=world.bearer("bob"))
    assert SECRET not in context.text
    assert world.drain() == []


def test_a_deleted_users_threads_have_no_owner(world: World) -> None:
    """Any user may become the owner of a deleted user's thread ids, stored or queued. Other users' threads stay."""
    assert world.say("ana", "new") == 202
    assert world.say("bob", "bobs", "bobs") == 202
    assert world.say("ana", "bobs") == 404
    assert world.app.ask("DELETE", "/users/ana", headers=world.bearer("ana")).status_code == 204
    assert world.drain() == []
    for thread_id in (THREAD, "new"):
        assert world.say("bob", thread_id, "bobs") == 202
    assert world.say("bob", "bobs", "bobs") == 202
    assert world.drain() == []


def test_a_thread_without_a_claim_belongs_to_its_first_user(world: World, make_world: Callable[[], World]) -> None:
    """If no owner is recorded, a thread belongs to the user of its first exchange, drained or queued."""
    memory = world.memory
    memory.archive.store([exchange(1, "drained", "ana")])
    for thread_id, user in (("queued", "ana"), ("unowned", None)):
        Turn(memory, thread_id, user).append("q", "a")
    for each in (world, make_world()):
        for thread_id in ("drained", "queued"):
            assert each.say("bob", thread_id) == 404
            assert each.say("ana", thread_id) == 202
        assert each.say("ana", "unowned") == 404
    assert world.drain() == []


def test_another_users_entry_in_redis_is_not_shown(world: World, redis_client: redis.Redis) -> None:
    """A list has another user's exchange. No response shows this exchange, and the owner's turn removes it."""
    stray = exchange(9, THREAD, "bob")
    world.memory.cache.append(stray, is_drained=False)
    ana = world.bearer("ana")
    for answer in (
        world.app.ask("GET", f"/threads/{THREAD}/messages", headers=ana),
        world.app.ask("GET", f"/threads/{THREAD}/layers", headers=ana),
        world.app.ask("POST", "/invoking", {"thread_id": THREAD}, headers=ana),
    ):
        assert answer.status_code == 200
        assert SECRET in answer.text
        assert stray.user_message not in re.findall(r'"(?:content|text|preview)":"([^"]*)"', answer.text)
    assert stray.user_message not in str(redis_client.lrange(f"thread:{THREAD}:messages", 0, -1))
    assert not redis_client.hgetall(f"thread:{THREAD}:pending")


@pytest.mark.parametrize("exchange_id", [None, str(uuid4())], ids=["unnamed", "named"])
@pytest.mark.parametrize(
    ("deleted", "thread_id"),
    [("thread", THREAD), ("thread", "only-queued"), ("user", THREAD), ("user", "only-queued"), ("user", None)],
)
def test_a_deleted_answer_is_not_replayed(
    world: World, redis_client: redis.Redis, deleted: str, thread_id: str | None, exchange_id: str | None
) -> None:
    """A repeated request returns a 422, because its answer was deleted. A request with another key is answered."""
    ana, key = world.bearer("ana"), {"Idempotency-Key": "one"}
    body = {"prompt": f"I am {SECRET}", "thread_id": thread_id, "exchange_id": exchange_id}
    assert world.app.ask("POST", "/run", body, headers=ana | key).status_code == 200
    assert world.app.ask("POST", "/run", body, headers=ana | key).headers["idempotent-replayed"] == "true"
    if thread_id == THREAD:
        assert world.drain() == []
    deleted_path = "/users/ana" if deleted == "user" else f"/threads/{thread_id}"
    assert world.app.ask("DELETE", deleted_path, headers=ana).status_code == 204
    for lost in (False, False, True):
        if lost:
            redis_client.flushall()
        answer = world.app.ask("POST", "/run", body, headers=ana | key)
        assert (answer.status_code, SECRET in answer.text) == (422, False), answer.text
        assert "deleted" in answer.json()["detail"]
        assert "retry-after" not in answer.headers
    request_body = {"prompt": "Hello", "thread_id": thread_id}
    other = {"Idempotency-Key": "two"}
    for replayed in (None, "true"):
        answer = world.app.ask("POST", "/run", request_body, headers=ana | other)
        assert (answer.status_code, answer.headers.get("idempotent-replayed")) == (200, replayed)


@pytest.mark.parametrize("deleted", ["thread", "user"])
def test_a_threads_deletion_deletes_its_stored_responses(
    world: World, database_url: str, database: psycopg.Connection, deleted: str
) -> None:
    """The deletion of a thread deletes the thread's stored responses. Other threads' responses stay."""
    connection = PostgresConnection(DatabaseSettings(url=database_url))
    keys = PostgresKeys(connection)
    for thread_id, user in ((THREAD, "ana"), ("bobs", "bob")):
        exchange_id = Turn(world.memory, thread_id, user, "own").append("q", "a").exchange_id
        assert exchange_id is not None
        assert keys.acquire(user, "hash", exchange_id).is_acquired
        keys.answer(user, "hash", exchange_id, f'{{"response": "{SECRET}"}}')
    connection.close()
    assert world.drain() == []
    deleted_path = "/users/ana" if deleted == "user" else f"/threads/{THREAD}"
    assert world.app.ask("DELETE", deleted_path, headers=world.bearer("ana")).status_code == 204
    rows = database.execute("select key, answer from idempotency_keys order by key").fetchall()
    assert rows == [("ana", "{}"), ("bob", f'{{"response": "{SECRET}"}}')]


def test_two_users_may_use_the_same_idempotency_key(world: World) -> None:
    """Two users send the same key and body. Each user gets their own response."""
    key = {"Idempotency-Key": "same"}
    answers = [
        world.app.ask("POST", "/run", {"prompt": f"I am {SECRET}"}, headers={**world.bearer(user), **key})
        for user in ("ana", "bob", "ana")
    ]
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, None, "true"]
    body, other_key = {"prompt": "Hello", "thread_id": THREAD}, {"Idempotency-Key": "other"}
    assert world.app.ask("POST", "/run", body, headers={**world.bearer("ana"), **other_key}).status_code == 200
    assert world.app.ask("POST", "/run", body, headers={**world.bearer("bob"), **other_key}).status_code == 404
