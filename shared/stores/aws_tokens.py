"""Tokens for the IAM authentication of stores. This process signs a token, which is valid for 15 minutes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from shared.errors import StoreUnavailable

if TYPE_CHECKING:
    import boto3  # imported at the first connection, because a cold start with passwords does not need it

_SECONDS: Final = 900


def database_token(host: str, port: int, user: str) -> str:
    """Return the token that PostgreSQL on RDS, or RDS Proxy, accepts as the user's password for a new connection.

    Raises:
        StoreUnavailable: The process has no AWS credentials or no region.
    """
    query = {"Action": "connect", "DBUser": user}
    return _signed("rds-db", f"{host}:{port}", query, layer="postgres")


def cache_token(cache_name: str, user: str) -> str:
    """Return the token that ElastiCache accepts as the user's password for a new connection.

    Args:
        cache_name: The replication group's name, not its address.
        user: The user's id, which is also its name.

    Raises:
        StoreUnavailable: The process has no AWS credentials or no region.
    """
    return _signed("elasticache", cache_name, {"Action": "connect", "User": user}, layer="redis")


def public_certificates() -> str:
    """Return the path of boto3's public certificate authorities, which the Lambda runtime includes."""
    import botocore.httpsession  # noqa: PLC0415

    return str(botocore.httpsession.get_cert_path(verify=True))


@cache
def _session() -> boto3.Session:
    # The session is created at the first connection, because a snapshot of the process must not contain credentials.
    import boto3  # noqa: PLC0415

    return boto3.Session()


def _signed(service: str, host: str, query: dict[str, str], *, layer: str) -> str:
    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415

    session = _session()
    credentials = session.get_credentials()
    if credentials is None or session.region_name is None:
        raise StoreUnavailable(layer, "the process has no AWS credentials or no region to sign a token with")
    # The token is a presigned request to this host, without the scheme. The request itself is never sent.
    request = AWSRequest("GET", f"http://{host}/?{urlencode(query)}")
    SigV4QueryAuth(credentials.get_frozen_credentials(), service, session.region_name, _SECONDS).add_auth(request)
    return str(request.url).removeprefix("http://")
