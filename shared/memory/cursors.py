"""Opaque pagination cursors: a position in an order, bound to one list."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from shared.errors import InvalidCursor

_CHECKSUM_BYTES: Final = 8


def encode(list_name: str, position: list[str | int]) -> str:
    """Return a cursor for a position in a list.

    Args:
        list_name: The route, with all parameters that select and sort the items, e.g. `messages:asc:conv_12345`.
        position: The position.
    """
    content = orjson.dumps(position)
    return base64.urlsafe_b64encode(_checksum(list_name, content) + content).decode().rstrip("=")


def decode(list_name: str, cursor: str, *parts: Callable[[Any], Any]) -> list[Any]:
    """Return the position in a cursor.

    Args:
        list_name: The list that the cursor must belong to.
        cursor: The caller's cursor.
        parts: Parsers of the position's parts, which raise for invalid values; by default parts are not parsed.

    Raises:
        InvalidCursor: The cursor does not belong to this list.
    """
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor("no cursor of this list") from error
    checksum, content = decoded[:_CHECKSUM_BYTES], decoded[_CHECKSUM_BYTES:]
    if checksum != _checksum(list_name, content):
        raise InvalidCursor("no cursor of this list")
    try:
        position: list[Any] = orjson.loads(content)
        return [parse(part) for parse, part in zip(parts, position, strict=True)] if parts else position
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        # Any client can compute the checksum, so the position must be validated, too.
        raise InvalidCursor("no cursor of this list") from error


def parse_moment(text: str) -> datetime:
    """Return the time of a cursor's position.

    Raises:
        ValueError: The text is not a time.
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def _checksum(list_name: str, content: bytes) -> bytes:
    # The checksum detects mistakes, not attacks: a cursor gives no access beyond the route's own checks.
    return hashlib.blake2b(list_name.encode() + b"\x00" + content, digest_size=_CHECKSUM_BYTES).digest()
