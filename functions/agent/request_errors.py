"""Errors of requests, which the HTTP API converts to problems."""

from collections.abc import Iterable
from typing import Literal

from shared.errors import HybridMemoryError


class _UnknownNameError(HybridMemoryError):
    """A name that the registry does not contain.

    Attributes:
        name: The requested name.
        known: The registered names, sorted.
    """

    kind = "name"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"There is no {self.kind} {name!r}. Use one of: {', '.join(self.known)}.")


class UnknownAgentError(_UnknownNameError):
    """The agent is not registered."""

    kind = "agent"


class UnknownToolError(_UnknownNameError):
    """The tool is not registered."""

    kind = "tool"


class AgentRunError(HybridMemoryError):
    """The model failed or returned no text.

    The message is safe for the caller: it contains no key, no prompt and no text of the provider. The provider's own
    exception is the `__cause__`.
    """


class ContextTooLongError(AgentRunError):
    """The model rejected a context that is too long."""


class PromptTooLongError(HybridMemoryError):
    """The prompt and the instructions are too long for the model even without the memory.

    Attributes:
        field: The longer one, `prompt` or `instructions`.
    """

    def __init__(self, field: Literal["prompt", "instructions"], model: str) -> None:
        super().__init__(f"is too long for the model {model}, even without the memory")
        self.field = field


class LimitTooLarge(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """A request's limit exceeds the window."""


class AgentTimeoutError(HybridMemoryError):
    """The model did not answer within `AGENT__TIMEOUT_SECONDS`."""


class Unauthenticated(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The request has no bearer token, or an invalid one.

    The message is safe for the caller: it contains nothing of the token.

    Attributes:
        error: RFC 6750's error code; None if there is no token.
    """

    def __init__(self, detail: str, error: Literal["invalid_request", "invalid_token"] | None = None) -> None:
        super().__init__(detail)
        self.error = error


class ForbiddenUser(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The request names a user other than the token's.

    Attributes:
        location: The location of the user id: `body`, `query` or `path`.
    """

    def __init__(self, location: str) -> None:
        super().__init__("is not the token's user")
        self.location = location


class SigningKeysUnavailable(HybridMemoryError):  # noqa: N818 - named like the problem it becomes
    """The issuer's keys could not be fetched, so the token cannot be checked.

    Attributes:
        retry_seconds: Seconds until the next fetch.
    """

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(
            "The keys for checking tokens could not be fetched, so nothing was changed. Repeat the request."
        )
        self.retry_seconds = retry_seconds
