"""The names of the Redis keys. The thread's list and the user's preferences are public; the other keys are internal."""

from typing import Final

OUTBOX: Final = "outbox:exchanges"
# The generation record: the current generation, and the last time at which Redis may have lost data; see
# `generation.py`.
GENERATION_KEY: Final = "memory:epoch"
# The key of test writes.
PROBE: Final = "memory:probe"
# The counters of the drain's unfinished attempts.
ATTEMPTS: Final = "drain:attempts"


def messages_key(thread_id: str) -> str:
    """A thread's list."""
    return f"thread:{thread_id}:messages"


def reader_lease_key(thread_id: str) -> str:
    """The previous release's lease for reading PostgreSQL. It ends with the next write to the thread."""
    return f"thread:{thread_id}:claim"


def tombstone_key(thread_id: str) -> str:
    """The order key of a thread's last deletion."""
    return f"thread:{thread_id}:tombstone"


def deleted_key(thread_id: str) -> str:
    """A set of the ids of exchanges that were deleted from a thread."""
    return f"thread:{thread_id}:deleted"


def owner_key(thread_id: str) -> str:
    """Earlier releases stored a thread's owner here. This release only deletes the key."""
    return f"thread:{thread_id}:owner"


def undrained_key(thread_id: str) -> str:
    """A hash of a thread's undrained exchanges in their wire format."""
    return f"thread:{thread_id}:pending"


def drained_key(thread_id: str) -> str:
    """A set of the ids of a thread's recently drained exchanges."""
    return f"thread:{thread_id}:drained"


def preferences_key(user_id: str) -> str:
    """A user's preferences."""
    return f"user:{user_id}:preferences"


def preferences_seal_key(user_id: str) -> str:
    """The generation in which PostgreSQL confirmed that a user's preferences, or their absence, are complete."""
    return f"user:{user_id}:preferences:seal"


def no_preferences_key(user_id: str) -> str:
    """Earlier releases recorded here that a user has no preferences. This release only deletes the key."""
    return f"user:{user_id}:preferences:none"


def memories_key(user_id: str) -> str:
    """A hash of a user's memories: `current`, a `summary:` field for each thread that was read, `seal` and `token`."""
    return f"user:{user_id}:memories"


def user_threads_key(user_id: str) -> str:
    """The threads that a user wrote to recently, by time."""
    return f"user:{user_id}:threads"


def user_tombstone_key(user_id: str) -> str:
    """The order key of a user's deletion."""
    return f"user:{user_id}:tombstone"
