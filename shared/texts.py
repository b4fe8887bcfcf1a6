"""What no text may hold."""

from __future__ import annotations


def text_error(value: str) -> str | None:
    """Return why neither PostgreSQL nor JSON can hold the text, or None."""
    if "\x00" in value:
        return "must not hold NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not hold lone surrogates"
    return None
