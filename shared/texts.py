"""Validates texts and URLs."""

from __future__ import annotations

from urllib.parse import urlsplit


def text_error(value: str) -> str | None:
    """Return why the text cannot be stored in PostgreSQL or JSON, or None."""
    if "\x00" in value:
        return "must not contain NUL characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must not contain lone surrogates"
    return None


def is_http_url(text: str) -> bool:
    """Return whether the text is a URL of HTTP or HTTPS with a host, and without an impossible port."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
