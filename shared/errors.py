"""The errors of this project, as one small tree of classes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


class HybridMemoryError(Exception):
    """Base class of all errors that this project raises on purpose.

    Attributes:
        outcome: The changes made before the error and the effect of a retry, as a clause after "so"; '' for the
            operation's default outcome (see `functions/agent/outcomes.py`).
    """

    outcome = ""


class SettingsError(HybridMemoryError):
    """A setting is invalid; the message names the environment variable."""


class StoreUnavailable(HybridMemoryError):  # noqa: N818 - named after the state, like in the degradation table
    """A layer did not respond (refused, timed out, or its circuit is open).

    Attributes:
        layer: `redis`, `postgres` or `queue`, the name used in `degraded`.
        reason: The reason for the log and operators, without data.
        state: The layer's state, as a clause after its name.
        is_unconfirmed: Whether the layer may have made the change although it did not respond.
    """

    state = "is not responding"

    def __init__(self, layer: str, reason: str = "", *, state: str | None = None) -> None:
        super().__init__(f"{layer} did not answer" + (f": {reason}" if reason else ""))
        self.layer = layer
        self.reason = reason
        self.state = state or type(self).state
        self.is_unconfirmed = False


class StoreBusy(StoreUnavailable):
    """A layer responded but aborted the work, because the work took too long or conflicted with another transaction."""

    state = "could not finish this now"


class StatementRefused(StoreUnavailable):
    """PostgreSQL refuses a statement, because of one row or for a reason that concerns every row.

    Attributes:
        detail: The error's SQLSTATE and message, without data.
        is_about_a_row: Whether a trigger, a check or a row's value may have caused the error.
    """

    state = "refused this"

    def __init__(self, detail: str, *, is_about_a_row: bool) -> None:
        super().__init__("postgres", detail)
        self.detail = detail
        self.is_about_a_row = is_about_a_row


@contextmanager
def add_outcome(outcome: str) -> Iterator[None]:
    """Add an outcome to each error that the `with` block raises without one."""
    try:
        yield
    except HybridMemoryError as error:
        error.outcome = error.outcome or outcome
        raise


def add_half_deleted_outcome(kind: str) -> AbstractContextManager[None]:
    """Add an outcome to errors of the `with` block: the data is deleted from PostgreSQL, but perhaps not from Redis."""
    return add_outcome(
        f"the deletion is not complete: the {kind} is deleted from PostgreSQL and may still be in the cache. "
        "Repeat the request to complete it"
    )


class InvalidRecord(HybridMemoryError):  # noqa: N818 - the usual term for a message that can never be stored
    """An invalid queue message, or invalid data in it.

    Attributes:
        reason: A short word for metrics and the dead-letter queue's `reason` attribute, e.g. `not_json`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class TooLargeForQueue(HybridMemoryError):  # noqa: N818 - a property of the message
    """The message is too large for the queue; PostgreSQL stores it directly."""


class ThreadNotFound(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The thread does not exist, or the caller may not see it."""


class ExchangeNotFound(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The exchange does not exist, or was deleted."""


class InvalidCursor(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The pagination cursor does not belong to this list."""


class TooManyPreferences(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """A user's preferences would exceed the limit of a response or of a model's instructions."""


class TooManyMemories(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """A user would have more explicit memories than the limit."""


class MemoryNotFound(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The user has no such memory."""


class IdempotencyConflict(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The idempotency key is in use (409), was used with another body, or its answer was deleted (422).

    Attributes:
        status: The HTTP status of the problem.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
