"""Each setting has a name, and each invalid value is reported with a message."""

import os
from pathlib import Path

import pytest
import yaml
from annotated_types import Ge, Le
from fastapi.routing import APIRoute
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.local import LocalStackError
from infra.local.deploy import PARAMETERS
from infra.local.environment import read_settings
from shared.errors import SettingsError
from shared.settings import (
    AgentSettings,
    AuthSettings,
    DatabaseSettings,
    DeriveSettings,
    MemorySettings,
    RedisSettings,
    SearchSettings,
    SyncSettings,
    TokenSettings,
    load,
    validate_environment,
)
from shared.stores.postgres.connection import PostgresConnection
from tests.support.api import Api

SECRET = "hunter2-hunter2"
PREFIXES = ("REDIS__", "DATABASE__", "MEMORY__", "SYNC__", "AGENT__", "AUTH__", "SEARCH__", "DERIVE__")
ROOT = Path(__file__).parents[2]
SETTINGS_CLASSES: tuple[type[BaseSettings], ...] = (
    RedisSettings,
    DatabaseSettings,
    MemorySettings,
    SyncSettings,
    AgentSettings,
    AuthSettings,
    SearchSettings,
    DeriveSettings,
)


class _Loader(yaml.SafeLoader):
    """A loader that parses CloudFormation's short forms as null."""


_Loader.add_multi_constructor("!", lambda *_: None)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove all settings from the environment, and use a directory without a `.env`."""
    for name in list(os.environ):
        if name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_settings_have_defaults() -> None:
    """Each setting except the queue's URL has a default."""
    memory, redis = load(MemorySettings), load(RedisSettings)
    assert (memory.thread_ttl_hours, memory.user_ttl_days, memory.max_thread_messages) == (24, 30, 50)
    assert (memory.thread_ttl_seconds, memory.user_ttl_seconds) == (86_400, 2_592_000)
    assert (redis.host, redis.port, redis.password, redis.db, redis.tls) == ("localhost", 6379, None, 0, False)
    assert redis.timeout_ms == 250
    assert load(AgentSettings).model == "offline"
    assert load(AuthSettings).tokens("local") is None
    derive = load(DeriveSettings)
    assert (derive.queue_url, derive.dlq_url, derive.delay_seconds) == (None, None, 30)
    assert derive.daily_characters == 400_000
    assert (memory.learning, memory.deriver, memory.inject_learned) == ("rules", "rules:3", False)


def test_each_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each environment variable sets its setting."""
    for name, value in {
        "REDIS__HOST": "r",
        "REDIS__PORT": "1",
        "REDIS__PASSWORD": "p",
        "REDIS__DB": "2",
        "REDIS__TLS": "true",
        "DATABASE__URL": "postgresql://h/d",
        "MEMORY__THREAD_TTL_HOURS": "3",
        "MEMORY__USER_TTL_DAYS": "4",
        "MEMORY__MAX_THREAD_MESSAGES": "5",
        "SYNC__QUEUE_URL": "https://sqs/q",
        "SYNC__DLQ_URL": "http://sqs/d",
        "AGENT__MODEL": "openai:m",
    }.items():
        monkeypatch.setenv(name, value)
    redis, memory, sync = load(RedisSettings), load(MemorySettings), load(SyncSettings)
    assert (redis.host, redis.port, redis.password, redis.db, redis.tls) == ("r", 1, "p", 2, True)
    assert load(DatabaseSettings).url == "postgresql://h/d"
    assert (memory.thread_ttl_hours, memory.user_ttl_days, memory.max_thread_messages) == (3, 4, 5)
    assert (sync.queue_url, sync.dlq_url) == ("https://sqs/q", "http://sqs/d")
    assert load(AgentSettings).model == "openai:m"


def test_an_env_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment takes precedence over `.env`. The settings ignore other programs' lines in `.env`."""
    (tmp_path / ".env").write_text("REDIS__HOST=file\nREDIS__PORT=1234\nOTHER=1\n")
    monkeypatch.setenv("REDIS__PORT", "99")
    assert (load(RedisSettings).host, load(RedisSettings).port) == ("file", 99)


@pytest.mark.parametrize("name", ["REDIS__PASSWORD", "SYNC__DLQ_URL"])
def test_an_empty_value_counts_as_absent(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty value counts as absent, because a deployment cannot omit a parameter's value."""
    monkeypatch.setenv("SYNC__QUEUE_URL", "http://sqs/q")
    monkeypatch.setenv(name, "")
    assert (load(RedisSettings).password, load(SyncSettings).dlq_url) == (None, None)


@pytest.mark.parametrize(
    ("settings_class", "field", "resource"),
    [
        (SyncSettings, "dlq_url", "ExchangeDeadLetterQueue"),
        (DeriveSettings, "queue_url", "DeriveQueue"),
        (DeriveSettings, "dlq_url", "DeriveDeadLetterQueue"),
    ],
)
def test_a_queue_name_instead_of_a_url_from_sam_local(
    settings_class: type[BaseSettings], field: str, resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sam local` sets a queue's URL to the queue's name. The settings ignore this value."""
    monkeypatch.setenv("SYNC__QUEUE_URL", "http://sqs/q")
    monkeypatch.setenv(f"{settings_class.model_config['env_prefix']}{field}".upper(), resource)
    assert getattr(load(settings_class), field) is None


@pytest.mark.parametrize(
    ("settings_class", "name", "value"),
    [
        (RedisSettings, "REDIS__HOST", ""),
        (RedisSettings, "REDIS__PORT", "0"),
        (RedisSettings, "REDIS__PORT", "65536"),
        (RedisSettings, "REDIS__PORT", SECRET),
        (RedisSettings, "REDIS__DB", "-1"),
        (RedisSettings, "REDIS__TLS", SECRET),
        (RedisSettings, "REDIS__TIMEOUT_MS", "1"),
        (DatabaseSettings, "DATABASE__URL", f"mysql://root:{SECRET}@h/d"),
        (DatabaseSettings, "DATABASE__URL", ""),
        (DatabaseSettings, "DATABASE__TIMEOUT_MS", "forever"),
        (MemorySettings, "MEMORY__THREAD_TTL_HOURS", "0"),
        (MemorySettings, "MEMORY__THREAD_TTL_HOURS", "1.5"),
        (MemorySettings, "MEMORY__USER_TTL_DAYS", "-30"),
        (MemorySettings, "MEMORY__MAX_THREAD_MESSAGES", "0"),
        (MemorySettings, "MEMORY__MAX_THREAD_MESSAGES", "a lot"),
        (MemorySettings, "MEMORY__LEARNING", "none"),
        (MemorySettings, "MEMORY__LEARNING", f"anthropic:{SECRET}"),
        (MemorySettings, "MEMORY__LEARNING", "bedrock:"),
        (MemorySettings, "MEMORY__LEARNING", f"bedrock:{'x' * 250}"),
        (MemorySettings, "MEMORY__INJECT_LEARNED", "perhaps"),
        (SyncSettings, "SYNC__QUEUE_URL", ""),
        (SyncSettings, "SYNC__QUEUE_URL", "exchanges"),
        (SyncSettings, "SYNC__QUEUE_URL", "arn:aws:sqs:eu-west-1:123456789012:exchanges"),
        (SyncSettings, "SYNC__QUEUE_URL", "https:///exchanges"),
        (SyncSettings, "SYNC__DLQ_URL", "dead-letters"),
        (AgentSettings, "AGENT__MODEL", ""),
        (AgentSettings, "AGENT__TIMEOUT_SECONDS", "0"),
        (AgentSettings, "AGENT__TIMEOUT_SECONDS", "60"),
        (AgentSettings, "AGENT__TIMEOUT_SECONDS", "nan"),
        (AgentSettings, "AGENT__CORS_ORIGINS", "app.example.com"),
        (AgentSettings, "AGENT__CORS_ORIGINS", "https://app.example.com,localhost:3000"),
        (AgentSettings, "AGENT__CORS_ORIGINS", "https://app.example.com/path"),
        (AgentSettings, "AGENT__CORS_ORIGINS", "https://*.example.com"),
        (AgentSettings, "AGENT__CORS_ORIGINS", "https://"),
        (AgentSettings, "AGENT__CORS_ORIGINS", "https://a.example https://b.example"),
        (RedisSettings, "REDIS__HOST", " "),
        (RedisSettings, "REDIS__HOST", "a b"),
        (RedisSettings, "REDIS__HOST", "redis://cache:6379"),
        (RedisSettings, "REDIS__HOST", "cache:6379"),
        (RedisSettings, "REDIS__HOST", "127.0.0.1:6379"),
        (RedisSettings, "REDIS__HOST", "cache:"),
        (DatabaseSettings, "DATABASE__URL", "postgresql://h:port/d"),
        (DatabaseSettings, "DATABASE__URL", "postgresql://u:p@h x/d"),
        (DatabaseSettings, "DATABASE__URL", "postgresql://[::1/d"),
        (DatabaseSettings, "DATABASE__URL", "postgresql://h:65536/d"),
        (DatabaseSettings, "DATABASE__URL", "postgresql://[::1]:0/d"),
        (DatabaseSettings, "DATABASE__URL", "postgresql://a:1,b:99999/d"),
        (AgentSettings, "AGENT__BASE_PATH", "memory"),
        (AgentSettings, "AGENT__BASE_PATH", "/memory//v1"),
        (AgentSettings, "AGENT__BASE_PATH", "/memory/../v1"),
        (AgentSettings, "AGENT__BASE_PATH", "/mem%6Fry"),
        (AgentSettings, "AGENT__BASE_PATH", "/memory "),
        (AgentSettings, "AGENT__BASE_PATH", "https://api.example.com/memory"),
        (AgentSettings, "AGENT__BASE_PATH", "/threads"),
        (AgentSettings, "AGENT__BASE_PATH", "/users/v1/"),
        (SearchSettings, "SEARCH__EMBEDDINGS", "word2vec"),
        (DeriveSettings, "DERIVE__QUEUE_URL", "derive"),
        (DeriveSettings, "DERIVE__DLQ_URL", "arn:aws:sqs:eu-west-1:123456789012:derive"),
        (DeriveSettings, "DERIVE__DELAY_SECONDS", "901"),
        (DeriveSettings, "DERIVE__DELAY_SECONDS", "-1"),
        (DeriveSettings, "DERIVE__DAILY_CHARACTERS", "-1"),
        (AuthSettings, "AUTH__MODE", SECRET),
        (AuthSettings, "AUTH__AUDIENCE", " , "),
        (AuthSettings, "AUTH__SCOPE_CLAIMS", ","),
        (AuthSettings, "AUTH__ISSUER", " "),
        (AuthSettings, "AUTH__ISSUER", "https://issuer.example/ "),
        (AuthSettings, "AUTH__JWKS_URL", "https://issuer.example/keys\n"),
        (AuthSettings, "AUTH__USER_CLAIM", " sub"),
    ],
)
def test_an_invalid_value_is_reported_with_its_variable(
    settings_class: type[BaseSettings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid value is reported in one sentence with its variable.

    The message does not contain the value, because the value may be a secret.
    """
    monkeypatch.setenv("SYNC__QUEUE_URL", "https://sqs/q")
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(settings_class)
    assert str(caught.value).startswith(f"{name} is invalid: ")
    assert str(caught.value).endswith(".")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("value", "deriver"),
    [("", "rules:3"), ("rules", "rules:3"), ("off", ""), ("bedrock:anthropic.x-v1:0", "bedrock:anthropic.x-v1:0/2")],
)
def test_a_deriver_has_a_name(value: str, deriver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the deriver changes with the model, and is empty if nothing is learned."""
    monkeypatch.setenv("MEMORY__LEARNING", value)
    assert load(MemorySettings).deriver == deriver


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgres://u:p%40@h/d",
        "postgresql://u:p@s@h:5432/d?sslmode=require",
        "postgresql://[::1]:5432/d",
        "postgresql://a:1,b:2/d",
        "postgresql:///d?host=/run/postgresql",
        "postgresql://%2Frun%2Fpostgresql/d",
        "postgresql://h?connect_timeout=1",
        "postgresql://u:p?w#x@h/d",
    ],
)
def test_urls_that_libpq_reads_are_valid(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings accept URLs that libpq reads."""
    monkeypatch.setenv("DATABASE__URL", url)
    assert load(DatabaseSettings).url == url


@pytest.mark.parametrize("host", ["cache", "cache.example.com.", "10.0.0.1", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"])
def test_names_and_addresses_are_valid_hosts(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings accept host names, IPv4 addresses and IPv6 addresses."""
    monkeypatch.setenv("REDIS__HOST", host)
    assert load(RedisSettings).host == host


@pytest.mark.parametrize(
    ("value", "base"),
    [("", None), ("/", None), ("/memory", "/memory"), ("/memory/", "/memory"), ("/v1.2/a_b-c", "/v1.2/a_b-c")],
)
def test_a_base_path_may_have_a_trailing_slash(value: str, base: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings remove a trailing slash from a base path."""
    monkeypatch.setenv("AGENT__BASE_PATH", value)
    assert load(AgentSettings).base_path == base


def test_a_base_path_like_a_route_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings refuse a base path that equals the first segment of any route."""
    for segment in {route.path.split("/")[1] for route in api.app.routes if isinstance(route, APIRoute)} - {""}:
        monkeypatch.setenv("AGENT__BASE_PATH", f"/{segment}")
        with pytest.raises(SettingsError, match="which is a route of the API"):
            load(AgentSettings)


def test_a_missing_value_is_reported_with_its_variable() -> None:
    """If the queue's URL is missing, the message names its variable."""
    with pytest.raises(SettingsError, match=r"^SYNC__QUEUE_URL is not set\.$"):
        load(SyncSettings)


def test_two_invalid_values_are_both_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start reports both invalid values."""
    monkeypatch.setenv("REDIS__PORT", "x")
    monkeypatch.setenv("REDIS__DB", "y")
    with pytest.raises(SettingsError, match=r"REDIS__PORT .*REDIS__DB"):
        load(RedisSettings)


def test_the_start_checks_all_but_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start checks all settings except the queue's URL, which a deployment sets later."""
    validate_environment()
    monkeypatch.setenv("MEMORY__MAX_THREAD_MESSAGES", "none")
    with pytest.raises(SettingsError, match="MEMORY__MAX_THREAD_MESSAGES"):
        validate_environment()


@pytest.mark.parametrize(
    ("settings_class", "wrong", "correct"),
    [
        (RedisSettings, "REDIS__HOTS", "REDIS__HOST"),
        (DatabaseSettings, "DATABASE__TIMEOUT_SECONDS", "DATABASE__TIMEOUT_MS"),
        (MemorySettings, "MEMORY__THREAD_TTL_HOUR", "MEMORY__THREAD_TTL_HOURS"),
        (AgentSettings, "AGENT__TIMEOUT", "AGENT__TIMEOUT_SECONDS"),
        (AgentSettings, "agent__modle", "AGENT__MODEL"),
        (AuthSettings, "AUTH__JWK_URL", "AUTH__JWKS_URL"),
        (SearchSettings, "SEARCH__EMBEDDING", "SEARCH__EMBEDDINGS"),
        (DeriveSettings, "DERIVE__DELAY_SECOND", "DERIVE__DELAY_SECONDS"),
    ],
)
@pytest.mark.parametrize("source", ["environment", "file"])
def test_an_unknown_variable_is_refused(
    settings_class: type[BaseSettings],
    wrong: str,
    correct: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The settings refuse an unknown variable in the environment or a file. The message names a similar setting."""
    if source == "file":
        (tmp_path / ".env").write_text(f"{wrong}={SECRET}\n")
    else:
        monkeypatch.setenv(wrong, SECRET)
    message = f"^{wrong.upper()} is an unknown setting: did you mean {correct}"
    with pytest.raises(SettingsError, match=message) as caught:
        load(settings_class)
    assert SECRET not in str(caught.value)
    with pytest.raises(SettingsError, match=message):
        validate_environment()


@pytest.mark.parametrize(
    "line", ["MEMORY__MAX_THREAD_MESSAGES", "MEMORY__THREAD_TTL_HOURS='1", "MEMORY__USER_TTL_DAYS: 3"]
)
def test_a_line_without_a_value_is_refused(line: str, tmp_path: Path) -> None:
    """The settings refuse a line without a value, because the default would apply without a message.

    The settings ignore lines of other programs.
    """
    (tmp_path / ".env").write_text(f"if true; then\nOTHER\n# MEMORY__ comment\n{line}\n")
    with pytest.raises(SettingsError, match=r"^\.env has no value for a setting: line 4 should be NAME=value\.$"):
        load(MemorySettings)
    load(RedisSettings)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_other_than_utf_8_is_reported(encoding: str, tmp_path: Path) -> None:
    """The message names a file that is not UTF-8."""
    (tmp_path / ".env").write_bytes("# caf\u00e9\nMEMORY__USER_TTL_DAYS=3\n".encode(encoding))
    with pytest.raises(SettingsError, match=r"^\.env cannot be read: it is not text in UTF-8\.$"):
        load(MemorySettings)
    with pytest.raises(LocalStackError, match=r"\.env cannot be read: it is not text in UTF-8\.$"):
        read_settings(tmp_path, {})


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """The byte order mark of a UTF-8 file is not part of the first variable's name."""
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfMEMORY__USER_TTL_DAYS=3\r\n")
    assert load(MemorySettings).user_ttl_days == 3
    assert read_settings(tmp_path, {}) == {"MEMORY__USER_TTL_DAYS": "3"}


@pytest.mark.parametrize(
    ("query", "reason"),
    [("sslmod=require", "PostgreSQL has no parameter sslmod"), ("password=%zz", "libpq cannot read it")],
)
def test_a_url_that_libpq_cannot_read_stops_the_start(query: str, reason: str) -> None:
    """The start refuses a URL that libpq cannot read. Otherwise the URL would look like a permanent outage."""
    settings = DatabaseSettings(url=f"postgresql://u:{SECRET}@h/d?{query}")
    with pytest.raises(SettingsError, match=f"^DATABASE__URL is invalid: {reason}\\.$"):
        PostgresConnection(settings)


def test_the_message_lists_all_settings_of_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """If an unknown variable resembles no setting, the message lists all settings with its prefix.

    The list includes settings that the deployment sets later.
    """
    monkeypatch.setenv("SYNC__X", "1")
    with pytest.raises(
        SettingsError, match=r"^SYNC__X is an unknown setting: the settings are SYNC__DLQ_URL, SYNC__QUEUE_URL\.$"
    ):
        validate_environment()


def test_a_class_accepts_the_variables_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class accepts the variables of another class with the same prefix. Each class checks only its own prefix."""

    class QueueSettings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="SYNC__", extra="ignore")

    class OtherSettings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="OTHERS__", extra="ignore")

    for name in ("SYNC__QUEUE_URL", "OTHERS__ANYTHING", "AGENT__MODLE"):
        monkeypatch.setenv(name, "x")
    load(QueueSettings)
    load(OtherSettings)
    load(RedisSettings)


def test_the_templates_variables_are_valid_settings() -> None:
    """The functions know each variable, and the template and the settings have equal limits."""
    template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    fields = {
        f"{settings_class.model_config['env_prefix']}{name}".upper(): field
        for settings_class in SETTINGS_CLASSES
        for name, field in settings_class.model_fields.items()
    }
    sections = [template["Globals"]["Function"], *(each["Properties"] for each in template["Resources"].values())]
    names = {name for each in sections for name in (each.get("Environment") or {}).get("Variables", {})}
    assert {name for name in names if name.startswith(PREFIXES)} <= set(fields)
    for name, parameter in PARAMETERS.items():
        if name.startswith("OTEL_"):
            continue  # read by OpenTelemetry, which accepts all values that the parameter allows
        limits = {type(each): each for each in fields[name].metadata}
        if template["Parameters"][parameter]["Type"] == "Number":
            assert template["Parameters"][parameter]["MinValue"] == limits[Ge].ge, name
            assert template["Parameters"][parameter]["MaxValue"] == limits[Le].le, name


TOKENS = {
    "AUTH__JWKS_URL": "https://issuer.example/jwks.json",
    "AUTH__ISSUER": "https://issuer.example/",
    "AUTH__AUDIENCE": "memory",
}


@pytest.mark.parametrize("stage", ["local", "dev", "prod", "anything"])
def test_the_settings_say_how_tokens_are_checked(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """By default, every stage except `local` requires tokens. The settings say how the tokens are checked."""
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    if stage == "local":
        assert load(AuthSettings).tokens(stage) is None
        monkeypatch.setenv("AUTH__MODE", "jwt")
    assert load(AuthSettings).tokens(stage) == TokenSettings(
        TOKENS["AUTH__JWKS_URL"], TOKENS["AUTH__ISSUER"], ("memory",)
    )


def test_every_stage_except_local_requires_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the stage `local` accepts `AUTH__MODE=none`. For other stages, the message names this variable."""
    monkeypatch.setenv("AUTH__MODE", "none")
    assert load(AuthSettings).tokens("local") is None
    with pytest.raises(SettingsError, match="AUTH__MODE is none"):
        load(AuthSettings).tokens("dev")


@pytest.mark.parametrize("missing", TOKENS)
def test_each_token_setting_is_required(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """With `AUTH__MODE=jwt`, each token setting is required and must not be empty."""
    monkeypatch.setenv("AUTH__MODE", "jwt")
    for name, value in {**TOKENS, missing: ""}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"AUTH__MODE is jwt, which requires {missing}"):
        load(AuthSettings).tokens("local")


@pytest.mark.parametrize(
    ("url", "stages"),
    [
        ("https://issuer.example/keys", {"local", "prod"}),
        ("http://127.0.0.1:8080/keys", {"local", "prod"}),
        ("http://localhost/keys", {"local", "prod"}),
        ("http://issuer/keys", {"local"}),
        ("file:///etc/passwd", set()),
        ("ftp://issuer.example/keys", set()),
        ("issuer.example/keys", set()),
        ("https://", set()),
        ("http://[", set()),
    ],
)
def test_a_key_url_needs_tls(monkeypatch: pytest.MonkeyPatch, url: str, stages: set[str]) -> None:
    """A key URL needs TLS. Plain HTTP is allowed on this machine, and everywhere in the stage `local`."""
    for name, value in {**TOKENS, "AUTH__MODE": "jwt", "AUTH__JWKS_URL": url}.items():
        monkeypatch.setenv(name, value)
    for stage in ("local", "prod"):
        if stage in stages:
            assert load(AuthSettings).tokens(stage)
        else:
            with pytest.raises(SettingsError, match="AUTH__JWKS_URL"):
                load(AuthSettings).tokens(stage)
