"""For any text as a cursor, even a forged cursor, the API returns a page or an error."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidCursor
from shared.memory.cursors import _checksum, decode, encode
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.threads import Threads
from shared.settings import MemorySettings
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from tests.support import random_input
from tests.support.exchanges import exchange

_VALID_POSITION: list[str | int] = ["019a0000-0000-7def-8123-456789abcdef", 0]
_positions = st.lists(random_input.values, max_size=3) | st.tuples(random_input.values, random_input.values).map(list)
_LISTS = ("messages:asc:t", "messages:desc:t", "threads:u", "memories:current:u")


def _memory() -> Memory:
    archive = InMemoryArchive()
    archive.store([exchange(number, "t", "u") for number in range(3)])
    return Memory(InMemoryCache(), archive, InMemoryQueue(), MemorySettings())


_STORES = _memory()
_THREADS, _MEMORIES = Threads(_STORES), LearnedMemories(_STORES)
for _number in range(3):
    _MEMORIES.add("u", "fact", f"Fact {_number}")


def _read_pages(cursor: str) -> None:
    """Request a page of each list with the cursor. The cursor may be invalid."""
    for page in (
        lambda: _THREADS.messages("t", 2, cursor, descending=False),
        lambda: _THREADS.messages("t", 2, cursor, descending=True),
        lambda: _THREADS.list_for("u", 2, cursor),
        lambda: _MEMORIES.page("u", 2, cursor),
    ):
        try:
            items: Any = page().items
        except InvalidCursor:
            continue
        assert len(items) <= 2


@random_input.fuzz
@given(random_input.any_text | random_input.damaged_text(encode("messages:asc:t", _VALID_POSITION)))
def test_any_text_is_handled(cursor: str) -> None:
    """The API handles random texts and damaged cursors."""
    _read_pages(cursor)


@random_input.fuzz
@given(_positions)
def test_forged_positions_are_handled(position: list[Any]) -> None:
    """The API handles a cursor with a valid checksum and an invalid position."""
    for listing in _LISTS:
        try:
            cursor = encode(listing, position)
        except TypeError:  # JSON cannot contain these characters.
            continue
        _read_pages(cursor)


@random_input.fuzz
@given(st.binary(max_size=40))
def test_random_bytes_with_a_valid_checksum_are_handled(content: bytes) -> None:
    """The API handles a cursor with a valid checksum and data that is not JSON."""
    raw = _checksum("messages:asc:t", content) + content
    _read_pages(base64.urlsafe_b64encode(raw).decode().rstrip("="))


@random_input.fuzz
@given(
    random_input.any_text, st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 1), max_size=3)
)
def test_a_position_is_decoded_unchanged(listing: str, position: list[str | int]) -> None:
    """The decoder returns any position unchanged. It refuses a cursor of another list."""
    if any("\ud800" <= character <= "\udfff" for character in listing):
        return
    cursor = encode(listing, position)
    assert decode(listing, cursor) == position
    with pytest.raises(InvalidCursor):
        decode(f"{listing}.", cursor)
