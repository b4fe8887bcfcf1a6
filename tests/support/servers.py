"""Helpers for the test servers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from infra.local.servers import PostgresServer
from infra.migrations import upgrade

_MEMORY_DIRECTORY: Final = Path("/dev/shm")  # noqa: S108 - a separate directory is created there
_REQUIRED_BYTES: Final = 2 * 1024**3


@contextmanager
def in_memory(directory: Path) -> Iterator[Path]:
    """Yield a directory in memory if there is space, otherwise the given directory.

    PostgreSQL creates databases faster in memory.
    """
    if not os.access(_MEMORY_DIRECTORY, os.W_OK) or shutil.disk_usage(_MEMORY_DIRECTORY).free < _REQUIRED_BYTES:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="hybrid-memory-tests-", dir=_MEMORY_DIRECTORY) as memory_directory:
        # If the tests run as root, PostgreSQL runs as another user, who must be able to enter the directory.
        Path(memory_directory).chmod(0o755)
        yield Path(memory_directory)


def admin(server: PostgresServer) -> psycopg.Connection:
    """Connect as the superuser."""
    return psycopg.connect(server.admin_url, autocommit=True)


def database_of(server: PostgresServer, name: str) -> str:
    """Return the URL of one of the server's databases."""
    return urlsplit(server.url)._replace(path=f"/{name}").geturl()


def superuser_of(server: PostgresServer, database_url: str) -> psycopg.Connection:
    """Connect to one of the server's databases as the superuser."""
    path = urlsplit(database_url).path
    return psycopg.connect(urlsplit(server.admin_url)._replace(path=path).geturl(), autocommit=True)


def add_pgvector(server: PostgresServer, database_url: str, schema: str = "public") -> None:
    """Create the extension as the superuser, and run the migrations as the owner, as an operator does."""
    with superuser_of(server, database_url) as connection:
        connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("grant usage on schema {} to public").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("create extension vector schema {}").format(sql.Identifier(schema)))
    upgrade(database_url)
