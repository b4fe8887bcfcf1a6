from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from cli.deployment import Deployment
from cli.main import app
from cli.migrate import _url
from cli.options import CliOptions
from infra.local.servers import PostgresServer


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, ["migrate", *words])


def _run_json(*words: str, code: int = 0) -> Any:
    result = _run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_up_runs_all_pending_migrations(new_database: Callable[..., str]) -> None:
    """In an empty database all migrations are pending. `up` runs them, and a second `up` does nothing."""
    url = new_database()
    before = _run_json("status", "--database-url", url, code=1)
    assert before["current"] is None
    assert [each["revision"] for each in before["pending"]] == sorted(each["revision"] for each in before["pending"])
    assert before["pending"][-1]["revision"] == before["head"]
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)
    assert "hybrid-memory migrate up" in _run("status", "--database-url", url).stdout
    completed = _run_json("up", "--database-url", url)
    assert (completed["applied"], completed["current"], completed["pending"]) == (before["pending"], before["head"], [])
    assert _run_json("status", "--database-url", url)["pending"] == []
    assert _run_json("up", "--database-url", url)["applied"] == []
    plain = _run("up", "--database-url", url).stdout
    assert "the newest." in plain


def test_a_schema_of_a_newer_release_is_not_changed(database_url: str, database: psycopg.Connection) -> None:
    """A newer release has migrated the database. The command reports this and does not change the schema."""
    database.execute("update alembic_version set version_num = '9999'")
    schema = _run_json("status", "--database-url", database_url, code=1)
    assert (schema["current"], schema["is_known"], schema["pending"]) == ("9999", False, [])
    result = _run("up", "--database-url", database_url)
    assert result.exit_code == 1
    assert "revision is unknown" in result.stderr
    assert database.execute("select version_num from alembic_version").fetchone() == ("9999",)


@pytest.mark.parametrize("word", ["status", "up"])
def test_a_database_that_is_down_has_exit_code_3(word: str) -> None:
    """If the database is down, the exit code is 3, and the error does not contain the password."""
    result = _run(word, "--database-url", "postgresql://me:secret@127.0.0.1:1/memory")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "Error: PostgreSQL cannot be reached at 127.0.0.1:1 (OperationalError).\n"


def test_a_missing_database_is_reported_as_unreachable(database_url: str) -> None:
    """The command reports a database that does not exist as unreachable."""
    result = _run("status", "--database-url", f"{database_url}_not_there")
    assert result.exit_code == 3
    assert result.stderr.count("\n") == 1


def test_with_iam_authentication_the_password_is_a_token(
    postgres: PostgresServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With IAM authentication, the password in the URL is a token for the URL's user and host."""
    monkeypatch.setenv("DATABASE__AUTH", "iam")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    iam_database_url = f"{urlsplit(database_url)._replace(netloc=f'iam_user@127.0.0.1:{postgres.port}').geturl()}"
    url = make_url(_url(Deployment(CliOptions(database_url=iam_database_url))))
    assert (url.drivername, url.username, url.host) == ("postgresql+psycopg", "iam_user", "127.0.0.1")
    assert "Action=connect&DBUser=iam_user" in str(url.password)
