"""The functions sign in with a secret of AWS Secrets Manager. Each new connection reads the secret."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from psycopg import sql

from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import SettingsError, StoreUnavailable
from shared.settings import DatabaseSettings, RedisSettings, load
from shared.stores import aws_secrets
from shared.stores.aws_secrets import Secret, SecretUnavailableError, read_secret
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.redis.connection import RedisConnection
from tests.support.servers import admin

_ARN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:memory"


class SecretsManager:
    """A fake of AWS Secrets Manager with one secret.

    Attributes:
        text: The secret's text; None if the secret does not exist.
    """

    def __init__(self) -> None:
        self.text: str | None = None
        self.asked: list[str] = []
        outer = self

        class Service(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["SecretId"])
                found: dict[str, Any] = {"__type": "ResourceNotFoundException"}
                if outer.text is not None:
                    found = {"SecretString": outer.text}
                body = json.dumps(found).encode()
                self.send_response(200 if outer.text is not None else 400)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManager]:
    """Start the fake service and let the process use it."""
    created = SecretsManager()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": created.url,
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    aws_secrets._client.cache_clear()
    yield created
    aws_secrets._client.cache_clear()
    created.close()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"username": "ada", "password": "p", "engine": "postgres"}', Secret("ada", "p")),
        ('{"password": "p"}', Secret(None, "p")),
        ("p$%{ü", Secret(None, "p$%{ü")),
    ],
)
def test_valid_secrets_are_accepted(secrets: SecretsManager, text: str, secret: Secret) -> None:
    """A secret has RDS' format, or it contains only a password."""
    secrets.text = text
    assert read_secret(_ARN) == secret
    assert secrets.asked == [_ARN]


@pytest.mark.parametrize("text", [None, "", '{"username": "hunter2"}', '{"hunter2": ', '{"password": null}'])
def test_invalid_secrets_are_refused(secrets: SecretsManager, text: str | None) -> None:
    """The functions refuse an invalid secret. The reason contains no part of the secret."""
    secrets.text = text
    with pytest.raises(SecretUnavailableError) as caught:
        read_secret(_ARN)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_next_connection_to_postgres_uses_a_rotated_secret(
    secrets: SecretsManager, new_database: Callable[..., str], postgres: PostgresServer
) -> None:
    """A secret is rotated. Open connections stay open. The next connection uses the new user and password."""
    address = urlsplit(new_database())
    connection = PostgresConnection(
        DatabaseSettings(url=f"postgresql://127.0.0.1:{postgres.port}{address.path}", secret_arn=_ARN, auth="secret")
    )
    try:
        for name in ("rotated_a", "rotated_b"):
            secrets.text = json.dumps({"username": name, "password": f"{name}'s"})
            with admin(postgres) as operator:
                create = sql.SQL("create role {} login password {}").format(sql.Identifier(name), f"{name}'s")
                operator.execute(create)
            for _ in range(2):
                found = connection.run(lambda c: c.execute("select current_user as name").fetchone())
                assert found == {"name": name}
            with admin(postgres) as operator:
                operator.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s", [name]
                )
    finally:
        connection.close()
        with admin(postgres) as operator:
            operator.execute("drop role if exists rotated_a, rotated_b")
    assert len(secrets.asked) == 2


def test_the_next_connection_to_redis_uses_a_rotated_secret(
    secrets: SecretsManager, valkey: ValkeyServer, redis_client: redis.Redis
) -> None:
    """Each new connection uses the secret's current password. If the secret has no user, the settings name the user."""
    settings = RedisSettings(
        host="127.0.0.1", port=valkey.port, auth="secret", secret_arn=_ARN, username="functions", password="unused"
    )
    connection = RedisConnection(settings)
    try:
        for password in ("first", "second"):
            secrets.text = password
            redis_client.acl_setuser(
                "functions", enabled=True, passwords=[f"+{password}"], keys=["*"], categories=["+@all"], reset=True
            )
            assert connection.call(lambda pipe: pipe.acl_whoami()) == ["functions"]
            redis_client.client_kill_filter(_type="normal", skipme=True)
    finally:
        connection.close()
        redis_client.acl_deluser("functions")
    assert len(secrets.asked) == 2


@pytest.mark.usefixtures("secrets")
def test_a_secret_that_cannot_be_read_is_an_outage(valkey: ValkeyServer, postgres: PostgresServer) -> None:
    """If a secret cannot be read, the layer counts as down and its circuit opens."""
    cache = RedisConnection(RedisSettings(host="127.0.0.1", port=valkey.port, auth="secret", secret_arn=_ARN))
    url = f"postgresql://memory@127.0.0.1:{postgres.port}/memory"
    archive = PostgresConnection(DatabaseSettings(url=url, auth="secret", secret_arn=_ARN))
    with pytest.raises(StoreUnavailable):
        cache.call(lambda pipe: pipe.ping())
    with pytest.raises(StoreUnavailable, match="its secret cannot be read: ResourceNotFoundException"):
        archive.run(lambda c: c.execute("select 1"))
    assert (cache.breaker.is_open, archive.breaker.is_open) == (True, True)
    cache.close()


@pytest.mark.parametrize(("kind", "prefix"), [(RedisSettings, "REDIS"), (DatabaseSettings, "DATABASE")])
def test_a_missing_secret_arn_stops_the_start(
    kind: type[RedisSettings | DatabaseSettings], prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function refuses to start without the secret's ARN. The error names the setting."""
    monkeypatch.setenv(f"{prefix}__AUTH", "secret")
    with pytest.raises(SettingsError, match=f"{prefix}__AUTH .*{prefix}__SECRET_ARN"):
        load(kind)
