"""PostgreSQL, Valkey and the AWS emulator as child processes on 127.0.0.1, for `make run` and for the tests."""

from infra.local.servers.postgres import PostgresServer
from infra.local.servers.valkey import ValkeyServer

__all__ = ["PostgresServer", "ValkeyServer"]
