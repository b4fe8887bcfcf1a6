"""A deriver that says what a test wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.errors import StoreUnavailable
from shared.learning.statements import SUMMARY_SLOT, SourceExchange, Statement


def home_of(exchange: SourceExchange) -> list[Statement]:
    """Return where the user lives, of a message such as `I live in Rome`."""
    before, separator, place = exchange.user_message.partition("I live in ")
    if before or not separator:
        return []
    return [Statement("fact", "home", place.casefold(), f"Lives in {place}", exchange.user_message)]


@dataclass
class ScriptedDeriver:
    """A deriver without rules.

    Attributes:
        name: Its name.
        find: Returns the statements of an exchange.
        refused: It fails for exchanges with this word.
        is_down: Whether it fails for all exchanges.
        before: Is called before each answer, e.g. to change data meanwhile.
        calls: The number of exchanges in each call of `derive`.
    """

    name: str = "scripted:1"
    find: Callable[[SourceExchange], list[Statement]] = home_of
    refused: str = "\0"
    is_down: bool = False
    before: Callable[[], object] = lambda: None
    calls: list[int] = field(default_factory=list)

    def derive(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return each exchange's statements."""
        self.calls.append(len(exchanges))
        self.before()
        if self.is_down or any(self.refused in each.user_message for each in exchanges):
            raise StoreUnavailable("model", "scripted")
        return [self.find(each) for each in exchanges]

    def summarize(self, exchanges: Sequence[SourceExchange]) -> list[list[Statement]]:
        """Return the user's message of each exchange that has a full stop."""
        texts = [each.user_message if each.user_message.endswith(".") else "" for each in exchanges]
        return [[Statement("summary", SUMMARY_SLOT, text, text, text)] if text else [] for text in texts]
