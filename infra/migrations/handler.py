"""The migration function: upgrades PostgreSQL's schema before the release's code gets traffic.

CloudFormation invokes it as a custom resource on which the other functions depend. It signs in as the database's owner,
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
from shared.stores.postgres.connection import sign_in_parameters

# A paused database needs some 15 s to resume, and a new role's permissions take some seconds to take effect everywhere.
_PATIENCE_SECONDS: Final = 120
_CONNECT_SECONDS: Final = 40
_PAUSE_SECONDS: Final = 3
# This time is reserved for sending the reason of a failure. Without a response, CloudFormation would wait until its own
# timeout.
_ANSWER_SECONDS: Final = 30
_MAX_REASON: Final = 1000
# The functions' user ('' for the owner), and whether to create this user. It is not created in a customer's own
# database.
_USER: Final = "MIGRATION__FUNCTION_USER"
_MAKES_USER: Final = "MIGRATION__MAKES_USER"

logger = logging.getLogger()
logger.setLevel(logging.INFO)


class WrongReleaseError(Exception):
    """The template requires another schema than this code has."""


def migrate(required: str | None, deadline: float) -> str:
    """Migrate the database, grant the functions' user access, and return the schema's revision.

    During the rollback of a release the database may be ahead of the code. It then stays as it is.

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
            f"the template asks for schema {required}, this code has {newest}: build and deploy both"
        )
    current = _current()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        logger.warning("the database has schema %s, which is newer than %s: left as it is", current, newest)
        return current
    upgrade(_url(), deadline - time.monotonic())
    with _engine().begin() as connection:
        if os.environ.get(_MAKES_USER, "true") == "true":
            make_user(connection)
        if user := os.environ.get(_USER, FUNCTION_USER):
            admit(connection, user)
    logger.info("migrated from schema %s to %s", current, newest)
    return newest


def _current() -> str | None:
    """Return the database's revision, or None for an empty one; wait until the database responds."""
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
    """Migrate, and report to CloudFormation if the event came from it. A stack's deletion changes nothing here."""
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
    # CloudFormation's presigned URL must be called without a content type.
    request = urllib.request.Request(url, body, {"Content-Type": ""}, method="PUT")  # noqa: S310
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310
        pass
