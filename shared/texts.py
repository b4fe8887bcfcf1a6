"""Validates texts."""

from __future__ import annotations


def text_error(value: str) -> str | None:
    """Return why the text cannot be stored in PostgreSQL or JSON, or None."""
    if "\x00" in value:
        return "must not hold NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not hold lone surrogates"
    return None
