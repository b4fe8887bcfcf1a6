from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.deployment import Deployment, Endpoint, without_password
from cli.options import CliOptions
from shared.errors import SettingsError

STACK = {
    "endpoint_url": "http://127.0.0.1:4566",
    "region": "eu-west-1",
    "queue_url": "http://127.0.0.1:4566/000000000000/exchanges",
    "dlq_url": "http://127.0.0.1:4566/000000000000/dead",
    "redis_url": "redis://127.0.0.1:6380/0",
    "database_url": "postgresql://memory:secret@127.0.0.1:5433/memory",
    "pids": {"postgres": 1},
}
SETTINGS = ("SYNC__QUEUE_URL", "SYNC__DLQ_URL", "DATABASE__URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS")
REDIS = ("REDIS__HOST", "REDIS__PORT", "REDIS__PASSWORD", "REDIS__DB", "REDIS__TLS")
MakeStack = Callable[[Path], Path]


@pytest.fixture(autouse=True)
def _no_deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*SETTINGS, *REDIS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def stack() -> MakeStack:
    """Return a function that writes the file of a running stack into a directory."""

    def make(directory: Path) -> Path:
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "stack.json"
        file.write_text(json.dumps(STACK))
        return file

    return make


def test_the_message_for_an_unknown_address_lists_all_ways_to_set_it(tmp_path: Path) -> None:
    """If an address is unknown, one message lists all ways to set the address."""
    with pytest.raises(SettingsError, match=r"redis_url.*--redis-url or REDIS__HOST.*stack\.json"):
        Deployment(CliOptions(), tmp_path).redis()


def test_a_stack_is_found_from_a_subdirectory(tmp_path: Path, stack: MakeStack) -> None:
    """A running stack is found from any directory below it."""
    file = stack(tmp_path / ".local")
    subdirectory = tmp_path / "a" / "b"
    subdirectory.mkdir(parents=True)
    deployment = Deployment(CliOptions(), subdirectory)
    assert deployment.require_endpoint("queue_url") == Endpoint(STACK["queue_url"], str(file))  # type: ignore[arg-type]
    assert deployment.aws_endpoint(str(STACK["queue_url"])) == ("http://127.0.0.1:4566", "eu-west-1")
    assert deployment.redis().port == 6380
    assert deployment.database().url == STACK["database_url"]


def test_the_environment_takes_precedence_over_a_found_stack(
    tmp_path: Path, stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings in the environment take precedence over a stack that was found."""
    stack(tmp_path / ".local")
    monkeypatch.setenv("REDIS__HOST", "cache.example")
    monkeypatch.setenv("REDIS__PASSWORD", "p@ss/word")
    monkeypatch.setenv("REDIS__TLS", "true")
    deployment = Deployment(CliOptions(), tmp_path)
    settings = deployment.redis()
    assert (settings.host, settings.port, settings.password, settings.tls) == ("cache.example", 6379, "p@ss/word", True)
    assert deployment.used_endpoints["redis_url"].source == "environment"
    assert deployment.require_endpoint("dlq_url").source.endswith("stack.json")


def test_a_named_state_directory_takes_precedence_over_the_environment(
    tmp_path: Path, stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--state-dir` takes precedence over the environment. Other options take precedence over `--state-dir`."""
    stack(tmp_path / "other")
    monkeypatch.setenv("SYNC__QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/1/real")
    options = CliOptions(state_dir=tmp_path / "other", dlq_url="https://sqs.eu-west-1.amazonaws.com/1/dead")
    deployment = Deployment(options, tmp_path)
    assert deployment.require_endpoint("queue_url").url == STACK["queue_url"]
    assert deployment.require_endpoint("dlq_url").source == "option"


def test_a_local_endpoint_gets_no_requests_for_queues_on_aws(
    tmp_path: Path, stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command never sends requests for a queue on AWS to a local stack's endpoint."""
    stack(tmp_path / ".local")
    url = "https://sqs.ap-south-1.amazonaws.com/1/real"
    assert Deployment(CliOptions(queue_url=url), tmp_path).aws_endpoint(url) == (None, "ap-south-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:9")
    assert Deployment(CliOptions(), tmp_path).aws_endpoint(url) == ("http://localhost:9", None)


def test_settings_are_read_from_the_env_file(tmp_path: Path) -> None:
    """Settings in `.env` count as environment variables."""
    (tmp_path / ".env").write_text("DATABASE__URL=postgresql://me@db/memory\n")
    deployment = Deployment(CliOptions(), tmp_path)
    assert deployment.database().url == "postgresql://me@db/memory"
    assert not deployment.has_address("redis_url")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CliOptions(redis_url="http://x"), "Redis URL"),
        (CliOptions(redis_url="redis://somebody:pw@x"), "Redis URL"),
        (CliOptions(redis_url="redis://x:notaport"), "Redis URL"),
        (CliOptions(redis_url="redis://x/zero"), "Redis URL"),
        (CliOptions(database_url="mysql://x"), "PostgreSQL URL"),
    ],
)
def test_malformed_urls_are_usage_errors(tmp_path: Path, options: CliOptions, message: str) -> None:
    """A malformed URL is a usage error, and its password is not printed."""
    deployment = Deployment(options, tmp_path)
    with pytest.raises(SettingsError, match=message) as caught:
        deployment.redis() if options.redis_url else deployment.database()
    assert "pw" not in str(caught.value)


def test_malformed_queue_urls_are_usage_errors(tmp_path: Path) -> None:
    """A malformed queue or endpoint URL is a usage error."""
    with pytest.raises(SettingsError, match="queue_url must start with http"):
        Deployment(CliOptions(queue_url="exchanges"), tmp_path).require_endpoint("queue_url")
    with pytest.raises(SettingsError, match="endpoint_url must start with http"):
        Deployment(CliOptions(endpoint_url="localhost:4566"), tmp_path).aws_endpoint("http://x/y")


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_malformed_stack_file_is_reported(tmp_path: Path, content: str) -> None:
    """The message names a malformed stack.json."""
    (tmp_path / "stack.json").write_text(content)
    with pytest.raises(SettingsError, match=r"stack\.json"):
        Deployment(CliOptions(state_dir=tmp_path)).require_endpoint("queue_url")


def test_a_directory_without_a_stack_is_reported(tmp_path: Path) -> None:
    """A state directory without a running stack is reported."""
    with pytest.raises(SettingsError, match="No local stack runs"):
        Deployment(CliOptions(state_dir=tmp_path)).require_endpoint("queue_url")


def test_passwords_are_not_printed() -> None:
    """A printed URL does not contain its password, even if the password has special characters."""
    assert without_password("postgresql://me:s:e@c@host:5/db?x=1") == "postgresql://me:***@host:5/db?x=1"
    assert without_password("redis://:pw@host/0") == "redis://:***@host/0"
    assert without_password("redis://host/0") == "redis://host/0"


def test_addresses_of_different_deployments_are_recognized(
    tmp_path: Path, stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address and the API belong together if both come from a stack, or if the user has set both.

    An address that is an option belongs to any API.
    """
    file = stack(tmp_path / ".local")
    file.write_text(json.dumps({**STACK, "api_url": "http://127.0.0.1:4566/local"}))
    assert Deployment(CliOptions(), tmp_path).belongs_to_deployment_of("redis_url", "api_url")
    assert not Deployment(CliOptions(api_url="https://x"), tmp_path).belongs_to_deployment_of("redis_url", "api_url")
    assert Deployment(CliOptions(redis_url="redis://x"), tmp_path).belongs_to_deployment_of("redis_url", "api_url")
    monkeypatch.setenv("REDIS__HOST", "cache.example")
    assert not Deployment(CliOptions(), tmp_path).belongs_to_deployment_of("redis_url", "api_url")
    assert Deployment(CliOptions(state_dir=file.parent), tmp_path).belongs_to_deployment_of("redis_url", "api_url")
    assert Deployment(CliOptions(api_url="https://x"), tmp_path).belongs_to_deployment_of("redis_url", "api_url")
    assert not Deployment(CliOptions(), tmp_path / "nowhere").belongs_to_deployment_of("api_url", "redis_url")


def test_two_deployments_are_refused(tmp_path: Path, stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command refuses an address that the user has set together with an address from a stack that was found."""
    stack(tmp_path / ".local")
    names = "dlq_url", "queue_url"
    Deployment(CliOptions(), tmp_path).require_same_deployment(*names)
    Deployment(CliOptions(queue_url="https://x/live", dlq_url="https://x/dead"), tmp_path).require_same_deployment(
        *names
    )
    for options in (CliOptions(dlq_url="https://x/dead"), CliOptions(queue_url="https://x/live")):
        with pytest.raises(SettingsError, match=r"two deployments.*--dlq-url or SYNC__DLQ_URL.*--queue-url"):
            Deployment(options, tmp_path).require_same_deployment(*names)
    monkeypatch.setenv("SYNC__DLQ_URL", "https://x/dead")
    with pytest.raises(SettingsError, match="two deployments"):
        Deployment(CliOptions(), tmp_path).require_same_deployment(*names)
    Deployment(CliOptions(queue_url="https://x/live"), tmp_path).require_same_deployment(*names)
    with pytest.raises(SettingsError, match="is not known"):
        Deployment(CliOptions(), tmp_path.parent).require_same_deployment(*names)


def test_the_token_option_takes_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--token` takes precedence over the environment variable. Without both, there is no token."""
    monkeypatch.delenv("HYBRID_MEMORY_TOKEN", raising=False)
    assert Deployment(CliOptions()).token() is None
    monkeypatch.setenv("HYBRID_MEMORY_TOKEN", "set")
    assert Deployment(CliOptions()).token() == "set"
    assert Deployment(CliOptions(token="option")).token() == "option"
