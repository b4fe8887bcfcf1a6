"""Pagination cursors are opaque and belong to one list. The API refuses a cursor for another list."""

import base64
import string

import pytest

from shared.errors import InvalidCursor
from shared.memory.cursors import decode, encode


@pytest.mark.parametrize("position", [["a", 1], ["2026-03-04T05:06:07.891234Z", "id"], ["🎉", 0]])
def test_a_decoded_position_equals_the_encoded_position(position: list[str | int]) -> None:
    """A decoded position equals the encoded position."""
    assert decode("messages:asc:t", encode("messages:asc:t", position)) == position


def test_a_cursor_needs_no_escaping_in_a_query_string() -> None:
    """A cursor needs no escaping in a query string."""
    for length in range(12):
        assert set(encode("list", ["x" * length])) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("listing", ["messages:desc:t", "messages:asc:other", "threads:t", ""])
def test_a_cursor_of_another_list_is_refused(listing: str) -> None:
    """A cursor is refused for a list with another order, of another thread or of another route."""
    with pytest.raises(InvalidCursor):
        decode(listing, encode("messages:asc:t", ["a", 1]))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "====",
        "a",
        "🎉",
        "a b",
        "\x00",
        "x" * 100_000,
        base64.urlsafe_b64encode(b'["a", 1]').decode(),
        base64.urlsafe_b64encode(b"12345678" + b'["a", 1]').decode(),
    ],
)
def test_a_forged_cursor_is_refused(cursor: str) -> None:
    """The API refuses a forged cursor."""
    with pytest.raises(InvalidCursor):
        decode("messages:asc:t", cursor)


def test_a_changed_character_makes_a_cursor_invalid() -> None:
    """A change of any character makes a cursor invalid."""
    cursor = encode("messages:asc:t", ["a", 1])
    for index, character in enumerate(cursor[:-1]):
        changed = cursor[:index] + ("B" if character == "A" else "A") + cursor[index + 1 :]
        with pytest.raises(InvalidCursor):
            decode("messages:asc:t", changed)


def test_no_prefix_of_a_cursor_is_valid() -> None:
    """No prefix of a cursor is valid."""
    cursor = encode("messages:asc:t", ["a", 1])
    for length in range(len(cursor)):
        with pytest.raises(InvalidCursor):
            decode("messages:asc:t", cursor[:length])
