"""Opaque pagination cursors: a place in an order, bound to the list it was made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any, Final

import orjson

from shared.errors import InvalidCursor

_CHECK_BYTES: Final = 8


def encode(listing: str, place: list[str | int]) -> str:
    """Return a cursor for a place in a listing.

    Args:
        listing: Names the route and all that selects and orders its items, e.g. `messages:asc:conv_12345`.
        place: What the listing needs to go on from there.
    """
    content = orjson.dumps(place)
    return base64.urlsafe_b64encode(_check(listing, content) + content).decode().rstrip("=")


def decode(listing: str, cursor: str, *parts: Callable[[Any], Any]) -> list[Any]:
    """Return the place in a cursor.

    Args:
        listing: What the cursor has to be made for.
        cursor: What the caller sent.
        parts: Reads one part of the place each, and raises for what is none; without them the parts stay what they are.

    Raises:
        InvalidCursor: It was not made for this listing.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidCursor("no cursor of this list") from error
    check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if check != _check(listing, content):
        raise InvalidCursor("no cursor of this list")
    try:
        place: list[Any] = orjson.loads(content)
        return [read(part) for read, part in zip(parts, place, strict=True)] if parts else place
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        # Any client can compute the check, so the position has to be validated, too.
        raise InvalidCursor("no cursor of this list") from error


def _check(listing: str, content: bytes) -> bytes:
    # Against mistakes, not against attackers: a cursor gives no right that the route's own checks would not give.
    return hashlib.blake2b(listing.encode() + b"\x00" + content, digest_size=_CHECK_BYTES).digest()
