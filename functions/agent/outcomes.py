"""The outcome of a failed request and the effect of a retry, for all operations.

The texts here are for failures before an operation changes anything. Later failures set their own outcome with
`add_outcome`.
"""

from __future__ import annotations

from http import HTTPMethod
from typing import Final

from shared.errors import HybridMemoryError, StoreUnavailable
from shared.stores.idempotency import LEASE_SECONDS

NOTHING_READ: Final = "nothing was read, and nothing was changed. Repeat the request"
NOTHING_RUN: Final = "nothing was stored. Repeat the request to run the agent again"
# The first request with the key may have stored its exchange, so its key stays reserved until the lease ends.
NOTHING_STORED_KEY_HELD: Final = (
    f"nothing was stored by this request. Repeat it after {LEASE_SECONDS} seconds. Before that, its "
    "Idempotency-Key is reserved, and a repetition is a 409"
)
_UNKNOWN: Final = "the request could not be completed. Repeat it to complete it"
_READS: Final = frozenset({"invoking", "search"})
# The subject and the participle of an outcome's text, by operation. An operation's name is its route's name.
_CHANGES: Final = {
    "replace_exchange": ("the exchange is", "replaced"),
    "delete_exchange": ("the exchange is", "deleted"),
    "rename_thread": ("the thread is", "renamed"),
    "delete_thread": ("the thread is", "deleted"),
    "replace_preferences": ("the preferences are", "replaced"),
    "merge_preferences": ("the preferences are", "changed"),
    "delete_preferences": ("the preferences are", "deleted"),
    "add_memory": ("the memory is", "stored"),
    "correct_memory": ("the memory is", "corrected"),
    "delete_memories": ("the memories are", "deleted"),
    "delete_memory": ("the memory is", "deleted"),
    "delete_user": ("the user is", "deleted"),
}
# The outcomes of failures before the exchange is sent to a store. The thread may already belong to the user.
_STORES: Final = {
    "run": NOTHING_RUN,
    "invoked": "the exchange is not stored. Repeat the request to store it",
}


def has_outcome(operation: str, method: str) -> bool:
    """Return whether the texts cover the operation."""
    return method in {HTTPMethod.GET, HTTPMethod.HEAD} or operation in _READS | _CHANGES.keys() | _STORES.keys()


def outcome_of(error: HybridMemoryError, operation: str, method: str) -> str:
    """Return the outcome and the effect of a retry, as a clause after "so"."""
    if error.outcome:
        return error.outcome
    if operation in _STORES:
        return _STORES[operation]
    if operation in _CHANGES:
        subject, done = _CHANGES[operation]
        if isinstance(error, StoreUnavailable) and error.is_unconfirmed:
            return f"it is unknown whether {subject} {done}: the response was lost. Repeat the request, which is safe"
        return f"{subject} not {done}, and nothing was changed. Repeat the request"
    return NOTHING_READ if has_outcome(operation, method) else _UNKNOWN
