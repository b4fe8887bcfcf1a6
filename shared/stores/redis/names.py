"""The keys in Redis. A list and a hash are the contract's; the others are the project's own business."""

from typing import Final

OUTBOX: Final = "outbox:exchanges"
# The generation of what Redis holds, and since when it has lost nothing; see `redis_generation`.
EPOCH: Final = "memory:epoch"
# Written to find out whether Redis takes writes.
PROBE: Final = "memory:probe"
# What the drain began to store and has not finished.
ATTEMPTS: Final = "drain:attempts"


def messages_key(thread_id: str) -> str:
    """A thread's list."""
    return f"thread:{thread_id}:messages"


def claim_key(thread_id: str) -> str:
    """Under what a reader of the release before asks PostgreSQL, until something is written to the thread."""
    return f"thread:{thread_id}:claim"


def tombstone_key(thread_id: str) -> str:
    """The order key of a thread's last deletion."""
    return f"thread:{thread_id}:tombstone"


def deleted_key(thread_id: str) -> str:
    """A set of the ids of exchanges that were deleted from a thread."""
    return f"thread:{thread_id}:deleted"


def owner_key(thread_id: str) -> str:
    """Where earlier releases noted whose a thread is; only removed."""
    return f"thread:{thread_id}:owner"


def pending_key(thread_id: str) -> str:
    """A hash of a thread's exchanges that are not drained yet, in their wire form."""
    return f"thread:{thread_id}:pending"


def drained_key(thread_id: str) -> str:
    """A set of the ids of a thread's exchanges that were drained in the last minutes."""
    return f"thread:{thread_id}:drained"


def preferences_key(user_id: str) -> str:
    """A user's preferences."""
    return f"user:{user_id}:preferences"


def preferences_seal_key(user_id: str) -> str:
    """The generation in which PostgreSQL confirmed that a user's preferences, or that there are none, are all."""
    return f"user:{user_id}:preferences:seal"


def no_preferences_key(user_id: str) -> str:
    """Where earlier releases noted that a user has no preferences; only removed."""
    return f"user:{user_id}:preferences:none"


def user_threads_key(user_id: str) -> str:
    """The threads a user wrote to lately, by time."""
    return f"user:{user_id}:threads"


def user_tombstone_key(user_id: str) -> str:
    """The order key of a user's deletion."""
    return f"user:{user_id}:tombstone"
