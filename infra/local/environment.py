"""What the functions and the emulator find in their environment: settings are handed on, the rest is left out."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from infra.local import LocalStackError

REGION = "us-east-1"
ACCESS_KEY = "test"
# Every setting of the project, and what model providers and OpenTelemetry read themselves.
_OURS = ("MEMORY__", "AGENT__", "AUTH__", "REDIS__", "DATABASE__", "SYNC__", "SEARCH__")
HANDED_ON = (*_OURS, "OPENAI_", "OLLAMA_", "OTEL_")
KEPT = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"}
KEPT |= {"REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"}
LOCAL = "127.0.0.1,localhost"


def no_proxy() -> str:
    """Return NO_PROXY with this machine added: a proxy for the rest of the world must not be asked for it."""
    return ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), LOCAL]))


def isolate() -> None:
    """Take this process's own AWS client away from the user's proxy and AWS configuration."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    os.environ.update(NO_PROXY=no_proxy(), no_proxy=no_proxy())


def read_settings(project: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings to hand on: those of the project's `.env`, and over them the environment's.

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
    return {name: value for name, value in settings.items() if name.startswith(HANDED_ON)}


def emulator_environment(settings: Mapping[str, str], *, port: int, temporary: Path, log: Path) -> dict[str, str]:
    """Return the emulator's whole environment, which its function workers inherit.

    Nothing else is inherited: the emulator reads many variables (STATE_DIR, PERSIST_STATE, AUTH, DEBUG, AWS_*, ...)
    that have another meaning to the person who set them.
    """
    environment = {name: value for name, value in os.environ.items() if name in KEPT}
    environment.update(settings)
    environment.update(
        {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            # Also the host in every queue URL.
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # The emulator would remove containers that look like its own; here it shall find no Docker at all.
            "DOCKER_HOST": f"unix://{temporary}/no-docker.sock",
            "TMPDIR": str(temporary),
            "FUNCTION_LOG": str(log),
            "NO_PROXY": no_proxy(),
            "no_proxy": no_proxy(),
            # No personal AWS configuration, and no waiting for an instance's metadata.
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
