"""CloudFormation invokes the migration function. PostgreSQL has the roles of RDS: an owner and `rds_iam`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from alembic.script import ScriptDirectory
from psycopg import sql
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # ships no types

from infra.local.servers import PostgresServer
from infra.migrations import config, handler
from tests.support.servers import admin

_OWNER = "memory_owner"
_CONTEXT = SimpleNamespace(log_stream_name="the-stream", get_remaining_time_in_millis=lambda: 900_000)
_NEWEST = str(ScriptDirectory.from_config(config("postgresql://")).get_current_head())


class CloudFormation:
    """Receives the response of a custom resource."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        outer = self

        class Bucket(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                outer.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                outer.content_types.append(self.headers["Content-Type"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Bucket)
        self.url = f"http://127.0.0.1:{self._server.server_port}/answer?signed"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def ask(self, kind: str, revision: str = _NEWEST) -> dict[str, Any]:
        """Send an event and return the response."""
        event = {
            "RequestType": kind,
            "ResponseURL": self.url,
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Schema",
            "ResourceProperties": {"Revision": revision},
        }
        handler.handler(event, _CONTEXT)
        return self.told[-1]

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """Return the receiver of responses."""
    created = CloudFormation()
    yield created
    created.close()


@pytest.fixture
def url(new_database: Callable[..., str], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the owner's URL of an empty database. The function's environment also has this URL."""
    address = urlsplit(new_database())
    name = address.path.removeprefix("/")
    with admin(postgres) as operator:
        for role in (_OWNER, "rds_iam"):
            operator.execute(sql.SQL("create role {} login createrole password 'secret'").format(sql.Identifier(role)))
        # On RDS, a user who can create roles may also grant `rds_iam`.
        operator.execute("grant rds_iam to memory_owner with admin option")
        operator.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), sql.Identifier(_OWNER)))
        # The functions' user already exists here, so the owner must be a superuser to change it. On RDS the migration
        # creates this user.
        operator.execute("alter role memory_owner superuser")
    owner_url = address._replace(netloc=f"{_OWNER}:secret@127.0.0.1:{postgres.port}").geturl()
    monkeypatch.setenv("DATABASE__URL", owner_url)
    yield owner_url
    with admin(postgres) as operator:
        operator.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        operator.execute("create database " + name)
        for role in ("rds_iam", _OWNER):
            operator.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


def _asked(url: str, query: str, user: str = _OWNER) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        if user != _OWNER:
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(user)))
        row = connection.execute(query).fetchone()
        return row and row[0]


def test_the_template_requires_the_newest_schema() -> None:
    """The template names the newest schema. Otherwise CloudFormation would not run a new migration."""
    path = Path(__file__).parents[2] / "infra" / "aws" / "migration.yaml"
    template = yaml_parse(path.read_text())
    assert template["Parameters"]["SchemaRevision"]["Default"] == _NEWEST, "write it there"


def test_the_migration_creates_the_schema_and_the_user(url: str, cloudformation: CloudFormation) -> None:
    """The migration creates the schema and a user with access to rows only. A second run changes nothing."""
    for kind in ("Create", "Update"):
        assert cloudformation.ask(kind) == {
            "StackId": "stack",
            "RequestId": "request",
            "LogicalResourceId": "Schema",
            "PhysicalResourceId": "schema",
            "Status": "SUCCESS",
            "Data": {"Revision": _NEWEST},
        }
    assert cloudformation.content_types == ["", ""]
    assert _asked(url, "select version_num from alembic_version") == _NEWEST
    assert _asked(url, "select pg_has_role('memory', 'rds_iam', 'member')") is True
    assert _asked(url, "select count(*) from messages", "memory") == 0
    thread = "insert into conversations (id, thread_id) values (gen_random_uuid(), 't') returning thread_id"
    assert _asked(url, thread, "memory") == "t"
    assert _asked(url, "with gone as (delete from conversations returning 1) select count(*) from gone", "memory") == 1
    for forbidden in ("create table mine (id int)", "drop table messages", "select * from alembic_version"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            _asked(url, forbidden, "memory")


def test_the_functions_may_use_every_table(url: str, cloudformation: CloudFormation) -> None:
    """The functions may use every table, including tables of later migrations."""
    cloudformation.ask("Create")
    inaccessible_tables = _asked(
        url,
        "select array_agg(relname::text) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        " and not has_table_privilege('memory', oid, 'select, insert, update, delete')",
    )
    assert inaccessible_tables == ["alembic_version"]


def test_a_newer_schema_is_not_changed(url: str, cloudformation: CloudFormation) -> None:
    """An older release finds a newer schema. Its migration succeeds and does not change the schema."""
    cloudformation.ask("Create")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    answer = cloudformation.ask("Update")
    assert (answer["Status"], answer["Data"]) == ("SUCCESS", {"Revision": "9999"})


def test_a_release_with_another_schema_than_the_templates_fails(url: str, cloudformation: CloudFormation) -> None:
    """The template requires a schema that differs from the code's schema. The migration fails and changes nothing."""
    answer = cloudformation.ask("Create", "0000")
    assert answer["Status"] == "FAILED"
    assert f"the template requires schema 0000, but this code has {_NEWEST}" in answer["Reason"]
    assert "the-stream" in answer["Reason"]
    assert _asked(url, "select to_regclass('messages')") is None


def test_a_database_that_does_not_respond_fails_the_stack(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database does not respond. The stack fails at once, and the reason does not contain the password."""
    monkeypatch.setattr(handler, "_MAX_WAIT_SECONDS", 0)
    monkeypatch.setenv("DATABASE__URL", "postgresql://memory_owner:hunter2@127.0.0.1:1/memory")
    answer = cloudformation.ask("Create")
    assert answer["Status"] == "FAILED"
    assert "OperationalError" in answer["Reason"]
    assert "hunter2" not in answer["Reason"]


def test_deleting_the_stack_reverts_no_migration(url: str, cloudformation: CloudFormation) -> None:
    """The deletion of the stack keeps the tables, so that the final snapshot has all data."""
    cloudformation.ask("Create")
    assert cloudformation.ask("Delete")["Status"] == "SUCCESS"
    assert _asked(url, "select to_regclass('messages')::text") == "messages"


def test_a_slow_migration_is_reported_before_the_timeout(
    url: str, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration takes too long. CloudFormation gets the reason before the function's timeout."""
    monkeypatch.setattr(handler, "_RESPONSE_SECONDS", 899)
    with psycopg.connect(url) as other:
        other.execute("select pg_advisory_xact_lock(7215001)")
        answer = cloudformation.ask("Create")
    assert answer["Status"] == "FAILED"
    assert "Another migration" in answer["Reason"]


@pytest.mark.usefixtures("url")
def test_a_direct_invocation_returns_the_revision() -> None:
    """A direct invocation returns the schema's revision."""
    assert handler.handler({}, _CONTEXT) == {"revision": _NEWEST}


def test_an_existing_user_gets_access_to_the_rows(
    url: str, cloudformation: CloudFormation, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `MIGRATION__MAKES_USER=false` the named user must exist. The migration grants it access to the rows."""
    monkeypatch.setenv("MIGRATION__MAKES_USER", "false")
    monkeypatch.setenv("MIGRATION__FUNCTION_USER", 'the "app":x')
    answer = cloudformation.ask("Create")
    assert answer["Status"] == "FAILED"
    assert "NoSuchUserError" in answer["Reason"]
    with admin(postgres) as operator:
        operator.execute('create role "the ""app"":x" login')
    try:
        assert cloudformation.ask("Create")["Status"] == "SUCCESS"
        assert _asked(url, "select count(*) from messages", 'the "app":x') == 0
        assert _asked(url, "select pg_has_role('the \"app\":x', 'rds_iam', 'member')") is False
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute('drop owned by "the ""app"":x"')
            connection.execute('drop role "the ""app"":x"')


@pytest.mark.parametrize("user", ["", _OWNER])
def test_no_privilege_changes_if_the_functions_are_the_owner(
    url: str, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    """If the functions sign in as the tables' owner, the migration grants and revokes no privilege."""
    monkeypatch.setenv("MIGRATION__MAKES_USER", "false")
    monkeypatch.setenv("MIGRATION__FUNCTION_USER", user)
    for kind in ("Create", "Update"):
        assert cloudformation.ask(kind)["Status"] == "SUCCESS"
    assert _asked(url, "select has_table_privilege(current_user, 'alembic_version', 'insert')") is True
