"""Builds the environment of the functions and the emulator: the project's settings, without other variables."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from infra.local import LocalStackError

USUAL_PORTS = {"postgres": 5432, "valkey": 6379, "emulator": 4566}
USUAL_PAGE_PORT = 8765
REGION = "us-east-1"
ACCESS_KEY = "test"
# The prefixes of all settings of the project, and of variables that model providers and OpenTelemetry read themselves.
_PROJECT_PREFIXES = ("MEMORY__", "AGENT__", "AUTH__", "REDIS__", "DATABASE__", "SYNC__", "SEARCH__", "DERIVE__")
SETTING_PREFIXES = (*_PROJECT_PREFIXES, "OPENAI_", "OLLAMA_", "OTEL_")
INHERITED_VARIABLES = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
}
INHERITED_VARIABLES |= {
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
}
LOCAL = "127.0.0.1,localhost"


def no_proxy() -> str:
    """Return NO_PROXY with this machine added, because a proxy cannot reach this machine's servers."""
    return ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), LOCAL]))


def ignore_user_configuration() -> None:
    """Change this process' environment so that its AWS clients ignore the user's proxy and AWS configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    os.environ.update(NO_PROXY=no_proxy(), no_proxy=no_proxy())


def read_settings(project: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the project's `.env` and of the environment, which has priority.

    Raises:
        LocalStackError: `.env` cannot be read.
    """
    try:
        in_file = dotenv_values(project / ".env", encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise LocalStackError(f"{project / '.env'} cannot be read: it is not text in UTF-8.") from None
    except OSError as error:
        raise LocalStackError(f"{project / '.env'} cannot be read: {error.strerror}.") from None
    settings = {name: value for name, value in in_file.items() if value is not None}
    settings.update(environment)
    return {name: value for name, value in settings.items() if name.startswith(SETTING_PREFIXES)}


def emulator_environment(settings: Mapping[str, str], *, port: int, temporary: Path, log: Path) -> dict[str, str]:
    """Return the emulator's complete environment, which its function workers inherit.

    The emulator reads many variables (STATE_DIR, PERSIST_STATE, AUTH, DEBUG, AWS_*, ...) that may have another meaning
    in the user's environment, so it inherits nothing else.
    """
    environment = {name: value for name, value in os.environ.items() if name in INHERITED_VARIABLES}
    environment.update(settings)
    environment.update(
        {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            # Queue URLs contain this host.
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # The emulator would remove containers that look like its own, so it must not find Docker.
            "DOCKER_HOST": f"unix://{temporary}/no-docker.sock",
            "TMPDIR": str(temporary),
            "FUNCTION_LOG": str(log),
            "NO_PROXY": no_proxy(),
            "no_proxy": no_proxy(),
            # Ignore the user's AWS configuration, and do not wait for an EC2 instance's metadata.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "PYTHONUNBUFFERED": "1",
            "PYTHONNOUSERSITE": "1",
            "TZ": "UTC",
        }
    )
    return environment
