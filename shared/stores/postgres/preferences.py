"""Users' preferences in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import psycopg
from psycopg.rows import DictRow

from shared.errors import TooManyPreferences
from shared.models import preferences_error
from shared.stores.postgres.erasure import lock_preferences
from shared.stores.postgres.invalidations import log_invalidations

_Connection = psycopg.Connection[DictRow]
_PREFERENCES = b"select key, value from user_preferences where user_id = %s"


def read_preferences(
    connection: _Connection, user_id: str, update_cache: Callable[[dict[str, str]], None] | None = None
) -> dict[str, str]:
    """Return a user's preferences; call `update_cache` with them while no other writer can change them."""
    if update_cache is None:
        return _preferences(connection, user_id)
    with connection.pipeline():
        lock_preferences(connection, user_id)
        rows = connection.execute(_PREFERENCES, (user_id,))
    preferences = {row["key"]: row["value"] for row in rows}
    update_cache(preferences)
    return preferences


def change_preferences(
    connection: _Connection, user_id: str, changes: Mapping[str, str | None], *, replace: bool
) -> dict[str, str]:
    """Set preferences or remove those that are None, record that L1 needs an update, and return all.

    Raises:
        TooManyPreferences: The preferences would exceed a limit.
    """
    removed_keys = [key for key, value in changes.items() if value is None]
    set_pairs = [(key, value) for key, value in changes.items() if value is not None]
    lock_preferences(connection, user_id)
    connection.execute(
        "delete from user_preferences where user_id = %s and (key = any(%s) or (%s and not key = any(%s)))",
        (user_id, removed_keys, replace, [key for key, _ in set_pairs]),
    )
    connection.execute(
        "insert into user_preferences as p (user_id, key, value)"
        " select %s, given.key, given.value from unnest(%s::text[], %s::text[]) as given (key, value)"
        " on conflict (user_id, key) do update set value = excluded.value, updated_at = now()"
        " where p.value <> excluded.value",
        (user_id, [key for key, _ in set_pairs], [value for _, value in set_pairs]),
    )
    changed = _preferences(connection, user_id)
    if error := preferences_error(changed):
        # The error is raised in the transaction, so that the change is rolled back.
        raise TooManyPreferences(error)
    # The record stays until L1 is updated. If this process ends before that, the sweep updates L1.
    log_invalidations(connection, "user", [user_id])
    return changed


def try_changing(connection: _Connection) -> object:
    """Change preferences in a transaction that the caller rolls back."""
    return change_preferences(connection, "trial", {"trial": "1"}, replace=True)


def publish_preferences(connection: _Connection, user_id: str, update_cache: Callable[[dict[str, str]], bool]) -> None:
    """Call `update_cache` with a user's committed preferences, and delete the record if it returns True."""
    # L1 is updated after the commit, so that it never has values that L2 lacks. The lock is held during the update, so
    # that L1 gets the newest values.
    lock_preferences(connection, user_id)
    if update_cache(_preferences(connection, user_id)):
        connection.execute("delete from cache_repairs where kind = 'user' and id = %s", (user_id,))


def _preferences(connection: _Connection, user_id: str) -> dict[str, str]:
    rows = connection.execute(_PREFERENCES, (user_id,)).fetchall()
    return {row["key"]: row["value"] for row in rows}
