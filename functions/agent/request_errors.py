"""What can go wrong between a request for an answer and the answer."""

from collections.abc import Iterable
from typing import Literal

from shared.errors import HybridMemoryError


class _UnknownNameError(HybridMemoryError):
    """A name that the registry does not hold.

    Attributes:
        name: What was asked for.
        known: What there is, sorted.
    """

    kind = "name"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(sorted(known))
        super().__init__(f"There is no {self.kind} {name!r}; there is: {', '.join(self.known)}.")


class UnknownAgentError(_UnknownNameError):
    """No agent of that name is registered."""

    kind = "agent"


class UnknownToolError(_UnknownNameError):
    """No tool of that name is registered."""

    kind = "tool"


class AgentRunError(HybridMemoryError):
    """The model failed or had nothing to say.

    The message is fit for the caller: it holds no key, no prompt, and nothing of what the provider wrote. The
    provider's own exception is the `__cause__`.
    """


class ContextTooLongError(AgentRunError):
    """The model refused what it was sent, because it is too long for it."""


class PromptTooLongError(HybridMemoryError):
    """The prompt and the instructions are too long for the model, also without any memory.

    Attributes:
        field: The longer of the two.
    """

    def __init__(self, field: Literal["prompt", "instructions"], model: str) -> None:
        super().__init__(f"is too long for the model {model}, also without any memory")
        self.field = field


class LimitTooLarge(HybridMemoryError):  # noqa: N818 - reads as the answer it becomes
    """A request asks for more exchanges than the window has."""


class AgentTimeoutError(HybridMemoryError):
    """The model gave no answer within `AGENT__TIMEOUT_SECONDS`."""


class Unauthenticated(HybridMemoryError):  # noqa: N818 - reads as the answer it becomes
    """The request has no bearer token, or one that cannot be believed.

    The message is fit for the caller: it holds nothing of the token.

    Attributes:
        error: RFC 6750's word for it; None when there is no token at all.
    """

    def __init__(self, detail: str, error: Literal["invalid_request", "invalid_token"] | None = None) -> None:
        super().__init__(detail)
        self.error = error


class ForbiddenUser(HybridMemoryError):  # noqa: N818 - reads as the answer it becomes
    """The request names a user that its token is not of.

    Attributes:
        place: Where: `body`, `query` or `path`.
    """

    def __init__(self, place: str) -> None:
        super().__init__("is not the user of the token")
        self.place = place


class SigningKeysUnavailable(HybridMemoryError):  # noqa: N818 - reads as the answer it becomes
    """The issuer's keys could not be fetched, so that the token cannot be checked.

    Attributes:
        retry_seconds: When they are asked for again.
    """

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(
            "The keys that tokens are checked with could not be fetched, so nothing was changed. Repeat the request."
        )
        self.retry_seconds = retry_seconds
