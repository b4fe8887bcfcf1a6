"""The migration function: upgrades PostgreSQL's schema before the release's code gets traffic.

CloudFormation invokes it as a custom resource on which the other functions depend. It signs in as the database's owner,
with the settings' credentials. A direct invocation with any other event migrates the database, too.
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
from infra.migrations.access import FUNCTION_USER, grant_access, make_user
from shared.settings import DatabaseSettings, load
from shared.stores.postgres.connection import sign_in_parameters

# A paused database needs some 15 s to resume, and a new role's permissions take some seconds to take effect everywhere.
_MAX_WAIT_SECONDS: Final = 120
_CONNECT_SECONDS: Final = 40
_PAUSE_SECONDS: Final = 3
# The time reserved for sending the reason of a failure. Without a response, CloudFormation waits until its own timeout.
_RESPONSE_SECONDS: Final = 30
_MAX_REASON: Final = 1000
# Two settings: the functions' user ('' for the owner), and whether to create it: not in an operator's own database.
_USER: Final = "MIGRATION__FUNCTION_USER"
_MAKES_USER: Final = "MIGRATION__MAKES_USER"

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class WrongReleaseError(Exception):
    """The template requires another schema than this code has."""


def migrate(required: str | None, deadline: float) -> str:
    """Migrate the database, grant the functions' user access, and return the schema's revision.

    During a release's rollback, the database's schema may be newer than this code. It is then not changed.

    Args:
        required: The revision that the template requires; None for the newest.
        deadline: The end of the available time, by the monotonic clock.

    Raises:
        NoSuchUserError: The functions' user is required and does not exist.
        MigrationTimeoutError: The migration did not finish in time, or did not get its locks.
        WrongReleaseError: `required` is not the newest revision of this code.
        sqlalchemy.exc.SQLAlchemyError: The database does not respond or refuses.
    """
    scripts = ScriptDirectory.from_config(config("postgresql://"))
    newest = str(scripts.get_current_head())
    if required not in {None, newest}:
        raise WrongReleaseError(
            f"the template requires schema {required}, but this code has {newest}. Build and deploy both"
        )
    current = _current()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        logger.warning("the database has schema %s, which is newer than %s, and is not changed", current, newest)
        return current
    upgrade(_url(), deadline - time.monotonic())
    with _engine().begin() as connection:
        if os.environ.get(_MAKES_USER, "true") == "true":
            make_user(connection)
        if user := os.environ.get(_USER, FUNCTION_USER):
            grant_access(connection, user)
    logger.info("migrated from schema %s to %s", current, newest)
    return newest


def _current() -> str | None:
    """Wait until the database responds, and return its revision; None for an empty database."""
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
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
    """Return the database's URL with credentials; a token is valid for new connections for 15 minutes."""
    settings = load(DatabaseSettings)
    url = make_url(sqlalchemy_url(settings.url))
    credentials = sign_in_parameters(settings)
    if "password" in credentials:
        url = url.set(username=credentials.get("user", url.username), password=credentials["password"])
    if "sslrootcert" in credentials:
        url = url.update_query_dict({"sslrootcert": credentials["sslrootcert"]})
    return url.render_as_string(hide_password=False)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Migrate the database, and respond to CloudFormation if the event came from it. A Delete event changes nothing."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _RESPONSE_SECONDS
    if "ResponseURL" not in event:
        return {"revision": migrate(None, deadline)}
    response = {
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "PhysicalResourceId": "schema",
        "Status": "SUCCESS",
    }
    if event["RequestType"] != "Delete":
        try:
            response["Data"] = {"Revision": migrate(event["ResourceProperties"]["Revision"], deadline)}
        except Exception as error:
            logger.exception("the database was not migrated")
            log = f"(more in log stream {context.log_stream_name})"
            response |= {"Status": "FAILED", "Reason": f"{type(error).__name__}: {str(error)[:_MAX_REASON]} {log}"}
    _send_response(event["ResponseURL"], response)
    return response


def _send_response(url: str, response: dict[str, Any]) -> None:
    body = json.dumps(response).encode()
    # CloudFormation's presigned URL must be called without a content type.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
