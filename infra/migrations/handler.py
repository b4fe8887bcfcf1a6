"""The migration function: brings PostgreSQL to this release's schema before the release's code takes traffic.

CloudFormation invokes it as a custom resource that the other functions wait for. It signs in as the database's owner,
by IAM or as its settings say. A direct invocation with any other event migrates the database, too.
"""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.request
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, make_url, pool
from sqlalchemy.exc import OperationalError

from infra.migrations import config, sqlalchemy_url, upgrade
from infra.migrations.access import FUNCTION_USER, admit, make_user
from shared.settings import DatabaseSettings, load
from shared.stores.postgres.connection import signed_in

# A database that slept needs some 15 s to wake, and a new role's permissions some seconds to be known everywhere.
_PATIENCE_SECONDS: Final = 120
_CONNECT_SECONDS: Final = 40
_PAUSE_SECONDS: Final = 3
# For giving the reason of a failure: CloudFormation waits for an answer until its own time is up.
_ANSWER_SECONDS: Final = 30
_MAX_REASON: Final = 1000
# Whom the functions sign in as ('' for the owner), and whether to make that user: not in the customer's own database.
_USER: Final = "MIGRATION__FUNCTION_USER"
_MAKES_USER: Final = "MIGRATION__MAKES_USER"

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class WrongReleaseError(Exception):
    """The template asks for another schema than this code has."""


def migrate(wanted: str | None, deadline: float) -> str:
    """Migrate the database, let the functions' user in, and return the schema's revision.

    A database that is ahead, because a release is being rolled back, stays as it is: nothing is undone.

    Args:
        wanted: The revision that the template asks for, None for the newest.
        deadline: When it has to end, by the monotonic clock.

    Raises:
        NoSuchUserError: The functions' user is to be there, and is not.
        MigrationTimeoutError: It did not end in time, or did not get its locks.
        WrongReleaseError: `wanted` is not the newest revision that this code knows.
        sqlalchemy.exc.SQLAlchemyError: The database does not answer or refuses.
    """
    scripts = ScriptDirectory.from_config(config("postgresql://"))
    newest = str(scripts.get_current_head())
    if wanted not in {None, newest}:
        raise WrongReleaseError(f"the template asks for schema {wanted}, this code has {newest}: build and deploy both")
    found = _current()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        logger.warning("the database has schema %s, which is newer than %s: left as it is", found, newest)
        return found
    upgrade(_url(), deadline - time.monotonic())
    with _engine().begin() as connection:
        if os.environ.get(_MAKES_USER, "true") == "true":
            make_user(connection)
        if user := os.environ.get(_USER, FUNCTION_USER):
            admit(connection, user)
    logger.info("migrated from schema %s to %s", found, newest)
    return newest


def _current() -> str | None:
    """Return the database's revision, None for an empty one; waits for the database."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with _engine().connect() as connection:
                return MigrationContext.configure(connection).get_current_revision()
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise
            logger.info("waiting for the database: %s", type(error.orig).__name__)
            time.sleep(_PAUSE_SECONDS)


def _engine() -> Engine:
    return create_engine(_url(), poolclass=pool.NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS})


def _url() -> str:
    """Return the database's URL, signed in; a token is good for every connection of the next 15 minutes."""
    settings = load(DatabaseSettings)
    url = make_url(sqlalchemy_url(settings.url))
    credentials = signed_in(settings)
    if "password" in credentials:
        url = url.set(username=credentials.get("user", url.username), password=credentials["password"])
    if "sslrootcert" in credentials:
        url = url.update_query_dict({"sslrootcert": credentials["sslrootcert"]})
    return url.render_as_string(hide_password=False)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Migrate, and tell CloudFormation if it was CloudFormation that asked. Deleting the stack undoes nothing."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _ANSWER_SECONDS
    if "ResponseURL" not in event:
        return {"revision": migrate(None, deadline)}
    answer = {
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "PhysicalResourceId": "schema",
        "Status": "SUCCESS",
    }
    if event["RequestType"] != "Delete":
        try:
            answer["Data"] = {"Revision": migrate(event["ResourceProperties"]["Revision"], deadline)}
        except Exception as error:
            logger.exception("the database was not migrated")
            log = f"(more in log stream {context.log_stream_name})"
            answer |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {str(error)[:_MAX_REASON]} {log}"}
    _tell(event["ResponseURL"], answer)
    return answer


def _tell(url: str, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    # The address is CloudFormation's own, signed; it wants no content type.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
