"""The outcome of a failed request, and the effect of repeating it: one table for all operations.

It holds where an operation fails before it has changed anything. Whatever comes further says so itself (`add_outcome`).
"""

from __future__ import annotations

from http import HTTPMethod
from typing import Final

from shared.errors import HybridMemoryError, StoreUnavailable
from shared.stores.idempotency import LEASE_SECONDS

NOTHING_READ: Final = "nothing could be read, and nothing was changed. Repeat the request to read it"
NOTHING_RUN: Final = "nothing was stored. Repeat the request to run the agent again"
# The first request with the key may have stored its exchange, so that the key stays until the lease ends.
KEY_HELD: Final = (
    f"nothing was stored by this request. Repeat it after {LEASE_SECONDS} seconds: until then its Idempotency-Key "
    "counts as running, which is a 409"
)
_UNKNOWN: Final = "the request could not be completed. Repeat it to complete it"
_READS: Final = frozenset({"invoking"})
# By the operation's name, which is the route's: of what a failure is, and what was to be done with it.
_CHANGES: Final = {
    "replace_exchange": ("the exchange is", "replaced"),
    "delete_exchange": ("the exchange is", "deleted"),
    "rename_thread": ("the thread is", "renamed"),
    "delete_thread": ("the thread is", "deleted"),
    "replace_preferences": ("the preferences are", "replaced"),
    "merge_preferences": ("the preferences are", "changed"),
    "delete_preferences": ("the preferences are", "deleted"),
    "delete_user": ("the user is", "deleted"),
}
# What fails before anything of it is on its way: a claim of the thread is no part of it.
_STORES: Final = {
    "run": NOTHING_RUN,
    "invoked": "the exchange is not stored. Repeat the request to store it",
}


def is_described(operation: str, method: str) -> bool:
    """Return whether the table knows what a failure of the operation leaves."""
    return method in {HTTPMethod.GET, HTTPMethod.HEAD} or operation in _READS | _CHANGES.keys() | _STORES.keys()


def outcome_of(error: HybridMemoryError, operation: str, method: str) -> str:
    """Return what has happened, and what repeating the request does, as a clause after "so"."""
    if error.outcome:
        return error.outcome
    if operation in _STORES:
        return _STORES[operation]
    if operation in _CHANGES:
        what, done = _CHANGES[operation]
        if isinstance(error, StoreUnavailable) and error.is_unconfirmed:
            return f"{what} {done} or not: the answer was lost. Repeat the request; twice has the same effect as once"
        return f"{what} not {done}, and nothing was changed. Repeat the request to have it done"
    return NOTHING_READ if is_described(operation, method) else _UNKNOWN
