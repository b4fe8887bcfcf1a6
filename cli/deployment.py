"""Where the deployment is: what the command line names, the environment, a local stack; the first that says so."""

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
    """`SYNC__*`, where each may be missing: a command needs not both."""

    model_config = SettingsConfigDict(env_prefix="SYNC__", env_file=".env", extra="ignore")

    queue_url: OptionalText = None
    dlq_url: OptionalText = None


class _Api(BaseSettings):
    """`HYBRID_MEMORY_*`: the API, which the functions themselves need not know."""

    model_config = SettingsConfigDict(env_prefix="HYBRID_MEMORY_", env_file=".env", extra="ignore")

    api_url: OptionalText = None
    token: OptionalText = None
    api_key: OptionalText = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A URL and where it was named."""

    url: str
    source: str

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return without_password(self.url)


class Deployment:
    """The places a command may need; each is looked up when it is asked for.

    Args:
        named: What the command line names. A state directory named there is asked before the environment, one that is
            merely found after it.
        directory: Where the search for a local stack starts, upwards; the current one unless given.

    Attributes:
        used: Every place that was asked for, by its name.
        opened: What is to be closed when the command has ended.
    """

    def __init__(self, named: CliOptions, directory: Path | None = None) -> None:
        self._named = named
        self._directory = directory
        self.used: dict[str, Endpoint] = {}
        self.opened = ExitStack()

    @cached_property
    def _sources(self) -> list[tuple[str, Mapping[str, str | None]]]:
        """Who may say where something is, the first one's word counting."""
        named = self._named
        sources: list[tuple[str, Mapping[str, str | None]]] = [
            ("option", {name: getattr(named, name) for name in (*_SETTINGS, "endpoint_url")})
        ]
        if named.state_dir is not None:
            sources.append(_stack(named.state_dir / "stack.json"))
        sources.append(("environment", _environment()))
        found = _find_stack_file(self._directory or Path.cwd())
        if named.state_dir is None and found is not None:
            sources.append(_stack(found))
        return sources

    def require(self, name: str) -> Endpoint:
        """Return where `name` is, e.g. `queue_url`.

        Raises:
            SettingsError: No source has it, or it is no URL.
        """
        for source, values in self._sources:
            if value := values.get(name):
                return self._use(name, value, source)
        raise SettingsError(
            f"{name} is not known: give {_SETTINGS[name]}, or --state-dir of a running local stack, "
            f"or start in a directory under one that holds {_STACK_FILE}."
        )

    def _use(self, name: str, url: str, source: str) -> Endpoint:
        place = self.used[name] = Endpoint(url, source)
        if name in {"api_url", "endpoint_url", "queue_url", "dlq_url"} and urlsplit(url).scheme not in {
            "http",
            "https",
        }:
            raise SettingsError(f"{name} has to start with http:// or https:// (it is {url}, from {source}).")
        return place

    @property
    def is_verbose(self) -> bool:
        """Whether the places in use are to be said."""
        return bool(self._named.verbose)

    def is_named(self, name: str) -> bool:
        """Return whether any source has `name`."""
        return self.source_of(name) is not None

    def means_deployment_of(self, name: str, other: str) -> bool:
        """Return whether a source has `name`, and means the deployment of `other`.

        A local stack that is merely found has nothing to do with an API that an option names, nor with settings in the
        environment. What an option names is meant.
        """
        source, others = self.source_of(name), self.source_of(other)
        if source is None:
            return False
        return source == "option" or others in {None, source} or (others == "option" and source == "environment")

    def same_deployment(self, name: str, other: str) -> bool:
        """Return whether both are named, and each means the deployment in which the other is."""
        return self.means_deployment_of(name, other) and self.means_deployment_of(other, name)

    def require_same_deployment(self, name: str, other: str) -> None:
        """Refuse two places of two deployments, before anything is moved from, or compared with, the wrong one.

        Raises:
            SettingsError: No setting says where one of them is, or they are not of one deployment.
        """
        place, others = self.require(name), self.require(other)
        if not self.same_deployment(name, other):
            raise SettingsError(
                f"{name} is from {place.source}, {other} from {others.source}, which may be two deployments: "
                f"give both, {_SETTINGS[name]} and {_SETTINGS[other]}, or only --state-dir of a running local stack."
            )

    def source_of(self, name: str) -> str | None:
        """Return the source of `name`: `option`, `environment`, or a stack's file; None without one."""
        return next((source for source, values in self._sources if values.get(name)), None)

    def token(self) -> str | None:
        """Return the bearer token for the API; None without one."""
        return self._named.token or load(_Api).token

    def api_key(self) -> str | None:
        """Return the key of a usage plan; None without one."""
        return self._named.api_key or load(_Api).api_key

    def endpoint(self, queue_url: str) -> tuple[str | None, str | None]:
        """Return the AWS endpoint of a queue (None for AWS itself) and its region (None for boto3's own choice).

        A local stack's endpoint holds for its own queues only: with another queue's URL it would be a mixture.
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
        """Return how Redis is reached.

        Raises:
            SettingsError: No setting says where it is, or the URL is none.
        """
        place = self.require("redis_url")
        parts = urlsplit(place.url)
        if parts.scheme not in {"redis", "rediss"} or parts.username not in {None, "", "default"}:
            raise SettingsError(
                "The Redis URL has to be redis://[:password@]host[:port][/number], or rediss:// for TLS."
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
        except ValueError:  # pydantic's own is one too
            raise SettingsError(f"The Redis URL {place.shown} cannot work.") from None

    def database(self) -> DatabaseSettings:
        """Return how PostgreSQL is reached.

        Raises:
            SettingsError: No setting says where it is, or the URL is none.
        """
        place = self.require("database_url")
        try:
            return DatabaseSettings(url=place.url, timeout_ms=_TIMEOUT_MS)
        except ValueError:
            raise SettingsError("The PostgreSQL URL has to start with postgresql://.") from None


def without_password(url: str) -> str:
    """Return the URL with its password, if it has one, struck out."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()


def _environment() -> dict[str, str | None]:
    queues = load(_Queues)
    redis, database = load(RedisSettings), load(DatabaseSettings)
    is_redis_named = redis.model_fields_set & {"host", "port", "password", "db", "tls"}
    return {
        "api_url": load(_Api).api_url,
        "queue_url": queues.queue_url,
        "dlq_url": queues.dlq_url,
        # boto3's own order.
        "endpoint_url": os.environ.get("AWS_ENDPOINT_URL_SQS") or os.environ.get("AWS_ENDPOINT_URL"),
        "redis_url": _redis_url(redis) if is_redis_named else None,
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
    """Return a running stack's places, the file's name first.

    Raises:
        SettingsError: There is no such file, so no stack runs there, or it is none of a stack's.
    """
    try:
        values = json.loads(file.read_text())
    except FileNotFoundError:
        raise SettingsError(f"No local stack runs in {file.parent}: it has no stack.json.") from None
    except (OSError, ValueError):
        raise SettingsError(f"{file} cannot be read.") from None
    if not isinstance(values, dict):
        raise SettingsError(f"{file} is not a local stack's.")
    return str(file), {name: value for name, value in values.items() if isinstance(value, str)}
