"""Settings of the stores: addresses, sign-in, timeouts and times to live."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from shared.model_name import NAMED_MODELS, named_model
from shared.settings.loading import OptionalText, config

_MAX_PORT: Final = 65_535
RULES_DERIVER: Final = "rules:3"
"""The name and the version of the rules. Another name derives all exchanges again."""
# The version of the prompt by which a model learns. Another version derives all exchanges again.
_PROMPT_VERSION: Final = 2
_MAX_LEARNING: Final = 250
_NAMED_PROVIDERS: Final = ("bedrock", "openai")
Auth = Literal["password", "iam", "secret"]
_QUEUES: Final = ("ExchangeDeadLetterQueue", "DeriveQueue", "DeriveDeadLetterQueue")
_URL: Final = re.compile(r"https?://[^\s/]+(?:/\S*)?")
# An IPv6 address contains at least two colons; a single colon would separate a port.
_HOST: Final = re.compile(r"[^\s/@\[\]:]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*(?:%\w+)?")
# libpq's format: the host and the port are optional, and a socket's directory is percent-encoded.
_HOST_AND_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%a-z]+\]|[^\s\[\]:@]*)(?::[0-9]{0,5})?")


def _has_possible_port(host: str) -> bool:
    _, colon, port = host.rpartition("]")[2].rpartition(":")
    return not (colon and port) or 0 < int(port) <= _MAX_PORT


def _require_secret_arn(auth: Auth, others: ValidationInfo, variable: str) -> Auth:
    if auth == "secret" and not others.data.get("secret_arn"):
        message = f"secret needs {variable}"
        raise ValueError(message)
    return auth


class RedisSettings(BaseSettings):
    """`REDIS__*`: L1's address, sign-in and timeout.

    With `auth` iam, a token signed for `username` and `cache_name` is the password of each new connection. With `auth`
    secret, each new connection reads the password from AWS Secrets Manager.
    """

    model_config = config("REDIS__")

    host: str = "localhost"
    port: int = Field(default=6379, ge=1, le=_MAX_PORT)
    username: OptionalText = None
    password: OptionalText = None
    db: int = Field(default=0, ge=0)
    tls: bool = False
    timeout_ms: int = Field(default=250, ge=10, le=10_000)
    cache_name: OptionalText = None
    secret_arn: OptionalText = None
    auth: Auth = "password"

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            message = "must be a name or an address alone; the port is REDIS__PORT"
            raise ValueError(message)
        return value

    @field_validator("auth")
    @classmethod
    def _has_iam_settings(cls, value: Auth, others: ValidationInfo) -> Auth:
        if value == "iam" and not all(others.data.get(name) for name in ("username", "cache_name", "tls")):
            message = "iam needs REDIS__USERNAME, REDIS__CACHE_NAME and REDIS__TLS"
            raise ValueError(message)
        return _require_secret_arn(value, others, "REDIS__SECRET_ARN")


class DatabaseSettings(BaseSettings):
    """`DATABASE__*`: L2's address, sign-in and timeouts.

    With `auth` iam, a token signed for the URL's host, port and user is the password of each new connection. With
    `auth` secret, each new connection reads the password from AWS Secrets Manager.

    `timeout_ms` limits a connection attempt and a statement, each; psycopg waits at least 2 s for a connection. The
    drain uses `drain_timeout_ms`, because its statements contain up to a thousand exchanges.
    """

    model_config = config("DATABASE__")

    url: str = "postgresql://memory:memory@localhost:5432/memory"
    timeout_ms: int = Field(default=2_000, ge=100, le=60_000)
    drain_timeout_ms: int = Field(default=4_000, ge=100, le=10_000)
    secret_arn: OptionalText = None
    auth: Auth = "password"

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        if not value.startswith(("postgresql://", "postgres://")):
            message = "must start with postgresql://"
            raise ValueError(message)
        before_path = value.partition("://")[2].partition("/")[0]
        hosts = before_path.rpartition("@")[2].partition("?")[0].split(",")
        if not all(_HOST_AND_PORT.fullmatch(host) and _has_possible_port(host) for host in hosts):
            message = "must be like postgresql://user:password@host:5432/database"
            raise ValueError(message)
        return value

    @field_validator("auth")
    @classmethod
    def _has_iam_settings(cls, value: Auth, others: ValidationInfo) -> Auth:
        address = urlsplit(str(others.data.get("url", "")))
        if value == "iam" and not (address.hostname and address.username):
            message = "iam needs a host and a user in DATABASE__URL"
            raise ValueError(message)
        return _require_secret_arn(value, others, "DATABASE__SECRET_ARN")


class MemorySettings(BaseSettings):
    """`MEMORY__*`: L1's times to live, the window, and the context's limits."""

    model_config = config("MEMORY__")

    thread_ttl_hours: int = Field(default=24, ge=1, le=24 * 365)
    user_ttl_days: int = Field(default=30, ge=1, le=3650)
    max_thread_messages: int = Field(default=50, ge=1, le=1000, description="The window, in exchanges.")
    max_context_tokens: int = Field(default=0, ge=0, le=10_000_000, description="0 for no limit.")
    related: bool = Field(default=False, description="Whether `run` adds related older exchanges to the context.")
    learning: str = Field(default="rules", max_length=_MAX_LEARNING, description="What learns from exchanges.")
    inject_learned: bool = Field(default=False, description="Whether a context has what was learned about the user.")

    @field_validator("learning")
    @classmethod
    def _is_learning(cls, value: str) -> str:
        if value not in {"", "off", "rules"} and named_model(value) is None:
            message = f"must be off, rules or one of {NAMED_MODELS}"
            raise ValueError(message)
        return value or "rules"

    @property
    def deriver(self) -> str:
        """The name that is stored with each learned statement; '' if nothing is learned."""
        return {"off": "", "rules": RULES_DERIVER}.get(self.learning, f"{self.learning}/{_PROMPT_VERSION}")

    @property
    def thread_ttl_seconds(self) -> int:
        """The time to live of a thread's list after its last use."""
        return self.thread_ttl_hours * 3600

    @property
    def user_ttl_seconds(self) -> int:
        """The time to live of a user's preferences in L1 after their last use."""
        return self.user_ttl_days * 86400


def _without_resource_name(value: str | None) -> str | None:
    """Return None for the name of a queue of the template, and any other value unchanged.

    Without a value from the caller, `sam local` passes the name of the template's resource instead of a URL.
    """
    return None if value in _QUEUES else value


def _require_queue_url(value: str | None) -> str | None:
    if value is not None and not _URL.fullmatch(value):
        message = "must be the queue's URL, which begins with https:// or http://, not its name or ARN"
        raise ValueError(message)
    return value


class SyncSettings(BaseSettings):
    """`SYNC__*`: the exchange queue and its dead-letter queue."""

    model_config = config("SYNC__")

    queue_url: str
    dlq_url: OptionalText = None

    _ignore_names = field_validator("dlq_url", mode="before")(_without_resource_name)
    _require_urls = field_validator("queue_url", "dlq_url")(_require_queue_url)


class DeriveSettings(BaseSettings):
    """`DERIVE__*`: the queue of threads with due derivations, and its dead-letter queue."""

    model_config = config("DERIVE__")

    queue_url: OptionalText = None
    dlq_url: OptionalText = None
    delay_seconds: int = Field(
        default=30, ge=0, le=900, description="The time in which a thread's further exchanges join its derivation."
    )
    daily_characters: int = Field(
        default=400_000, ge=0, le=2_000_000_000, description="The characters that a model reads for a user on a day."
    )

    _ignore_names = field_validator("queue_url", "dlq_url", mode="before")(_without_resource_name)
    _require_urls = field_validator("queue_url", "dlq_url")(_require_queue_url)


LOCAL_VECTOR_MODEL: Final = "local:all-MiniLM-L6-v2"


class SearchSettings(BaseSettings):
    """`SEARCH__*`: the model of embeddings, if search compares meanings too."""

    model_config = config("SEARCH__")

    embeddings: str = "off"

    @field_validator("embeddings")
    @classmethod
    def _is_model(cls, value: str) -> str:
        provider, _, name = value.partition(":")
        is_named = provider in _NAMED_PROVIDERS and name and name.isprintable() and " " not in name
        if not (is_named or value in {"", "off", "local"}):
            named = ", ".join(f"{each}:<model>" for each in _NAMED_PROVIDERS)
            message = f"must be off, local or one of {named}"
            raise ValueError(message)
        return value or "off"

    @property
    def vector_model(self) -> str:
        """The name that is stored with each vector; '' for `off`."""
        return {"off": "", "local": LOCAL_VECTOR_MODEL}.get(self.embeddings, self.embeddings)

    @property
    def provider(self) -> str:
        """`off`, `local`, `bedrock` or `openai`."""
        return self.embeddings.partition(":")[0]

    @property
    def model(self) -> str:
        """The provider's own name for the model; '' for `off` and `local`."""
        return self.embeddings.partition(":")[2]
