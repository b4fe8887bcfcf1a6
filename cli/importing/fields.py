"""Reads the fields of a JSON object, with errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from cli.importing.records import InvalidRecordError

_FIRST_MILLISECONDS: Final = 100_000_000_000  # as seconds, this would be the year 5138


class Fields:
    """The fields of one JSON object.

    Args:
        value: The object.
        position: Its place in the file.

    Raises:
        InvalidRecordError: The value is not an object.
    """

    def __init__(self, value: object, position: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidRecordError(position, "is not a JSON object")
        self.values: Mapping[str, Any] = value
        self.position = position

    def invalid(self, reason: str) -> InvalidRecordError:
        """Return an error about this object."""
        return InvalidRecordError(self.position, reason)

    def has(self, name: str) -> bool:
        """Return whether the field has a value."""
        return self.values.get(name) is not None

    def text(self, *names: str) -> str:
        """Return the first of these fields that has a value.

        Raises:
            InvalidRecordError: None of the fields has a value, or the value is not text.
        """
        value = self.optional_text(*names)
        if value is None:
            raise self.invalid(f"{names[0]} is missing")
        return value

    def optional_text(self, *names: str) -> str | None:
        """Return the first of these fields that has a value; None if there is none.

        Raises:
            InvalidRecordError: It is not text.
        """
        name = next((name for name in names if self.has(name)), None)
        if name is None:
            return None
        if not isinstance(self.values[name], str):
            raise self.invalid(f"{name} is not text")
        return str(self.values[name])

    def content(self, name: str = "content") -> str:
        """Return a message's text: a text, or the texts of a list of parts, as chat models' APIs have them.

        Raises:
            InvalidRecordError: It is missing, or has a part that is not text.
        """
        value = self.values.get(name)
        if not isinstance(value, list):
            return self.text(name)
        parts = [part.get("text") if isinstance(part, dict) else part for part in value]
        texts = [part for part in parts if isinstance(part, str)]
        if len(texts) < len(parts):
            raise self.invalid(f"{name} has a part that is not text")
        return "\n".join(texts)

    def time(self, name: str = "created_at", default: datetime | None = None) -> datetime:
        """Return a time: ISO 8601 (without a zone it is UTC), or a Unix time in seconds or milliseconds.

        Raises:
            InvalidRecordError: It is not a time, or it is missing and there is no default.
        """
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        try:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                seconds = value / 1000 if value >= _FIRST_MILLISECONDS else value
                return datetime.fromtimestamp(seconds, UTC)
            time = datetime.fromisoformat(self.text(name))
            return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            raise self.invalid(f"{name} is not a time: {str(value)[:50]}") from None

    def metadata(self) -> dict[str, Any] | None:
        """Return the metadata; None if there is none.

        Raises:
            InvalidRecordError: It is not an object.
        """
        value = self.values.get("metadata")
        if value is not None and not isinstance(value, dict):
            raise self.invalid("metadata is not a JSON object")
        return value or None

    def uuid(self, name: str) -> UUID | None:
        """Return an id; None if there is none.

        Raises:
            InvalidRecordError: It is not a UUID.
        """
        value = self.optional_text(name)
        try:
            return None if value is None else UUID(value)
        except ValueError:
            raise self.invalid(f"{name} is not a UUID") from None
