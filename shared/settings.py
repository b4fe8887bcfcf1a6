"""Settings, one class a concern, read from the environment (and `.env`) by the composition roots only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import SettingsError
from shared.unknown_settings import unknown_settings

LOCAL_STAGE: Final = "local"
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def _config(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=prefix, env_file=".env", extra="ignore")


def _empty_is_none(value: Any) -> Any:
    # A CloudFormation parameter cannot be absent, only empty.
    return None if value == "" else value


OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
Auth = Literal["password", "iam", "secret"]
# As a browser sends it: no path, and a host in ASCII letters, which for other scripts is its punycode.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
# Letters that no client and no event source encodes, so that it is the same text in every event.
_BASE_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*/?")
# A base path that is also a route of the API could be either.
_ROUTES: Final = frozenset(
    {"assets", "docs", "health", "invoked", "invoking", "openapi.json", "run", "status", "threads", "users"}
    | {"mcp", "search", ".well-known"}  # those of later releases
)
# As libpq reads it: either part may be left out, and a socket's directory is percent-encoded.
_HOST_AND_PORT: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%a-z]+\]|[^\s\[\]:@]*)(?::[0-9]{0,5})?")
AudienceClaim = Literal["aud", "client_id", "azp"]
OPERATOR_SCOPE: Final = "memory:operator"


def _with_its_secret(auth: Auth, others: ValidationInfo, variable: str) -> Auth:
    if auth == "secret" and not others.data.get("secret_arn"):
        message = f"secret needs {variable}"
        raise ValueError(message)
    return auth


def _listed(text: str) -> tuple[str, ...]:
    """Return what commas separate, without the blanks around it."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


class RedisSettings(BaseSettings):
    """`REDIS__*`: where L1 is, how to sign in, and how long a request may wait for it.

    With `auth` iam the password is a token that is signed, for each new connection, for `username` and `cache_name`.
    With `auth` secret it is read, for each new connection, from AWS Secrets Manager.
    """

    model_config = _config("REDIS__")

    # A name or an address, not a URL.
    host: str = Field(default="localhost", pattern=r"^[^\s/@\[\]]+$")
    port: int = Field(default=6379, ge=1, le=65535)
    username: OptionalText = None
    password: OptionalText = None
    db: int = Field(default=0, ge=0)
    tls: bool = False
    timeout_ms: int = Field(default=250, ge=10, le=10_000)
    cache_name: OptionalText = None
    secret_arn: OptionalText = None
    auth: Auth = "password"

    @field_validator("auth")
    @classmethod
    def _has_what_iam_needs(cls, value: Auth, others: ValidationInfo) -> Auth:
        if value == "iam" and not all(others.data.get(name) for name in ("username", "cache_name", "tls")):
            message = "iam needs REDIS__USERNAME, REDIS__CACHE_NAME and REDIS__TLS"
            raise ValueError(message)
        return _with_its_secret(value, others, "REDIS__SECRET_ARN")


class DatabaseSettings(BaseSettings):
    """`DATABASE__*`: where L2 is, how to sign in, and how long a request may wait for it.

    With `auth` iam the password is a token that is signed, for each new connection, for the URL's host, port and user.
    With `auth` secret it is read, for each new connection, from AWS Secrets Manager.

    `timeout_ms` bounds a connection attempt and a statement, each; psycopg waits for a connection at least 2 s. The
    drain has `drain_timeout_ms` instead, because its statements hold up to a thousand exchanges.
    """

    model_config = _config("DATABASE__")

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
        if not all(_HOST_AND_PORT.fullmatch(host) for host in hosts):
            message = "must be like postgresql://user:password@host:5432/database"
            raise ValueError(message)
        return value

    @field_validator("auth")
    @classmethod
    def _has_what_iam_needs(cls, value: Auth, others: ValidationInfo) -> Auth:
        address = urlsplit(str(others.data.get("url", "")))
        if value == "iam" and not (address.hostname and address.username):
            message = "iam needs a host and a user in DATABASE__URL"
            raise ValueError(message)
        return _with_its_secret(value, others, "DATABASE__SECRET_ARN")


class MemorySettings(BaseSettings):
    """`MEMORY__*`: how long L1 keeps what, the window, and how much of it a context shows."""

    model_config = _config("MEMORY__")

    thread_ttl_hours: int = Field(default=24, ge=1, le=24 * 365)
    user_ttl_days: int = Field(default=30, ge=1, le=3650)
    max_thread_messages: int = Field(default=50, ge=1, le=1000, description="The window, in exchanges.")
    max_context_tokens: int = Field(default=0, ge=0, le=10_000_000, description="0 for no limit.")

    @property
    def thread_ttl_seconds(self) -> int:
        """Life of a thread's list after its last use."""
        return self.thread_ttl_hours * 3600

    @property
    def user_ttl_seconds(self) -> int:
        """Life of a user's preferences in L1 after their last use."""
        return self.user_ttl_days * 86400


class SyncSettings(BaseSettings):
    """`SYNC__*`: the exchange queue and its dead-letter queue."""

    model_config = _config("SYNC__")

    queue_url: str = Field(min_length=1)
    dlq_url: OptionalText = None


class AgentSettings(BaseSettings):
    """`AGENT__*`: the model, how long it may take, whose pages may call the API, and where it stands in a domain."""

    model_config = _config("AGENT__")

    model: str = Field(default="offline", min_length=1)
    # API Gateway gives up after 29 s.
    timeout_seconds: float = Field(default=25, ge=0.1, le=28, allow_inf_nan=False)
    cors_origins: OptionalText = None
    plugins: OptionalText = None
    base_path: OptionalText = None

    @field_validator("base_path")
    @classmethod
    def _is_base_path(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _BASE_PATH.fullmatch(value):
            message = "must be like /memory or /memory/v1, of letters, digits, dots, underscores and hyphens"
            raise ValueError(message)
        if (first := value.split("/")[1:2]) and first[0] in _ROUTES:
            message = f"must not begin with /{first[0]}, which is a route of the API"
            raise ValueError(message)
        return value.rstrip("/") or None

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str | None) -> str | None:
        if any(origin != "*" and not _ORIGIN.fullmatch(origin) for origin in _origins(value)):
            message = "each origin must be like https://app.example.com, without a path, or be *"
            raise ValueError(message)
        return value

    @property
    def origins(self) -> list[str]:
        """The origins, one by one, as browsers write them."""
        return _origins(self.cors_origins)

    @property
    def plugin_modules(self) -> list[str]:
        """The modules that register agents and tools, one by one."""
        return [name.strip() for name in (self.plugins or "").split(",") if name.strip()]


def _origins(value: str | None) -> list[str]:
    written = (origin.strip().rstrip("/").lower() for origin in (value or "").split(","))
    return [origin for origin in written if origin]


class SearchSettings(BaseSettings):
    """`SEARCH__*`: how messages are searched."""

    model_config = _config("SEARCH__")

    embeddings: str = "off"

    @field_validator("embeddings")
    @classmethod
    def _is_off(cls, value: str) -> str:
        if value not in {"", "off"}:
            message = "this release has no embeddings yet, so it must be off"
            raise ValueError(message)
        return "off"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How a bearer token is checked.

    Attributes:
        jwks_url: Where the issuer publishes its keys (a JWK set, RFC 7517).
        issuer: What `iss` has to be.
        audiences: One of these has to be in the audience claim.
        audience_claim: `aud`, or the claim that names the client instead, with issuers whose tokens have no `aud`.
        user_claim: Which claim is the user's id.
        scope_claims: Where a token's scopes are: words in one string, or a list.
        operator_scope: The scope that may act for any user.
    """

    jwks_url: str
    issuer: str
    audiences: tuple[str, ...]
    audience_claim: AudienceClaim = "aud"
    user_claim: str = "sub"
    scope_claims: tuple[str, ...] = ("scope", "scp")
    operator_scope: str = OPERATOR_SCOPE


class AuthSettings(BaseSettings):
    """`AUTH__*`: whether callers need a bearer token, and how it is checked."""

    model_config = _config("AUTH__")

    mode: OptionalText = None
    jwks_url: OptionalText = None
    issuer: OptionalText = None
    audience: OptionalText = None
    audience_claim: AudienceClaim = "aud"
    user_claim: str = Field(default="sub", min_length=1)
    scope_claims: str = Field(default="scope,scp", min_length=1)
    operator_scope: str = Field(default=OPERATOR_SCOPE, min_length=1, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")

    @field_validator("mode")
    @classmethod
    def _is_known(cls, value: str | None) -> str | None:
        if value not in {None, "none", "jwt"}:
            message = "must be none or jwt"
            raise ValueError(message)
        return value

    def tokens(self, stage: str) -> TokenSettings | None:
        """Return how tokens are checked in a stage; None where nobody is asked for one.

        Raises:
            SettingsError: The stage must not be without, or something that the check needs is not set.
        """
        if (self.mode or ("none" if stage == LOCAL_STAGE else "jwt")) == "none":
            if stage != LOCAL_STAGE:
                raise SettingsError(f"AUTH__MODE is none, which only the stage {LOCAL_STAGE} may be.")
            return None
        if not (self.jwks_url and self.issuer and self.audience):
            needed = {"AUTH__JWKS_URL": self.jwks_url, "AUTH__ISSUER": self.issuer, "AUTH__AUDIENCE": self.audience}
            missing = [name for name, value in needed.items() if not value]
            raise SettingsError(f"AUTH__MODE is jwt, which needs {', '.join(missing)}.")
        if not _is_url_of_keys(self.jwks_url, stage):
            raise SettingsError(
                "AUTH__JWKS_URL has a value that cannot work: it must start with https://"
                " (http:// is for this machine, and for the stage local)."
            )
        return TokenSettings(
            self.jwks_url,
            self.issuer,
            _listed(self.audience),
            self.audience_claim,
            self.user_claim,
            _listed(self.scope_claims),
            self.operator_scope,
        )


def _is_url_of_keys(url: str, stage: str) -> bool:
    """Return whether keys from this URL can be believed: whoever can change them on their way can be anybody."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (stage == LOCAL_STAGE or host in _THIS_MACHINE))


_Settings = TypeVar("_Settings", bound=BaseSettings)


def load(kind: type[_Settings]) -> _Settings:
    """Read one concern's settings.

    Raises:
        SettingsError: A value cannot work, or a variable with this concern's prefix is no setting, as after a typing
            error; the sentence names the variable.
    """
    prefix = str(kind.model_config.get("env_prefix", ""))
    faults = _unknown(prefix)
    try:
        settings = kind()
    except ValidationError as error:
        faults += [_sentence(prefix, fault) for fault in error.errors(include_url=False, include_context=False)]
    else:
        if not faults:
            return settings
    raise SettingsError(" ".join(faults)) from None


def _unknown(prefix: str) -> list[str]:
    """Return a sentence for each variable with this prefix that no class of this module knows."""
    known = {
        f"{prefix}{name}".upper()
        for kind in BaseSettings.__subclasses__()
        if kind.__module__ == __name__ and kind.model_config.get("env_prefix") == prefix
        for name in kind.model_fields
    }
    return unknown_settings(prefix, known) if known else []


def _sentence(prefix: str, fault: Any) -> str:
    variable = prefix + "__".join(str(part) for part in fault["loc"]).upper()
    if fault["type"] == "missing":
        return f"{variable} is not set."
    # The value is not repeated: it may be a password or a URL that holds one.
    return f"{variable} has a value that cannot work: {fault['msg'].removeprefix('Value error, ')}."


def validate_environment() -> None:
    """Check every setting that a start needs, except those that a deployment fills in.

    Raises:
        SettingsError: A value cannot work; the sentence names the variable.
    """
    for kind in (RedisSettings, DatabaseSettings, MemorySettings, AgentSettings, SearchSettings):
        load(kind)
    if unknown := _unknown("SYNC__"):
        raise SettingsError(" ".join(unknown))
    load(AuthSettings).tokens(LOCAL_STAGE)
