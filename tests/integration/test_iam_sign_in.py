"""The functions sign in with IAM tokens, and real servers accept these tokens.

A token has AWS's format. Each connection gets a new token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import redis
from botocore.model import ServiceId
from botocore.session import Session
from botocore.signers import RequestSigner
from psycopg import sql

from infra.local.servers import PostgresServer, ValkeyServer
from shared.errors import SettingsError, StoreUnavailable
from shared.settings import DatabaseSettings, RedisSettings, load
from shared.stores import aws_tokens
from shared.stores.postgres import connection as postgres_connection
from shared.stores.postgres.connection import PostgresConnection, sign_in_parameters
from shared.stores.redis import connection as redis_connection
from shared.stores.redis.connection import RedisConnection
from tests.support.servers import admin

_HOST = "db.cluster-1.eu-west-1.rds.amazonaws.com"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the credentials that Lambda sets."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "of a role",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    aws_tokens._session.cache_clear()
    yield
    aws_tokens._session.cache_clear()


@pytest.fixture
def fixed_signature_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock of signatures to a fixed time."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.mark.usefixtures("credentials", "fixed_signature_time")
def test_the_database_token_equals_botocores_token() -> None:
    """The token equals the token that botocore makes in the same second, byte for byte."""
    botocore_token = (
        boto3.Session().client("rds").generate_db_auth_token(DBHostname=_HOST, Port=5432, DBUsername="memory")
    )
    assert aws_tokens.database_token(_HOST, 5432, "memory") == botocore_token


@pytest.mark.usefixtures("credentials", "fixed_signature_time")
def test_the_cache_token_is_a_presigned_request() -> None:
    """The token is a URL that is signed for the replication group and the user. It is valid for 15 minutes.

    It equals the URL that botocore's `RequestSigner` makes.
    """
    session = Session()
    credentials = session.get_credentials()
    assert credentials is not None
    signer = RequestSigner(
        ServiceId("elasticache"),
        "eu-west-1",
        "elasticache",
        "v4",
        credentials,
        session.get_component("event_emitter"),
    )
    request = {
        "method": "GET",
        "url": "http://the-group/?Action=connect&User=functions",
        "body": {},
        "headers": {},
        "context": {},
    }
    botocore_token = signer.generate_presigned_url(
        request, operation_name="connect", expires_in=900, region_name="eu-west-1"
    )
    assert aws_tokens.cache_token("the-group", "functions") == botocore_token.removeprefix("http://")


def test_missing_credentials_count_as_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AWS credentials, the token function raises `StoreUnavailable`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    aws_tokens._session.cache_clear()
    with pytest.raises(StoreUnavailable, match="redis did not answer: the process has no AWS credentials"):
        aws_tokens.cache_token("group", "user")
    aws_tokens._session.cache_clear()


@pytest.mark.usefixtures("credentials")
def test_the_servers_certificate_is_checked() -> None:
    """With `sslmode=verify-full`, the default `sslrootcert` is a file of the public certificate authorities."""
    url = f"postgresql://memory@{_HOST}:5432/memory"
    parameters = sign_in_parameters(DatabaseSettings(url=f"{url}?sslmode=verify-full", auth="iam"))
    assert "BEGIN CERTIFICATE" in Path(parameters["sslrootcert"]).read_text()
    assert "sslrootcert" not in sign_in_parameters(DatabaseSettings(url=f"{url}?sslmode=require", auth="iam"))
    assert sign_in_parameters(DatabaseSettings(url=url)) == {}


def test_each_connection_to_postgres_uses_a_new_token(
    new_database: Callable[..., str], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL accepts the token as a password. Each new connection uses a new token."""
    tokens = iter(["first", "second"])
    requested: list[tuple[str, int, str]] = []

    def token(host: str, port: int, user: str) -> str:
        requested.append((host, port, user))
        current = next(tokens)
        _set_password(postgres, current)
        return current

    monkeypatch.setattr(postgres_connection, "database_token", token)
    address = urlsplit(new_database())
    url = f"postgresql://functions@127.0.0.1:{postgres.port}{address.path}"
    connection = PostgresConnection(DatabaseSettings(url=url, auth="iam"))
    try:
        for _ in range(2):
            for _ in range(2):
                row = connection.run(lambda c: c.execute("select current_user as name").fetchone())
                assert row == {"name": "functions"}
            with admin(postgres) as operator:
                operator.execute(
                    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'functions'"
                )
    finally:
        connection.close()
    assert requested == [("127.0.0.1", postgres.port, "functions")] * 2


def _set_password(postgres: PostgresServer, password: str) -> None:
    with admin(postgres) as operator:
        if operator.execute("select 1 from pg_roles where rolname = 'functions'").fetchone() is None:
            operator.execute("create role functions login")
        operator.execute(sql.SQL("alter role functions password {}").format(password))


def test_each_connection_to_redis_uses_a_new_token(
    valkey: ValkeyServer, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each new connection to Redis uses a new token, because ElastiCache closes connections after twelve hours."""
    tokens = iter(["first", "second"])

    def token(_cache_name: str, user: str) -> str:
        current = next(tokens)
        redis_client.acl_setuser(
            user, enabled=True, passwords=[f"+{current}"], keys=["*"], categories=["+@all"], reset=True
        )
        return current

    monkeypatch.setattr(redis_connection, "cache_token", token)
    # Turn TLS off, because the embedded server has no certificate. The other settings are those of IAM.
    settings = RedisSettings(
        host="127.0.0.1", port=valkey.port, auth="iam", username="functions", cache_name="group", tls=True
    ).model_copy(update={"tls": False})
    connection = RedisConnection(settings)
    try:
        for _ in range(2):
            assert connection.call(lambda pipe: pipe.acl_whoami()) == ["functions"]
            redis_client.client_kill_filter(_type="normal", skipme=True)
    finally:
        connection.close()
        redis_client.acl_deluser("functions")
    assert next(tokens, None) is None


@pytest.mark.parametrize(
    ("settings_type", "variables", "message"),
    [
        (RedisSettings, {"REDIS__AUTH": "iam"}, "REDIS__AUTH .*REDIS__USERNAME, REDIS__CACHE_NAME and REDIS__TLS"),
        (DatabaseSettings, {"DATABASE__AUTH": "iam", "DATABASE__URL": "postgresql:///d"}, "DATABASE__AUTH .*a user in"),
        (DatabaseSettings, {"DATABASE__AUTH": "trust"}, "DATABASE__AUTH "),
    ],
)
def test_a_missing_setting_of_iam_stops_the_start(
    settings_type: type[RedisSettings | DatabaseSettings],
    variables: dict[str, str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A function refuses to start if a setting of IAM is missing. The error names the setting."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        load(settings_type)
