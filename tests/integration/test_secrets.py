"""The functions' logs and problems contain no texts and no secrets. The functions never interpret ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
import redis

from infra.local.servers import PostgresServer, ValkeyServer
from tests.support.issuer import OPERATOR, Issuer, bearer
from tests.support.lambda_context import LambdaContext
from tests.support.routes import SAMPLES
from tests.support.servers import admin
from tests.support.sqs_server import SqsServer

CONTEXT = LambdaContext(remaining_milliseconds=30_000)

Import = Callable[[str], ModuleType]
MARKER = "zanzibar-marker"
PASSWORD = "hunter2-zanzibar"
HOSTILE = (
    "*",
    "a:b",
    "x:messages",
    "{slot}",
    "user:ana:preferences",
    "thread:victim:messages",
    "../../victim",
    "victim\u202e",
    "'; drop table messages; --",
    "' or '1'='1",
    "%(thread_id)s",
    "%s",
    "$1",
    '"},{"role":"user"',
    "\\x00",
    "KEYS[1]",
    "x" * 255,
)


@pytest.fixture
def agent(load: Import, issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the agent function with authentication."""
    for name, value in issuer.environment().items():
        monkeypatch.setenv(name, value)
    return load("functions.agent.handler")


def _ask(
    agent: ModuleType, method: str, path: str, body: object, headers: dict[str, str], **query: str
) -> dict[str, Any]:
    event = {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"requestId": "gateway-1", "stage": "local", "identity": {"sourceIp": "127.0.0.1"}},
        "body": body if isinstance(body, str) else None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    answer: dict[str, Any] = agent.handler(event, CONTEXT)
    return answer


@pytest.mark.parametrize("hostile", HOSTILE)
def test_ids_are_never_interpreted(
    agent: ModuleType, issuer: Issuer, redis_client: redis.Redis, database: psycopg.Connection, hostile: str
) -> None:
    """A request with any id reads and writes only this id's keys and rows."""
    victim = bearer(issuer.token("victim"))
    exchange_body = {"thread_id": "victim", "user_message": "victim's", "assistant_message": "own"}
    assert _ask(agent, "POST", "/invoked", exchange_body, victim)["statusCode"] == 202
    assert _ask(agent, "PUT", "/users/victim/preferences", {"tone": "victim's"}, victim)["statusCode"] == 200
    if not hostile.isprintable():
        answer = _ask(agent, "POST", "/invoked", {**exchange_body, "thread_id": hostile}, victim)
        assert answer["statusCode"] == 422
        return
    before = {key: redis_client.dump(key) for key in redis_client.keys("*victim*")}
    own, segment = bearer(issuer.token(hostile)), quote(hostile, safe="")
    texts = {"thread_id": hostile, "user_message": "q", "assistant_message": "a"}
    assert _ask(agent, "POST", "/invoked", texts, own)["statusCode"] == 202
    read = _ask(agent, "GET", f"/threads/{segment}/messages", None, own)
    assert [item["content"] for item in json.loads(read["body"])["items"]] == ["q", "a"]
    preferences = _ask(agent, "PUT", f"/users/{segment}/preferences", {"tone": "own"}, own)
    assert json.loads(preferences["body"]) == {"tone": "own"}
    assert redis_client.lrange(f"thread:{hostile}:messages", 0, -1)
    assert redis_client.hgetall(f"user:{hostile}:preferences") == {"tone": "own"}
    rows = database.execute("select value from user_preferences where user_id = %s", (hostile,)).fetchall()
    assert rows == [("own",)]
    assert _ask(agent, "DELETE", f"/threads/{segment}", None, own)["statusCode"] == 204
    assert _ask(agent, "DELETE", f"/users/{segment}", None, own)["statusCode"] == 204
    assert {key: redis_client.dump(key) for key in before} == before
    assert database.execute("select value from user_preferences where user_id = 'victim'").fetchall() == [("victim's",)]


def _send_marked_requests(agent: ModuleType, sync: ModuleType, issuer: Issuer) -> list[str]:
    """Send valid and invalid requests and records with the marker. Return the error responses."""
    operator = bearer(issuer.token(f"ops-{MARKER}", scope=OPERATOR))
    result = []
    for sample in SAMPLES:
        path = sample.path(f"t-{MARKER}", f"u-{MARKER}")
        fields = {**(sample.fields or {}), "prompt": MARKER, "user_message": MARKER, "assistant_message": MARKER}
        bodies: list[object] = [
            sample.body(f"t-{MARKER}", f"u-{MARKER}"),
            {name: f"{MARKER}{value}" for name, value in fields.items() if name in (sample.fields or {})}
            | {"thread_id": "t"},
            {"prompt": MARKER, "thread_id": f"{MARKER}\n", "instructions": MARKER, "extra": MARKER},
            f'{{"prompt": "{MARKER}"',
        ]
        for body in bodies:
            for headers in (operator, {}, bearer(f"{MARKER}.{MARKER}.{MARKER}"), {"Authorization": f"Basic {MARKER}"}):
                answer = _ask(agent, sample.method, path, body, headers, user_id=f"u-{MARKER}", cursor=MARKER)
                if answer["statusCode"] >= 400:
                    result.append(answer["body"])
    for action in ("run", "invoking", "invoked", MARKER):
        agent.handler(
            {"action": action, "prompt": MARKER, "user_message": MARKER, "thread_id": 1},
            CONTEXT,
        )
    sync.handler({"Records": [_record(body) for body in _records()]}, CONTEXT)
    sync.handler({"source": "aws.events"}, CONTEXT)
    return result


def _records() -> list[str]:
    good = {
        "version": 1,
        "exchange_id": "01a20403-af8b-76fb-9bf9-0bc8b1328586",
        "thread_id": f"t-{MARKER}",
        "user_id": f"u-{MARKER}",
        "user_message": MARKER,
        "assistant_message": MARKER,
        "document_ids": [MARKER],
        "created_at": "2026-11-22T16:08:00.139000Z",
    }
    bad = [{**good, "version": MARKER}, {**good, "created_at": MARKER}, {**good, "user_message": f"{MARKER}\x00"}]
    return [json.dumps(good), f'{{"user_message": "{MARKER}"', *(json.dumps(each) for each in bad)]


def _record(body: str) -> dict[str, Any]:
    return {"messageId": "1", "receiptHandle": "1", "body": body, "attributes": {"ApproximateReceiveCount": "1"}}


@pytest.fixture
def secret_database_url(postgres: PostgresServer, database_url: str) -> Iterator[str]:
    """Return the database's URL with a user and a password that the test can find in logs."""
    with admin(postgres) as connection:
        connection.execute(f"create role secretive login password '{PASSWORD}' in role memory")
    parts = urlsplit(database_url)
    yield parts._replace(netloc=f"secretive:{PASSWORD}@{parts.hostname}:{parts.port}").geturl()
    postgres.start()
    with admin(postgres) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'secretive'")
        connection.execute("drop role if exists secretive")


@pytest.fixture
def stop_servers(valkey: ValkeyServer, postgres: PostgresServer, sqs: SqsServer) -> Callable[[str], None]:
    """Return a function that stops servers. The servers' fixtures restart them."""
    stops = {"redis": valkey.kill, "postgres": postgres.kill, "sqs": sqs.stop}

    def stop(what: str) -> None:
        for name, action in stops.items():
            if what in {name, "everything"}:
                action()

    return stop


@pytest.mark.parametrize("down", ["nothing", "redis", "postgres", "sqs", "everything"])
def test_no_text_and_no_secret_is_written(
    load: Import,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    secret_database_url: str,
    stop_servers: Callable[[str], None],
    down: str,
) -> None:
    """During each outage, no log line and no problem contains a password, a token or a text."""
    for name, value in {**issuer.environment(), "DATABASE__URL": secret_database_url}.items():
        monkeypatch.setenv(name, value)
    agent, sync = load("functions.agent.handler"), load("functions.sync.handler")
    for name in ("shared", "functions"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    health = json.loads(_ask(agent, "GET", "/health", None, {})["body"])
    assert health["status"] == "ok"
    stop_servers(down)
    problems = _send_marked_requests(agent, sync, issuer)
    output = capfd.readouterr()
    for line in (output.out + output.err).splitlines():
        assert MARKER not in line, line[:500]
        assert PASSWORD not in line, line[:500]
    for body in problems:
        assert MARKER not in body, body[:500]
        assert PASSWORD not in body, body[:500]
    assert problems


@pytest.mark.parametrize(("sqlstate", "status"), [("23514", 422), ("P0001", 202)])
def test_a_row_that_postgresql_quotes_is_not_logged(
    caplog: pytest.LogCaptureFixture,
    agent: ModuleType,
    issuer: Issuer,
    stop_servers: Callable[[str], None],
    database: psycopg.Connection,
    sqlstate: str,
    status: int,
) -> None:
    """SQS is down, so PostgreSQL gets the exchanges directly. It refuses a row and quotes the row in its error.

    The response and the log do not contain the quoted row.
    """
    with database.transaction():
        database.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'"
            f" using errcode = '{sqlstate}', detail = 'Failing row contains (' || new.content || ')'; end $$"
        )
        database.execute("create trigger refuse before insert on messages for each row execute function refuse()")
    stop_servers("sqs")
    exchange_body = {"thread_id": "t", "user_message": MARKER, "assistant_message": MARKER}
    answer = _ask(agent, "POST", "/invoked", exchange_body, bearer(issuer.token("ana")))
    assert answer["statusCode"] == status, answer["body"]
    assert MARKER not in answer["body"]
    assert MARKER not in caplog.text
    assert ("postgres refused a statement" in caplog.text) == (status == 202)
