"""Opaque pagination cursors: a place in an order, bound to the list it was made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

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


def decode(listing: str, cursor: str) -> list[str | int]:
    """Return the place in a cursor.

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
    place: list[str | int] = orjson.loads(content)
    return place


def _check(listing: str, content: bytes) -> bytes:
    # Against mistakes, not against attackers: a cursor gives no right that the route's own checks would not give.
    return hashlib.blake2b(listing.encode() + b"\x00" + content, digest_size=_CHECK_BYTES).digest()
