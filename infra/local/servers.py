"""Real PostgreSQL and real Valkey as child processes on 127.0.0.1, for `make run` and for the tests."""

from infra.local.postgres_server import PostgresServer
from infra.local.valkey_server import ValkeyServer

__all__ = ["PostgresServer", "ValkeyServer"]
