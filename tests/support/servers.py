"""Ways to the test servers."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg

from infra.local.servers import PostgresServer


def admin(server: PostgresServer) -> psycopg.Connection:
    """Connect as the superuser."""
    return psycopg.connect(server.admin_url, autocommit=True)


def database_of(server: PostgresServer, name: str) -> str:
    """Return the URL of one of its databases."""
    return urlsplit(server.url)._replace(path=f"/{name}").geturl()
