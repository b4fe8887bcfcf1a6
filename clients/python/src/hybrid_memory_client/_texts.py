"""The texts that a framework's item shows to readers without the framework, and references to these texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_MAX_INLINE_LENGTH: Final = 40
_MAX_STEP_TEXT: Final = 200
REFERENCE: Final = "$exchange"
PARTS: Final = "$parts"


@dataclass(frozen=True, slots=True)
class ToolStep:
    """A tool call or its result, for display by any reader of the thread."""

    type: str
    id: str
    name: str = ""
    text: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the stored form; a long text is cut."""
        fields = {"type": self.type, "id": self.id, "name": self.name, "text": self.text[:_MAX_STEP_TEXT]}
        return {key: value for key, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class ExchangeTexts:
    """The texts of an exchange or item for other readers of the thread; '' if a side has none.

    Attributes:
        steps: Tool calls and results.
        is_prompt: Whether this is a user's input, with or without text, so that a turn begins here.
    """

    user: str = ""
    assistant: str = ""
    steps: tuple[ToolStep, ...] = ()
    is_prompt: bool = False

    @property
    def starts_turn(self) -> bool:
        """Whether a turn begins here."""
        return self.is_prompt or bool(self.user)


def resolve_references(value: Any, texts: ExchangeTexts) -> Any:
    """Return an item with its references replaced by the exchange's texts."""
    if isinstance(value, list):
        return [resolve_references(each, texts) for each in value]
    if isinstance(value, dict):
        if REFERENCE in value:
            return _resolve_reference(value[REFERENCE], texts)
        return {key: resolve_references(each, texts) for key, each in value.items()}
    return value


def find_reserved_key(value: Any) -> str | None:
    """Return a reserved key that an item contains, or None."""
    if isinstance(value, dict):
        reserved_key = next((key for key in (REFERENCE, PARTS) if key in value), None)
        return reserved_key or next((key for each in value.values() if (key := find_reserved_key(each))), None)
    return next((key for each in value if (key := find_reserved_key(each))), None) if isinstance(value, list) else None


def insert_references(value: Any, texts: ExchangeTexts) -> Any:
    """Return the item with a reference instead of each long text that one of the exchange's texts contains."""
    if isinstance(value, str) and len(value) > _MAX_INLINE_LENGTH:
        for side, text in (("user", texts.user), ("assistant", texts.assistant)):
            start = text.find(value)
            if start == 0 and len(value) == len(text):
                return {REFERENCE: side}
            if start >= 0:
                return {REFERENCE: [side, start, start + len(value)]}
        return value
    if isinstance(value, list):
        return [insert_references(each, texts) for each in value]
    if isinstance(value, dict):
        return {key: insert_references(each, texts) for key, each in value.items()}
    return value


def _resolve_reference(reference: Any, texts: ExchangeTexts) -> str:
    if isinstance(reference, list):
        side, start, end = reference
        return _text_of(side, texts)[start:end]
    return _text_of(reference, texts)


def _text_of(side: str, texts: ExchangeTexts) -> str:
    return texts.user if side == "user" else texts.assistant
