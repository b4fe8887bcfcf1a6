"""The tests measure what each kind of request costs on real servers: calls, files and round trips.

The costs are literals, so a changed cost changes this file. Turns read a window of two exchanges.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pytest
import redis

from infra.local.servers import ValkeyServer
from shared.memory.turn import Turn
from tests.support.counting import Calls, calls_of
from tests.support.issuer import Issuer, bearer
from tests.support.lambda_context import LambdaContext
from tests.support.proxy import CountingProxy
from tests.support.sqs_server import SqsServer

CONTEXT = LambdaContext()

KNOWN: Final = "known"
NEW: Final = "new"
# Once a second, a read also tests whether Redis accepts writes. This test takes a few more calls.
_SLACK: Final = 15
# The design's limits for the memory's part of a hit: how many functions and files of the project it may use.
_MOST_FUNCTIONS: Final = 60
_MOST_FILES: Final = 12
# A request may use two more files than its `Cost` says, so that a module can be split.
_MORE_FILES: Final = 2
_SAID: Final[dict[str, object]] = {"user_id": "ana", "user_message": "q", "assistant_message": "a"}


class Cost(NamedTuple):
    """The cost of a request.

    Attributes:
        calls: Maximum number of calls of the project's own functions.
        files: Maximum number of files that contain the called functions.
        redis: Round trips to Redis.
        postgres: Round trips to PostgreSQL.
        queue: Requests to SQS.
    """

    calls: int
    files: int
    redis: int
    postgres: int
    queue: int


@dataclass
class CountedProcess:
    """The agent function, with counters of its calls to the stores."""

    function: ModuleType
    redis: CountingProxy
    postgres: CountingProxy
    sqs: SqsServer
    headers: dict[str, str]
    calls: Calls

    @property
    def newcomer(self) -> str:
        """Return a user without stored data. With tokens, return the token's user."""
        return "ana" if self.headers else "eve"

    def ask(self, path: str, thread_id: str, **fields: object) -> dict[str, Any]:
        """Send a request as API Gateway does, and return the response's body."""
        body = {"thread_id": thread_id, **fields}
        event = {
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": "POST",
            "headers": {"Content-Type": "application/json", "Host": "api", **self.headers},
            "multiValueHeaders": {},
            "requestContext": {"requestId": "r", "stage": "local", "identity": {"sourceIp": "127.0.0.1"}},
            "body": json.dumps(body),
            "isBase64Encoded": False,
        }
        answer = self.function.handler(event, CONTEXT)
        assert answer["statusCode"] in {200, 202}, answer
        answered: dict[str, Any] = json.loads(answer["body"])
        assert not answered.get("degraded")
        return answered

    def invoke(self, action: str, thread_id: str, **fields: object) -> dict[str, Any]:
        """Invoke the function directly."""
        answer: dict[str, Any] = self.function.handler({"action": action, "thread_id": thread_id, **fields}, CONTEXT)
        assert "status" not in answer, answer
        return answer

    def recall(self) -> None:
        """Load the memory directly."""
        turn = Turn(self.function.operations._memory, KNOWN, "ana", "own" if self.headers else "open")
        assert turn.recall().source == "redis"

    def cost(self, action: Callable[[], object]) -> Cost:
        """Return the cost of an action."""
        self.redis.reset()
        self.postgres.reset()
        self.sqs.requests.clear()
        self.calls = calls_of(action)
        return Cost(
            len(self.calls.names),
            len(self.calls.files),
            self.redis.round_trips,
            self.postgres.round_trips,
            len(self.sqs.requests),
        )


class _Case(NamedTuple):
    """A request and its two maximum costs: without authentication, and for a user with a token."""

    ask: Callable[[CountedProcess], object]
    open: Cost
    tokens: Cost
    is_expired: bool = False


@pytest.fixture(params=["open", "tokens"])
def counted_process(
    request: pytest.FixtureRequest,
    load: Callable[[str], ModuleType],
    valkey: ValkeyServer,
    database_url: str,
    sqs: SqsServer,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CountedProcess]:
    """Return the function with a thread in both layers, once without authentication and once with tokens."""
    port = urlsplit(database_url).port or 0
    with CountingProxy(valkey.port) as redis_proxy, CountingProxy(port) as postgres:
        url = database_url.replace(f":{port}/", f":{postgres.port}/") + "?sslmode=disable&gssencmode=disable"
        environment = {"REDIS__PORT": str(redis_proxy.port), "DATABASE__URL": url}
        if request.param == "tokens":
            environment |= issuer.environment()
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        headers = bearer(issuer.token("ana")) if request.param == "tokens" else {}
        created = CountedProcess(load("functions.agent.handler"), redis_proxy, postgres, sqs, headers, Calls())
        memory = created.function.operations._memory
        # The first request of a process imports the agent library and counts the tokens of words.
        created.ask("/run", "warm", user_id="ana", prompt="q")
        created.ask("/invoking", KNOWN, user_id="ana")
        for number in range(2):
            created.ask("/invoked", KNOWN, user_id="ana", user_message=f"q{number}", assistant_message=f"a{number}")
        undrained = memory.recent(KNOWN)
        memory.archive.store(undrained)
        memory.cache.merge_stored(undrained)
        assert created.ask("/invoking", KNOWN, user_id="ana")["source"] == "redis"
        yield created


CASES: Final = {
    # A hit: the thread's list is sealed.
    "invoking, hit": _Case(
        lambda w: w.ask("/invoking", KNOWN, user_id="ana"),
        open=Cost(155, 31, 1, 0, 0),
        tokens=Cost(174, 33, 1, 0, 0),
    ),
    "run, hit": _Case(
        lambda w: w.ask("/run", KNOWN, user_id="ana", prompt="q"),
        open=Cost(316, 49, 2, 0, 1),
        tokens=Cost(335, 51, 2, 0, 1),
    ),
    "invoked, hit": _Case(
        lambda w: w.ask("/invoked", KNOWN, **_SAID),
        open=Cost(199, 37, 2, 0, 1),
        tokens=Cost(218, 39, 2, 0, 1),
    ),
    # This is the memory's part of a hit. `test_a_hit_stays_within_the_goals_of_calls_and_files` checks its goal.
    "recall, hit": _Case(
        lambda w: w.recall(),
        open=Cost(56, 12, 1, 0, 0),
        tokens=Cost(61, 12, 1, 0, 0),
    ),
    "invoking, hit, direct": _Case(
        lambda w: w.invoke("invoking", KNOWN, user_id="ana"),
        open=Cost(117, 26, 1, 0, 0),
        tokens=Cost(122, 26, 1, 0, 0),
    ),
    # The thread is new. Without authentication the user is new too.
    # A second round trip to Redis reads the undrained exchanges and the losses of Redis. A hit does not need these
    # values. If the first round trip read them, each hit would be slower.
    # A new user takes one more round trip to Redis and three to PostgreSQL (begin; lock and read; commit). PostgreSQL
    # holds the lock until the preferences are in Redis. Otherwise, old preferences could replace later ones. The
    # window's statement cannot hold this lock, because its transaction ends in the same round trip.
    "invoking, new thread": _Case(
        lambda w: w.ask("/invoking", NEW, user_id=w.newcomer),
        open=Cost(267, 47, 4, 4, 0),
        tokens=Cost(256, 47, 3, 1, 0),
    ),
    "run, new thread": _Case(
        lambda w: w.ask("/run", NEW, user_id=w.newcomer, prompt="q"),
        open=Cost(420, 61, 5, 4, 1),
        tokens=Cost(431, 64, 4, 2, 1),
    ),
    "invoked, new thread": _Case(
        lambda w: w.ask("/invoked", NEW, **_SAID),
        open=Cost(303, 47, 4, 1, 1),
        tokens=Cost(355, 53, 4, 2, 1),
    ),
    # The thread is in PostgreSQL, and its list has expired.
    "invoking, expired": _Case(
        lambda w: w.ask("/invoking", KNOWN, user_id="ana"),
        open=Cost(315, 50, 3, 1, 0),
        tokens=Cost(330, 52, 3, 1, 0),
        is_expired=True,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_request_costs_no_more_than_its_limits(
    counted_process: CountedProcess, redis_client: redis.Redis, case: _Case
) -> None:
    """A request needs exactly the round trips of its `Cost`, and not more calls and files than its `Cost`."""
    if case.is_expired:
        redis_client.delete(f"thread:{KNOWN}:messages")
    cost = counted_process.cost(lambda: case.ask(counted_process))
    limit = case.tokens if counted_process.headers else case.open
    called_functions = "\n".join(f"{file} {name}" for file, name in counted_process.calls.names)
    assert cost[2:] == limit[2:], (cost, called_functions)
    assert cost.calls <= limit.calls + _SLACK, (cost, called_functions)
    assert cost.files <= limit.files + _MORE_FILES, (cost, sorted(counted_process.calls.files))


def test_a_hit_stays_within_the_goals_of_calls_and_files(counted_process: CountedProcess) -> None:
    """The memory's part of a hit stays within the design's goal."""
    counted_process.cost(counted_process.recall)
    called_functions = set(counted_process.calls.names)
    assert len(called_functions) <= _MOST_FUNCTIONS, sorted(called_functions)
    assert len(counted_process.calls.files) <= _MOST_FILES, sorted(counted_process.calls.files)
