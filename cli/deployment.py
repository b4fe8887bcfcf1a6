"""Finds a deployment's addresses in the options, the environment or a local stack."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from pydantic_settings import BaseSettings, SettingsConfigDict

from cli.options import CliOptions
from shared.errors import SettingsError
from shared.settings import DatabaseSettings, OptionalText, RedisSettings, load

_STACK_FILE: Final = Path(".local") / "stack.json"
_TIMEOUT_MS: Final = 10_000
_SETTINGS: Final = {
    "api_url": "--api-url or HYBRID_MEMORY_API_URL",
    "queue_url": "--queue-url or SYNC__QUEUE_URL",
    "dlq_url": "--dlq-url or SYNC__DLQ_URL",
    "redis_url": "--redis-url or REDIS__HOST",
    "database_url": "--database-url or DATABASE__URL",
}


class _Queues(BaseSettings):
    """`SYNC__*`. Each queue is optional, because most commands need only one of them."""

    model_config = SettingsConfigDict(env_prefix="SYNC__", env_file=".env", extra="ignore")

    queue_url: OptionalText = None
    dlq_url: OptionalText = None


class _Api(BaseSettings):
    """`HYBRID_MEMORY_*`: access to the API. The functions do not read these settings."""

    model_config = SettingsConfigDict(env_prefix="HYBRID_MEMORY_", env_file=".env", extra="ignore")

    api_url: OptionalText = None
    token: OptionalText = None
    api_key: OptionalText = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL and its source."""

    url: str
    source: str

    @property
    def redacted_url(self) -> str:
        """The URL without its password."""
        return without_password(self.url)


class Deployment:
    """The addresses that a command needs, looked up at first use.

    Args:
        options: The command line's options. The stack in `--state-dir` takes precedence over the environment, which
            takes precedence over a stack that is found by searching upwards.
        directory: The search for a local stack starts here and goes upwards. The default is the current directory.

    Attributes:
        used_endpoints: Every address that was looked up, by its name.
        exit_stack: Closes the clients when the command ends.
    """

    def __init__(self, options: CliOptions, directory: Path | None = None) -> None:
        self._options = options
        self._directory = directory
        self.used_endpoints: dict[str, Endpoint] = {}
        self.exit_stack = ExitStack()

    @cached_property
    def _sources(self) -> list[tuple[str, Mapping[str, str | None]]]:
        """The sources of addresses. The first source that contains an address is used."""
        options = self._options
        sources: list[tuple[str, Mapping[str, str | None]]] = [
            ("option", {name: getattr(options, name) for name in (*_SETTINGS, "endpoint_url")})
        ]
        if options.state_dir is not None:
            sources.append(_stack(options.state_dir / "stack.json"))
        sources.append(("environment", _environment()))
        stack_file = _find_stack_file(self._directory or Path.cwd())
        if options.state_dir is None and stack_file is not None:
            sources.append(_stack(stack_file))
        return sources

    def require_endpoint(self, name: str) -> Endpoint:
        """Return the endpoint called `name`, e.g. `queue_url`.

        Raises:
            SettingsError: No source contains it, or it is not a URL.
        """
        for source, values in self._sources:
            if value := values.get(name):
                return self._use(name, value, source)
        raise SettingsError(
            f"{name} is not known: set {_SETTINGS[name]}, or --state-dir of a running local stack, "
            f"or change to a directory at or below the one that contains {_STACK_FILE}."
        )

    def _use(self, name: str, url: str, source: str) -> Endpoint:
        endpoint = self.used_endpoints[name] = Endpoint(url, source)
        if name in {"api_url", "endpoint_url", "queue_url", "dlq_url"} and urlsplit(url).scheme not in {
            "http",
            "https",
        }:
            raise SettingsError(f"{name} must start with http:// or https:// (it is {url}, from {source}).")
        return endpoint

    @property
    def is_verbose(self) -> bool:
        """Whether the command prints exact times, and the source of each address."""
        return bool(self._options.verbose)

    @property
    def is_paged(self) -> bool:
        """Whether long output on a terminal has a pager."""
        return not self._options.no_pager

    def has_address(self, name: str) -> bool:
        """Return whether any source contains the address."""
        return self.source_of(name) is not None

    def belongs_to_deployment_of(self, name: str, other: str) -> bool:
        """Return whether the address `name` is known and belongs to the deployment of the address `other`.

        It does in these cases: it is an option, `other` is unknown, or both have the same source. An address from the
        environment also does if `other` is an option.
        """
        source, other_source = self.source_of(name), self.source_of(other)
        if source is None:
            return False
        if source == "option" or other_source in {None, source}:
            return True
        return other_source == "option" and source == "environment"

    def same_deployment(self, name: str, other: str) -> bool:
        """Return whether both addresses are known and each belongs to the deployment of the other."""
        return self.belongs_to_deployment_of(name, other) and self.belongs_to_deployment_of(other, name)

    def require_same_deployment(self, name: str, other: str) -> None:
        """Require that two addresses belong to one deployment.

        The check prevents a command from moving messages to another deployment or comparing two deployments' data.

        Raises:
            SettingsError: One address is unknown, or they may belong to two deployments.
        """
        endpoint, other_endpoint = self.require_endpoint(name), self.require_endpoint(other)
        if not self.same_deployment(name, other):
            raise SettingsError(
                f"{name} is from {endpoint.source}, {other} from {other_endpoint.source}, maybe two deployments: "
                f"set both {_SETTINGS[name]} and {_SETTINGS[other]}, or only --state-dir of a running local stack."
            )

    def source_of(self, name: str) -> str | None:
        """Return the source of an address: `option`, `environment` or the path of a stack's file; None if unknown."""
        return next((source for source, values in self._sources if values.get(name)), None)

    def token(self) -> str | None:
        """Return the bearer token for the API; None if there is none."""
        return self._options.token or load(_Api).token

    def api_key(self) -> str | None:
        """Return the API Gateway key; None if there is none."""
        return self._options.api_key or load(_Api).api_key

    def aws_endpoint(self, queue_url: str) -> tuple[str | None, str | None]:
        """Return a queue's AWS endpoint (None for AWS itself) and region (None for boto3's default).

        The endpoint of a local stack is used only for that stack's own queues.
        """
        host = urlsplit(queue_url).netloc
        for source, values in self._sources:
            endpoint = values.get("endpoint_url")
            if endpoint and (not source.endswith("stack.json") or urlsplit(endpoint).netloc == host):
                self._use("endpoint_url", endpoint, source)
                return endpoint, values.get("region")
        labels = host.split(".")
        is_aws = labels[0] == "sqs" and host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        return None, labels[1] if is_aws else None

    def redis(self) -> RedisSettings:
        """Return the Redis settings.

        Raises:
            SettingsError: The address of Redis is unknown or malformed.
        """
        endpoint = self.require_endpoint("redis_url")
        parts = urlsplit(endpoint.url)
        if parts.scheme not in {"redis", "rediss"} or parts.username not in {None, "", "default"}:
            raise SettingsError(
                "The Redis URL is invalid: it must be redis://[:password@]host[:port][/number], or rediss:// for TLS."
            )
        try:
            return RedisSettings(
                host=parts.hostname or "localhost",
                port=parts.port or 6379,
                password=unquote(parts.password) if parts.password else None,
                db=int(parts.path.strip("/") or 0),
                tls=parts.scheme == "rediss",
                timeout_ms=_TIMEOUT_MS,
            )
        except ValueError:  # pydantic's ValidationError is a ValueError
            raise SettingsError(f"The Redis URL {endpoint.redacted_url} is invalid.") from None

    def database(self) -> DatabaseSettings:
        """Return the PostgreSQL settings.

        Raises:
            SettingsError: The URL of PostgreSQL is unknown or malformed.
        """
        endpoint = self.require_endpoint("database_url")
        try:
            return DatabaseSettings(url=endpoint.url, timeout_ms=_TIMEOUT_MS)
        except ValueError:
            raise SettingsError("The PostgreSQL URL is invalid: it must start with postgresql://.") from None


def without_password(url: str) -> str:
    """Return the URL with `***` in place of its password."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()


def _environment() -> dict[str, str | None]:
    queues = load(_Queues)
    redis, database = load(RedisSettings), load(DatabaseSettings)
    has_redis = redis.model_fields_set & {"host", "port", "password", "db", "tls"}
    return {
        "api_url": load(_Api).api_url,
        "queue_url": queues.queue_url,
        "dlq_url": queues.dlq_url,
        # boto3 uses the same precedence.
        "endpoint_url": os.environ.get("AWS_ENDPOINT_URL_SQS") or os.environ.get("AWS_ENDPOINT_URL"),
        "redis_url": _redis_url(redis) if has_redis else None,
        "database_url": database.url if "url" in database.model_fields_set else None,
    }


def _redis_url(settings: RedisSettings) -> str:
    password = f":{quote(settings.password, safe='')}@" if settings.password else ""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"redis{'s' if settings.tls else ''}://{password}{host}:{settings.port}/{settings.db}"


def _find_stack_file(directory: Path) -> Path | None:
    files = (parent / _STACK_FILE for parent in (directory, *directory.parents))
    return next((file for file in files if file.is_file()), None)


def _stack(file: Path) -> tuple[str, dict[str, str | None]]:
    """Return the path of a local stack's file, and the addresses in it.

    Raises:
        SettingsError: The file does not exist because no stack is running, or its content is invalid.
    """
    try:
        values = json.loads(file.read_text())
    except FileNotFoundError:
        raise SettingsError(f"No local stack runs in {file.parent}: it has no stack.json.") from None
    except (OSError, ValueError):
        raise SettingsError(f"{file} cannot be read.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{file} is not the file of a local stack.")
    return str(file), {name: value for name, value in values.items() if isinstance(value, str)}
