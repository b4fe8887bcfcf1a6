"""Reading values of the API's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

Json = Mapping[str, Any]


def to_uuid(value: str | None) -> UUID | None:
    """Parse an optional id."""
    return None if value is None else UUID(value)


def to_time(value: str | None) -> datetime | None:
    """Parse an optional time."""
    return None if value is None else datetime.fromisoformat(value)
