"""Reads users and passwords from AWS Secrets Manager for each new connection, so that a rotation takes effect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError


class SecretUnavailableError(Exception):
    """Secrets Manager does not respond or refuses, or the secret has an unknown format."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The credentials in a secret.

    Attributes:
        user: None if the secret has no user. The connection then uses the user of the settings.
        password: The password.
    """

    user: str | None
    password: str


@cache
def _client() -> Any:
    # The client is imported and created at the first connection, as in `aws_tokens`. The timeouts are short, because a
    # connection waits for the secret.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("secretsmanager", config=config)


def read_secret(arn: str) -> Secret:
    """Return a secret: a JSON object with `password` and optionally `username`, as RDS writes it, or a password alone.

    Raises:
        SecretUnavailableError: The secret cannot be read, or has no password.
    """
    try:
        text = str(_client().get_secret_value(SecretId=arn).get("SecretString", ""))
    except ClientError as error:
        raise SecretUnavailableError(f"its secret cannot be read: {error.response['Error']['Code']}") from None
    except BotoCoreError as error:
        raise SecretUnavailableError(f"its secret cannot be read: {type(error).__name__}") from None
    try:
        # The error is raised without its cause, because a parser's error quotes its input.
        fields = json.loads(text) if text.startswith("{") else {"password": text}
    except ValueError:
        raise SecretUnavailableError("its secret is not JSON") from None
    if not fields.get("password"):
        raise SecretUnavailableError("its secret has no password")
    return Secret(fields.get("username"), str(fields["password"]))
