"""What can go wrong between a request for an answer and the answer."""

from collections.abc import Iterable

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


class AgentTimeoutError(HybridMemoryError):
    """The model gave no answer within `AGENT__TIMEOUT_SECONDS`."""
