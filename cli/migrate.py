"""`hybrid-memory migrate`: PostgreSQL's schema."""

# ruff: noqa: D301 - \b tells typer not to rewrap the lines below it
# ruff: noqa: PLC0415 - importing Alembic and SQLAlchemy takes most of a second; `--help` should not wait for it

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from cli.command import PROBLEM_FOUND, UNREACHABLE, command, group
from cli.deployment import Deployment
from cli.options import AsJson
from cli.output import echo, endpoints_as_json, print_endpoints, print_json, print_table, warn
from shared.errors import StoreUnavailable

if TYPE_CHECKING:
    from infra.migrations import SchemaStatus

app = group("Show and upgrade PostgreSQL's schema.")


@app.command()
@command
def status(deployment: Deployment, *, as_json: AsJson = False) -> None:
    """Show the database's revision and the pending migrations. Change nothing.

    \b
    Exit codes:
      1  migrations are pending, or the database is newer than this version

    \b
    Examples:
      hybrid-memory migrate status
      hybrid-memory migrate status --database-url postgresql://user@host/name --json | jq '.pending[].revision'
    """
    schema = read_status(deployment)
    _print(deployment, schema, {}, as_json=as_json)
    if schema.pending or not schema.is_known:
        raise typer.Exit(PROBLEM_FOUND)


@app.command()
@command
def up(deployment: Deployment, *, as_json: AsJson = False) -> None:
    """Upgrade the database to the newest schema.

    Upgrade the database before you deploy new code. Each migration is a separate transaction. After a failure, the
    next run continues with the failed migration. Only one run at a time changes the database; others wait. A
    migration waits for a lock for at most one second, so that it does not block other clients, and retries for five
    minutes. Each run also looks for the extension pgvector, and creates it if the database's user may.

    \b
    Exit codes:
      1  the database is newer than this version
      3  PostgreSQL did not respond, or a lock was not released

    \b
    Examples:
      hybrid-memory migrate up
      hybrid-memory migrate up --database-url postgresql://user@host/name
    """
    from infra.migrations import MigrationTimeoutError, upgrade

    schema = read_status(deployment)
    if not schema.is_known:
        warn("Error: the database's revision is unknown, because a newer version created it.")
        raise typer.Exit(PROBLEM_FOUND)
    try:
        with _translated_errors():
            upgrade(_url(deployment))
    except MigrationTimeoutError as error:
        warn(f"Error: {error}")
        raise typer.Exit(UNREACHABLE) from None
    after = read_status(deployment)
    _print(deployment, after, {"applied": _as_json(schema.pending)}, as_json=as_json)


def read_status(deployment: Deployment) -> SchemaStatus:
    """Return the database's revision and the pending migrations.

    Raises:
        SettingsError: The address of PostgreSQL is unknown.
        StoreUnavailable: PostgreSQL did not respond, or refused.
    """
    from infra.migrations import status as schema_status

    with _translated_errors():
        return schema_status(_url(deployment))


def _url(deployment: Deployment) -> str:
    """Return the database's URL, with the password that `DATABASE__AUTH` requires (IAM or Secrets Manager)."""
    from sqlalchemy import make_url

    from shared.stores.postgres.connection import sign_in_parameters

    settings = deployment.database()
    parameters = sign_in_parameters(settings)
    if not parameters:
        return settings.url
    url = make_url(settings.url)
    user, password = parameters.pop("user", url.username), parameters.pop("password")
    url = url.set(drivername="postgresql+psycopg", username=user, password=password)
    return url.update_query_dict(parameters).render_as_string(hide_password=False)


@contextmanager
def _translated_errors() -> Iterator[None]:
    from sqlalchemy.exc import OperationalError, SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        # The driver's message about an unreachable server has one line per address.
        reason = "OperationalError" if isinstance(error, OperationalError) else str(cause or error).splitlines()[0]
        raise StoreUnavailable("postgres", reason[:200]) from error


def _as_json(pending: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"revision": revision, "doc": doc} for revision, doc in pending]


def _print(deployment: Deployment, schema: SchemaStatus, more: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        answer = {"current": schema.current, "head": schema.head, "pending": _as_json(schema.pending)}
        print_json(
            {**answer, "is_known": schema.is_known, **more, "sources": endpoints_as_json(deployment.used_endpoints)}
        )
        return
    print_endpoints(deployment)
    for title, revisions in (("applied", more.get("applied", [])), ("pending", _as_json(schema.pending))):
        if revisions:
            print_table((title, "what it does"), [(each["revision"], each["doc"]) for each in revisions])
    if not schema.is_known:
        echo(f"The database is at {schema.current}, which is unknown: a newer version created it.")
    elif schema.pending:
        echo(
            f"The database is at {schema.current or 'no revision'}, the newest is {schema.head}. "
            "Run hybrid-memory migrate up."
        )
    else:
        echo(f"The database is at {schema.head}, the newest.")
